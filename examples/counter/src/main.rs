//! An HTTP server with a counter: `/increment` and `/get`.
//!
//! ```sh
//! cd examples/counter
//! cargo midair run -- 8080
//! curl localhost:8080/increment    # 1
//! ```
//!
//! Then let `increment` add 10, save the file, and ask again: 11. The counter has
//! kept its value, and no connection was closed.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};

static COUNTER: AtomicU64 = AtomicU64::new(0);

fn increment() -> u64 {
    COUNTER.fetch_add(1, Ordering::Relaxed) + 1
}

fn get() -> u64 {
    COUNTER.load(Ordering::Relaxed)
}

fn answer(path: &str) -> (&'static str, String) {
    match path {
        "/increment" => ("200 OK", increment().to_string()),
        "/get" => ("200 OK", get().to_string()),
        _ => ("404 Not Found", "try /increment or /get".to_owned()),
    }
}

/// Answers one request after the other, until the client has enough.
fn serve(stream: TcpStream) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let mut stream = stream;
    while let Some(request) = lines.next().transpose()? {
        // The headers end with an empty line.
        for header in lines.by_ref() {
            if header?.is_empty() {
                break;
            }
        }
        let path = request.split(' ').nth(1).unwrap_or("/");
        let (status, body) = answer(path);
        let len = body.len();
        write!(
            stream,
            "HTTP/1.1 {status}\r\ncontent-length: {len}\r\n\r\n{body}"
        )?;
    }
    Ok(())
}

fn main() -> std::io::Result<()> {
    let port = std::env::args()
        .nth(1)
        .and_then(|port| port.parse().ok())
        .unwrap_or(0);
    let listener = TcpListener::bind(("127.0.0.1", port))?;
    println!("http://{}", listener.local_addr()?);
    for stream in listener.incoming() {
        let stream = stream?;
        std::thread::spawn(move || {
            if let Err(error) = serve(stream) {
                eprintln!("a client is gone: {error}");
            }
        });
    }
    Ok(())
}
