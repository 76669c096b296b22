//! The example whose requests are pinned, edited while they run: each sees one
//! generation. The program's own midair and the agent's are two copies; if they did
//! not find each other, nothing here would hold.

use crate::program::{Program, redirected};
use crate::socket::Client;
use crate::workspace::Workspace;
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

const STEPS: &str = "src/steps.rs";

/// How many edits; more in a long run.
fn edits() -> u64 {
    let edits = std::env::var("MIDAIR_EDITS");
    edits.map_or(24, |edits| edits.parse().unwrap())
}

struct Servers {
    program: Program,
    /// With threads, with tasks, and axum's with a layer.
    addresses: [String; 3],
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
    let addresses = [(); 3].map(|()| program.line().replace("http://", ""));
    Servers {
        program,
        addresses,
        socket,
    }
}

/// The body of an answer.
fn get(address: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(
        stream,
        "GET / HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n"
    )
    .unwrap();
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
    let [threads, tasks, _] = &addresses;
    let begin = || [threads, tasks].map(|address| Held::begin(address));
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

/// By a layer around all of axum's handlers, which know nothing of generations.
#[test]
fn a_request_of_axums_ends_on_the_code_with_which_it_came_in() {
    let Servers {
        program,
        addresses: [.., address],
        mut socket,
    } = start();
    let mut old = TcpStream::connect(&address).unwrap();
    let head = "POST /hold HTTP/1.1\r\nhost: test\r\ncontent-length: 1\r\n\
                connection: close\r\n\r\n";
    old.write_all(head.as_bytes()).unwrap();
    let mut pinned = || socket.command(&["generations"])["data"][0]["futures"].clone();
    let begun = Instant::now();
    while pinned() != 1 {
        assert!(
            begun.elapsed() < Duration::from_secs(60),
            "nobody is pinned"
        );
        std::thread::sleep(Duration::from_millis(10));
    }
    program
        .workspace
        .write(STEPS, &steps(1, 2, &program.workspace.read(STEPS)));
    assert_eq!(redirected(&program.report()), ["first", "second", "third"]);
    assert_eq!(get(&address), "2 2 2");
    assert_eq!(pinned(), 1);
    old.write_all(b"x").unwrap();
    let mut answer = String::new();
    old.read_to_string(&mut answer).unwrap();
    assert!(answer.ends_with("\r\n\r\n1 1 1, 1 1 1"), "{answer}");
    assert_eq!(pinned(), 0);
    assert_eq!(program.terminate(), 128 + 15);
}

/// What is in memory of old generations, as `generations` lists it.
fn held(socket: &mut Client) -> Vec<(u64, String)> {
    let answer = socket.command(&["generations"]);
    let list = answer["data"].as_array().unwrap().iter();
    let held = list.filter_map(|generation| {
        let why = generation["held"].as_str()?.to_owned();
        Some((generation["generation"].as_u64().unwrap(), why))
    });
    held.collect()
}

/// The images that are mapped, as the kernel lists them.
fn mapped(process: u32) -> usize {
    let maps = std::fs::read_to_string(format!("/proc/{process}/maps")).unwrap();
    let files = maps.lines().filter_map(|line| line.split_once('/'));
    let images = files.filter(|(_, path)| path.contains("/edit-") && path.ends_with(".so"));
    let images: BTreeSet<&str> = images.map(|(_, path)| path).collect();
    images.len()
}

/// The process that `cargo midair run` has started.
fn program_of(run: u32) -> u32 {
    let children = std::fs::read_to_string(format!("/proc/{run}/task/{run}/children"));
    let children = children.unwrap();
    let all = children.split_whitespace().map(|id| id.parse().unwrap());
    let is_program = |id: &u32| {
        let file = std::fs::read_link(format!("/proc/{id}/exe"));
        file.is_ok_and(|file| file.file_name().is_some_and(|name| name == "pinned"))
    };
    all.clone()
        .find(is_program)
        .unwrap_or_else(|| panic!("{children}"))
}

/// Tells clients to stop, also if an assertion has failed meanwhile.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Waits until nothing but the way back holds old code, ten seconds at most; what is
/// held then. All that is mapped must be listed, or run.
fn settled(socket: &mut Client, process: u32) -> Vec<(u64, String)> {
    let begun = Instant::now();
    loop {
        let (before, images, after) = (held(socket), mapped(process), held(socket));
        let is_over = begun.elapsed() > Duration::from_secs(10);
        if before == after {
            let others = after.iter().filter(|(_, why)| !why.contains("an undo"));
            // One of them is what runs.
            let are_listed = images <= after.len() + 1;
            if is_over || (others.count() == 0 && are_listed) {
                assert!(are_listed, "{images} images: {after:?}");
                return after;
            }
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "{after:?}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn each_of_64_requests_at_a_time_sees_one_generation_while_edits_come() {
    let Servers {
        program,
        addresses,
        mut socket,
    } = start();
    let process = program_of(program.id());
    let newest = AtomicU64::new(1);
    let (answered, old) = (AtomicU64::new(0), AtomicU64::new(0));
    // Two times the same, to see what grows.
    let mut left = Vec::new();
    for half in 0..2 {
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for client in 0..64 {
                let address = &addresses[client % addresses.len()];
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
            let stop = Stop(&done);
            for _ in 0..edits() / 2 {
                let n = newest.load(Ordering::SeqCst);
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
            if half == 1 {
                // Also while the load goes on.
                let under_load = settled(&mut socket, process);
                println!("under load: {under_load:#?}");
            }
            drop(stop);
        });
        let held = settled(&mut socket, process);
        println!(
            "after {} edits {} images are mapped; held: {held:#?}",
            newest.load(Ordering::SeqCst) - 1,
            mapped(process)
        );
        left.push(held.len());
    }
    let (answered, old) = (answered.into_inner(), old.into_inner());
    let edits = newest.into_inner() - 1;
    println!("{answered} requests, {edits} edits, {old} ended on old code");
    assert!(answered >= 64 && old > 0, "{answered} {old}");
    // The way back is 16 reloads long.
    assert!(left[1] <= 16, "{left:?}");
    assert_eq!(program.terminate(), 128 + 15);
}
