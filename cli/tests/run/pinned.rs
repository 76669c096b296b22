//! The example whose requests are pinned, edited while they run: each sees one
//! generation. The program's own midair and the agent's are two copies; if they did
//! not find each other, nothing here would hold.

use crate::program::{Program, redirected};
use crate::socket::Client;
use crate::workspace::Workspace;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

const STEPS: &str = "src/steps.rs";

/// How many edits; more in a long run.
fn edits() -> u64 {
    let edits = std::env::var("MIDAIR_EDITS");
    edits.map_or(8, |edits| edits.parse().unwrap())
}

struct Servers {
    program: Program,
    /// With threads, and with tasks.
    addresses: [String; 2],
    socket: Client,
}

fn start() -> Servers {
    let workspace = Workspace::of("examples/pinned", "pinned");
    let midair = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let manifest = workspace.read("Cargo.toml").replace("../..", midair);
    workspace.write("Cargo.toml", &manifest);
    let program = Program::with(workspace, &[]);
    let socket = Client::connect(&program.socket());
    program.wait_until_watched();
    let addresses = [(); 2].map(|()| program.line().replace("http://", ""));
    Servers {
        program,
        addresses,
        socket,
    }
}

/// The body of an answer.
fn get(address: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET / HTTP/1.1\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    assert!(head.starts_with("HTTP/1.1 200 OK"), "{answer}");
    body.to_owned()
}

/// A request that is in the middle.
struct Held(BufReader<TcpStream>);

impl Held {
    fn begin(address: &str) -> (Self, String) {
        let mut stream = TcpStream::connect(address).unwrap();
        write!(stream, "GET /hold HTTP/1.1\r\n").unwrap();
        let mut held = Self(BufReader::new(stream));
        let before = held.line();
        (held, before)
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    fn end(mut self) -> String {
        self.0.get_mut().write_all(b"\n").unwrap();
        self.line()
    }
}

fn steps(from: u64, to: u64, text: &str) -> String {
    text.replace(&format!("    {from}\n"), &format!("    {to}\n"))
}

#[test]
fn old_requests_end_on_old_code_and_new_ones_begin_on_new_code() {
    let Servers {
        mut program,
        addresses,
        mut socket,
    } = start();
    let begin = || {
        addresses.clone().map(|address| {
            let (held, before) = Held::begin(&address);
            (held, before)
        })
    };
    let built = begin();
    assert!(built.iter().all(|(_, before)| before == "1 1 1"));
    // The new version calls a function that is new.
    let text = program.workspace.read(STEPS);
    let text = steps(1, 2, &text).replace("[first(), second()", "[first(), fresh()");
    program.workspace.write(
        STEPS,
        &(text + "\npub fn fresh() -> u32 {\n    20 + second()\n}\n"),
    );
    assert_eq!(
        redirected(&program.report()),
        ["all", "first", "second", "third"]
    );
    let first = begin();
    assert!(
        first.iter().all(|(_, before)| before == "2 22 2"),
        "{:?}",
        first[0].1
    );
    // And that is edited: who began before it came, and who began after.
    let report = program.edit(STEPS, "20 + second()", "30 + second()");
    assert_eq!(redirected(&report), ["fresh"]);
    let second = begin();
    assert!(second.iter().all(|(_, before)| before == "2 32 2"));
    // One with another signature: old callers keep the old one.
    let text = program.workspace.read(STEPS);
    let text = text.replace("fresh() -> u32", "fresh(more: u32) -> u32");
    let text = text.replace("30 + second()", "30 + more + second()");
    program
        .workspace
        .write(STEPS, &text.replace("fresh()", "fresh(10)"));
    let report = program.report();
    assert_eq!(redirected(&report), ["all"], "{report}");
    let third = begin();
    assert!(third.iter().all(|(_, before)| before == "2 42 2"));

    let answer = socket.command(&["generations"]);
    let list = answer["data"].as_array().unwrap().clone();
    let pinned = |of: &serde_json::Value| {
        let threads = of["threads"].as_array().unwrap().len() as u64;
        (threads, of["futures"].as_u64().unwrap())
    };
    assert_eq!(
        list.iter().map(pinned).collect::<Vec<_>>(),
        [(1, 1); 4],
        "{answer}"
    );
    assert!(
        list[1]["sources"][0].as_str().unwrap().ends_with(STEPS),
        "{answer}"
    );

    for (requests, wanted) in [(second, "2 32 2"), (built, "1 1 1")] {
        for (held, _) in requests {
            assert_eq!(held.end(), wanted);
        }
    }
    for (requests, wanted) in [(third, "2 42 2"), (first, "2 22 2")] {
        for (held, _) in requests {
            assert_eq!(held.end(), wanted);
        }
    }
    for address in &addresses {
        assert_eq!(get(address), "2 2 2");
    }
    assert_eq!(program.terminate(), 128 + 15);
}

#[test]
fn each_of_64_requests_at_a_time_sees_one_generation_while_edits_come() {
    let Servers {
        program, addresses, ..
    } = start();
    let newest = AtomicU64::new(1);
    let (done, answered, old) = (AtomicBool::new(false), AtomicU64::new(0), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for client in 0..64 {
            let address = &addresses[client % 2];
            let (newest, done, answered, old) = (&newest, &done, &answered, &old);
            scope.spawn(move || {
                while !done.load(Ordering::SeqCst) {
                    let at_first = newest.load(Ordering::SeqCst);
                    let body = get(address);
                    let seen: Vec<u64> = body.split(' ').map(|n| n.parse().unwrap()).collect();
                    assert!(seen.iter().all(|n| *n == seen[0]), "{body}");
                    assert!(seen[0] >= at_first, "{body} after {at_first}");
                    if seen[0] < newest.load(Ordering::SeqCst) {
                        old.fetch_add(1, Ordering::SeqCst);
                    }
                    answered.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        for n in 1..=edits() {
            let text = program.workspace.read(STEPS);
            program.workspace.write(STEPS, &steps(n, n + 1, &text));
            let report = program.report();
            assert_eq!(
                redirected(&report),
                ["first", "second", "third"],
                "{report}"
            );
            newest.store(n + 1, Ordering::SeqCst);
        }
        done.store(true, Ordering::SeqCst);
    });
    let (answered, old) = (answered.into_inner(), old.into_inner());
    println!(
        "{answered} requests, {} edits, {old} ended on old code",
        edits()
    );
    assert!(answered >= 64 && old > 0, "{answered} {old}");
    assert_eq!(program.terminate(), 128 + 15);
}
