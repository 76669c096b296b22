//! A web server in a `Slot`, edited while it runs, and stopped and restarted from outside
//! while the program goes on.
//!
//! ```sh
//! cd examples/server
//! cargo midair run -- 8888
//! curl localhost:8888
//! ```
//!
//! and in another terminal `cargo midair repl server`:
//!
//! ```text
//! stop SERVER
//! start SERVER 9000
//! restart SERVER
//! ```
//!
//! (or the key `s` in the first one, if it was started with `--interactive`). What an
//! edit changes is live at once, also without a restart; a restart is for what is done
//! once, such as the line of `start` below. What outlives it is what `start` takes
//! over from `before`: here the number of visits.

mod page;

use midair::control::{Component, Scope};
use std::error::Error;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

struct Server {
    visits: Arc<AtomicU64>,
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
        let visits = before.map_or_else(Arc::default, |before| Arc::clone(&before.visits));
        println!("started at visit {}", visits.load(Ordering::Relaxed));
        let counter = Arc::clone(&visits);
        scope.spawn("acceptor", move |scope| accept(scope, &listener, &counter))?;
        Ok(Self { visits })
    }
}

fn accept(scope: &Scope, listener: &TcpListener, visits: &Arc<AtomicU64>) {
    while let Ok((stream, _)) = listener.accept() {
        if scope.is_stopping() {
            return;
        }
        let visits = Arc::clone(visits);
        let served = scope.spawn("client", move |scope| {
            // A client that goes away is no error of the server's.
            let _ = serve(scope, &stream, &visits);
        });
        if let Err(error) = served {
            eprintln!("a client was dropped: {error}");
        }
    }
}

/// One request after the other, until the client has enough.
fn serve(scope: &Scope, stream: &TcpStream, visits: &AtomicU64) -> std::io::Result<()> {
    let _cut = scope.shut_on_hard_stop(stream)?;
    let mut lines = BufReader::new(stream).lines();
    while let Some(_request) = lines.next().transpose()? {
        for header in lines.by_ref() {
            if header?.is_empty() {
                break;
            }
        }
        let body = page::page(visits.fetch_add(1, Ordering::Relaxed) + 1);
        let mut stream = stream;
        write!(
            stream,
            "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )?;
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let port = std::env::args().nth(1).map(|port| port.parse());
    SERVER.start(port.transpose()?)?;
    loop {
        std::thread::park();
    }
}
