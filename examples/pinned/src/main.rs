//! Three servers whose requests finish on the code that they began with.
//!
//! ```sh
//! cd examples/pinned
//! cargo midair run -- 8001 8002 8003
//! ```
//!
//! The first server has a thread for each connection, the second one tasks, and the third
//! one is axum's, with `midair::tower::PinLayer`. A request takes 200 ms in three steps
//! (`src/steps.rs`). Edit a step while requests run: each answers with three steps of one
//! version, old requests with the old one.

mod layered;
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
    let all = [listen()?, listen()?, listen()?];
    for listener in &all {
        println!("http://{}", listener.local_addr()?);
    }
    let [first, second, third] = all;
    std::thread::spawn(move || threads::serve(&first));
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    runtime.enable_all().build()?.block_on(async {
        tokio::spawn(async {
            if let Err(error) = layered::serve(third).await {
                eprintln!("{error}");
            }
        });
        tasks::serve(second).await
    })
}
