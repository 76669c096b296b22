//! A loop that greets, and is changed while it runs: a value, a function, a file.
//!
//! ```sh
//! cd examples/greeting
//! cargo midair run
//! ```
//!
//! and in another terminal, with the path that it shows (or `cargo midair repl greeting`):
//!
//! ```text
//! $ nc -U /run/user/1000/midair/greeting-4711.sock
//! get MESSAGE
//! set MESSAGE "goodbye world"
//! eval fn greeting::print_message() { println!("jenny: {}", MESSAGE) }
//! reload greeting.rs
//! ```
//!
//! The last one makes live what the file says, and what was typed gives way to it.

mod greeting;

use std::time::Duration;

fn main() {
    loop {
        greeting::print_message();
        std::thread::sleep(Duration::from_millis(greeting::PAUSE.get()));
    }
}
