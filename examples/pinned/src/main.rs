//! Two servers whose requests finish on the code that they began with.
//!
//! ```sh
//! cd examples/pinned
//! cargo midair run -- 8001 8002
//! ```
//!
//! The first server has a thread for each connection, the second one tasks. A request
//! takes 200 ms in three steps (`src/steps.rs`). Edit a step while requests run: each
//! answers with three steps of one version, old requests with the old one.

mod steps;
mod tasks;
mod threads;

use std::net::{SocketAddr, TcpListener};

fn main() -> std::io::Result<()> {
    let mut ports = std::env::args().skip(1);
    let mut listen = || {
        let port = ports.next().and_then(|port| port.parse().ok());
        TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], port.unwrap_or(0))))
    };
    let (first, second) = (listen()?, listen()?);
    println!("http://{}", first.local_addr()?);
    println!("http://{}", second.local_addr()?);
    std::thread::spawn(move || threads::serve(&first));
    tasks::serve(second)
}
