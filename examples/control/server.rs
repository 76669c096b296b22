//! A web server in a `Slot`: stopped, started and restarted while the program runs,
//! with its counter kept.
//!
//! `cargo run --example server`, `curl localhost:8888`, and in another terminal
//! `cargo midair repl server`:
//!
//! ```text
//! stop SERVER
//! start SERVER 9000
//! restart SERVER
//! ```
//!
//! `/slow` takes ten seconds: a stop waits 100 ms for it and cuts it off then.

mod http;

use midair::control::{Component, Scope};
use std::error::Error;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

struct Server {
    /// Outlives restarts.
    visits: Arc<AtomicU64>,
    /// Begins anew with each.
    visits_of_this_run: Arc<AtomicU64>,
}

midair::slot! { static SERVER: Server }

impl Component for Server {
    fn start(
        scope: &Scope,
        port: u16,
        before: Option<&Self>,
    ) -> Result<Self, Box<dyn Error + Send + Sync>> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
        scope.shut_on_stop(&listener)?;
        let server = Self {
            visits: before.map_or_else(Arc::default, |before| Arc::clone(&before.visits)),
            visits_of_this_run: Arc::default(),
        };
        let counters = [&server.visits, &server.visits_of_this_run].map(Arc::clone);
        scope.spawn("acceptor", move |scope| accept(scope, &listener, &counters))?;
        println!("listening on port {port}");
        Ok(server)
    }
}

fn accept(scope: &Scope, listener: &TcpListener, counters: &[Arc<AtomicU64>; 2]) {
    while let Ok((stream, _)) = listener.accept() {
        if scope.is_stopping() {
            return;
        }
        let counters = counters.clone();
        let served = scope.spawn("request", move |scope| {
            if let Err(error) = serve(scope, &stream, &counters) {
                eprintln!("a request failed: {error}");
            }
        });
        if let Err(error) = served {
            eprintln!("a request was dropped: {error}");
        }
    }
}

fn serve(scope: &Scope, stream: &TcpStream, counters: &[Arc<AtomicU64>; 2]) -> std::io::Result<()> {
    let _cut = scope.shut_on_hard_stop(stream)?;
    let path = http::path_of_request(stream)?;
    let [visits, of_this_run] = counters
        .each_ref()
        .map(|c| c.fetch_add(1, Ordering::Relaxed) + 1);
    match path.as_str() {
        // Does not ask whether it is to stop.
        "/slow" => std::thread::sleep(Duration::from_secs(10)),
        // Comes to an end by itself, in time.
        "/brief" => std::thread::sleep(Duration::from_millis(50)),
        _ => {}
    }
    let body = format!("visit {visits}, {of_this_run} since the start\n");
    http::answer(stream, "200 OK", &body)
}

fn main() -> Result<(), Box<dyn Error>> {
    midair::control::serve()?;
    let port = std::env::args().nth(1).map(|port| port.parse());
    SERVER.start(port.transpose()?)?;
    loop {
        std::thread::park();
    }
}
