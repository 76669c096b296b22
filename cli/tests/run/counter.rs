//! The example server, edited while clients ask it.

use crate::program::{Program, redirected};
use crate::workspace::Workspace;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

const MAIN: &str = "src/main.rs";

struct Client(BufReader<TcpStream>);

impl Client {
    fn new(address: &str) -> Self {
        Self(BufReader::new(TcpStream::connect(address).unwrap()))
    }

    /// The status and the body.
    fn ask(&mut self, path: &str) -> (String, u64) {
        write!(
            self.0.get_mut(),
            "GET {path} HTTP/1.1\r\nhost: test\r\n\r\n"
        )
        .unwrap();
        let mut status = String::new();
        self.0.read_line(&mut status).unwrap();
        let mut len = 0;
        loop {
            let mut header = String::new();
            self.0.read_line(&mut header).unwrap();
            match header.trim().split_once(": ") {
                Some((_, value)) => len = value.parse().unwrap(),
                None => break,
            }
        }
        let mut body = vec![0; len];
        self.0.read_exact(&mut body).unwrap();
        let body = String::from_utf8(body).unwrap();
        (status.trim().to_owned(), body.parse().unwrap())
    }
}

fn start() -> (Program, String) {
    let program = Program::with(Workspace::of("examples/counter", "counter"), &[]);
    program.wait_until_watched();
    let address = program.line().replace("http://", "");
    (program, address)
}

#[test]
fn the_counter_goes_on_from_its_value_on_the_same_connection() {
    let (mut program, address) = start();
    let mut client = Client::new(&address);
    for n in 1..4 {
        assert_eq!(client.ask("/increment"), ("HTTP/1.1 200 OK".to_owned(), n));
    }
    let report = program.edit(
        MAIN,
        "fetch_add(1, Ordering::Relaxed) + 1",
        "fetch_add(10, Ordering::Relaxed) + 10",
    );
    assert_eq!(redirected(&report), ["increment"]);
    assert_eq!(client.ask("/increment").1, 13);
    assert_eq!(client.ask("/get").1, 13);
    assert_eq!(program.terminate(), 128 + 15);
}

#[test]
fn no_request_fails_while_edits_come() {
    let (mut program, address) = start();
    let (done, asked) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let mut client = Client::new(&address);
                while !done.load(Ordering::Relaxed) {
                    assert_eq!(client.ask("/increment").0, "HTTP/1.1 200 OK");
                    asked.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        for n in 1..20 {
            let (from, to) = (format!("+ {n}\n}}"), format!("+ {}\n}}", n + 1));
            assert_eq!(redirected(&program.edit(MAIN, &from, &to)), ["increment"]);
        }
        done.store(true, Ordering::Relaxed);
    });
    let mut client = Client::new(&address);
    assert_eq!(client.ask("/get").1, asked.load(Ordering::Relaxed));
    // It answers with the newest code, which adds 20 to what it read.
    assert_eq!(
        client.ask("/increment").1,
        asked.load(Ordering::Relaxed) + 20
    );
    assert_eq!(program.terminate(), 128 + 15);
}
