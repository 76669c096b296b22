//! A server in a `Slot`: edited under load, and stopped and restarted over the socket.

use crate::program::{Program, redirected};
use crate::socket::Client;
use crate::workspace::Workspace;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};

const PAGE: &str = "src/page.rs";

fn start() -> (Program, Client, u16) {
    start_with(&[])
}

fn start_with(options: &[&str]) -> (Program, Client, u16) {
    let workspace = Workspace::with_midair("examples/server", "server");
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let port_text = port.to_string();
    let args = [options, &["--", &port_text]].concat();
    let program = Program::with(workspace, &args);
    let client = Client::connect(&program.socket());
    program.wait_until_watched();
    assert_eq!(program.line(), "started at visit 0");
    (program, client, port)
}

/// A connection to the server.
struct Browser(BufReader<TcpStream>);

impl Browser {
    fn open(port: u16) -> std::io::Result<Self> {
        TcpStream::connect(("127.0.0.1", port)).map(|stream| Self(BufReader::new(stream)))
    }

    /// The numbers of the page.
    fn page(&mut self) -> std::io::Result<[u64; 4]> {
        write!(self.0.get_mut(), "GET / HTTP/1.1\r\nhost: test\r\n\r\n")?;
        let mut len = 0;
        loop {
            let mut header = String::new();
            if self.0.read_line(&mut header)? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            if let Some(value) = header.trim().strip_prefix("content-length: ") {
                len = value.parse().unwrap();
            }
            if header == "\r\n" {
                break;
            }
        }
        let mut body = vec![0; len];
        self.0.read_exact(&mut body)?;
        let body = String::from_utf8(body).unwrap();
        let numbers: Vec<u64> = body
            .split_whitespace()
            .map(|n| n.parse().unwrap())
            .collect();
        Ok(numbers.try_into().unwrap())
    }
}

fn page(port: u16) -> std::io::Result<[u64; 4]> {
    Browser::open(port)?.page()
}

/// Three functions change at one instant, while nobody is pinned: an old one may be
/// followed by a new one, but no new one by an old one, neither within a page nor from
/// one page to the next of the same client.
#[test]
fn nobody_ever_sees_the_new_one_and_then_the_old_one() {
    let (program, _client, port) = start();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let browsers: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    let mut browser = Browser::open(port).unwrap();
                    let (mut last, mut served) = (0, 0_u64);
                    while !done.load(Ordering::Relaxed) {
                        let [first, second, third, _] = browser.page().unwrap();
                        let seen = [last, first, second, third];
                        assert!(seen.is_sorted(), "{seen:?}");
                        last = third;
                        served += 1;
                    }
                    (last, served)
                })
            })
            .collect();
        for n in 2..=20 {
            let text = program.workspace.read(PAGE);
            let (from, to) = (format!("    {}\n}}", n - 1), format!("    {n}\n}}"));
            assert_eq!(text.matches(&from).count(), 3);
            program.workspace.write(PAGE, &text.replace(&from, &to));
            assert_eq!(redirected(&program.report()), ["first", "second", "third"]);
            assert_eq!(page(port).unwrap()[..3], [n; 3]);
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
        done.store(true, Ordering::Relaxed);
        for browser in browsers {
            let (last, served) = browser.join().unwrap();
            assert_eq!(last, 20);
            assert!(served > 20, "{served}");
        }
    });
    assert_eq!(program.terminate(), 128 + 15);
}

#[test]
fn a_server_is_stopped_and_started_anew_with_the_new_code_and_its_visits() {
    let (program, mut client, port) = start();
    assert_eq!(page(port).unwrap(), [1, 1, 1, 1]);
    assert_eq!(client.ask("stop SERVER"), "server::SERVER stopped");
    assert!(page(port).is_err());
    assert_eq!(client.ask("slots"), "server::SERVER: stopped");
    // Edited while it is stopped.
    let text = program.workspace.read("src/main.rs");
    let text = text.replace("started at visit", "started anew at visit");
    program.workspace.write("src/main.rs", &text);
    let _ = program.report();
    // Else the next report has `start` once more, by the usual name of its file.
    program.settled();
    let answer = client.ask(&format!("start SERVER {port}"));
    assert_eq!(answer, format!("server::SERVER runs on port {port}"));
    assert_eq!(program.line(), "started anew at visit 1");
    assert_eq!(page(port).unwrap(), [1, 1, 1, 2]);

    // The page is typed, which needs no restart; and it outlives one.
    let live = client.command(&["eval", "fn page::second() -> u32 { 7 }"]);
    assert_eq!(redirected(&live["data"]), ["second"], "{live:#}");
    assert_eq!(page(port).unwrap(), [1, 7, 1, 3]);
    let answer = client.command(&["restart", "SERVER"]);
    let port_of = serde_json::json!({ "port": port });
    assert_eq!(answer["data"], port_of, "{answer:#}");
    assert_eq!(program.line(), "started anew at visit 3");
    assert_eq!(page(port).unwrap(), [1, 7, 1, 4]);
    let answer = client.command(&["complete", "restart SER"]);
    assert_eq!(answer["data"], serde_json::json!(["SERVER"]), "{answer:#}");
    let answer = client.ask("restart NOBODY");
    assert_eq!(
        answer,
        "error: no Slot is called `NOBODY`; there is server::SERVER"
    );
    assert_eq!(program.terminate(), 128 + 15);
}

#[test]
fn keys_restart_the_slots_and_undo_an_edit() {
    let (mut program, _client, port) = start_with(&["--interactive"]);
    assert_eq!(page(port).unwrap(), [1, 1, 1, 1]);
    program.key("s");
    assert_eq!(program.line(), "started at visit 1");
    program.said(&format!(
        "server::SERVER stopped, server::SERVER runs on port {port}"
    ));
    assert_eq!(page(port).unwrap(), [1, 1, 1, 2]);
    let report = program.edit(PAGE, "second() -> u32 {\n    1", "second() -> u32 {\n    5");
    assert_eq!(redirected(&report), ["second"]);
    assert_eq!(page(port).unwrap(), [1, 5, 1, 3]);
    program.key("u");
    program.said("generation 1 is undone");
    assert_eq!(page(port).unwrap(), [1, 1, 1, 4]);
    program.key("q");
    assert_eq!(program.end(), 0);
}
