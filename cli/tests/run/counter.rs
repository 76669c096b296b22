//! The example server, edited while clients ask it.

use crate::client::Client;
use crate::program::{Program, redirected};
use crate::workspace::Workspace;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

const MAIN: &str = "src/main.rs";
const CLIENTS: usize = 32;

fn start() -> (Program, String) {
    let program = Program::with(Workspace::of("examples/counter", "counter"), &[]);
    program.wait_until_watched();
    let address = program.line();
    (program, address)
}

fn number(answer: (u16, String)) -> u64 {
    assert_eq!(answer.0, 200);
    answer.1.parse().unwrap()
}

#[test]
fn the_counter_goes_on_from_its_value_on_the_same_connection() {
    let (mut program, address) = start();
    let mut client = Client::new(&address);
    for n in 1..4 {
        assert_eq!(number(client.ask("/increment")), n);
    }
    let report = program.edit(
        MAIN,
        "fetch_add(1, Ordering::Relaxed) + 1",
        "fetch_add(10, Ordering::Relaxed) + 10",
    );
    assert_eq!(redirected(&report), ["increment"]);
    assert_eq!(number(client.ask("/increment")), 13);
    assert_eq!(number(client.ask("/get")), 13);
    assert_eq!(program.terminate(), 128 + 15);
}

/// `MIDAIR_RELOADS` says how many.
#[test]
fn no_request_of_32_clients_fails_while_edits_come() {
    let reloads = std::env::var("MIDAIR_RELOADS").map_or(10, |text| text.parse().unwrap());
    let (mut program, address) = start();
    let (done, asked) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                let mut client = Client::new(&address);
                while !done.load(Ordering::Relaxed) {
                    number(client.ask("/increment"));
                    asked.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        for n in 1..=reloads {
            let (from, to) = (format!("+ {n}\n}}"), format!("+ {}\n}}", n + 1));
            assert_eq!(redirected(&program.edit(MAIN, &from, &to)), ["increment"]);
        }
        done.store(true, Ordering::Relaxed);
    });
    let asked = asked.load(Ordering::Relaxed);
    println!("{asked} requests, {reloads} reloads, none failed");
    let mut client = Client::new(&address);
    assert_eq!(number(client.ask("/get")), asked);
    // It answers with the newest code.
    assert_eq!(number(client.ask("/increment")), asked + reloads + 1);
    assert_eq!(program.terminate(), 128 + 15);
}
