//! A loop that greets, and is changed while it runs.
//!
//! `cargo run --example greeting`, and in another terminal `cargo midair repl
//! greeting` (or `nc -U` with the path that the program shows):
//!
//! ```text
//! set MESSAGE "good evening"                        a value
//! patch print_message print_politely                a function
//! patch print_message from libgreeting.so           a file
//! unpatch print_message
//! ```
//!
//! A library for the last but one is made of a file with one function in it:
//!
//! ```text
//! $ cat greeting.rs
//! #[unsafe(no_mangle)]
//! pub fn print_message() { println!("jenny: hi") }
//! $ rustc -g --crate-type cdylib greeting.rs
//! ```

use std::time::Duration;

mod greeting {
    midair::var! { pub(crate) static MESSAGE: String = "hello world" }

    #[inline(never)]
    pub(crate) fn print_message() {
        println!("{MESSAGE}");
    }

    #[inline(never)]
    pub(crate) fn print_politely() {
        println!("{MESSAGE}, if I may");
    }

    /// Of another type: it is refused in the place of `print_message`.
    #[inline(never)]
    pub(crate) fn print_times(times: u32) {
        for _ in 0..times {
            print_message();
        }
    }
}

midair::var! {
    /// How long the loop waits, in milliseconds.
    static PAUSE: u64 = 1000
}

fn main() -> Result<(), midair::control::ControlError> {
    midair::control::serve()?;
    // What nobody calls is not in the program, and so has no name.
    std::hint::black_box((
        greeting::print_politely as fn(),
        greeting::print_times as fn(u32),
    ));
    loop {
        greeting::print_message();
        std::thread::sleep(Duration::from_millis(PAUSE.get()));
    }
}
