//! The example on axum: its handlers, its task and its library are edited, and the
//! database stays open.

use crate::client::Client;
use crate::program::{Program, redirected};
use crate::workspace::Workspace;
use std::time::{Duration, Instant};

const MAIN: &str = "src/main.rs";
const STORE: &str = "store/src/lib.rs";

fn start() -> (Program, Client) {
    let workspace = Workspace::of("examples/notes", "notes");
    let program = Program::with(workspace, &["--", "notes.db"]);
    program.wait_until_watched();
    let client = Client::new(&program.line());
    (program, client)
}

fn ok(text: &str) -> (u16, String) {
    (200, text.to_owned())
}

fn sweeps(client: &mut Client) -> u64 {
    let (_, status) = client.ask("/status");
    let sweeps = status.split(' ').rev().nth(1);
    sweeps
        .unwrap()
        .parse()
        .unwrap_or_else(|_| panic!("{status}"))
}

fn wait_for(what: impl Fn(u64) -> bool, client: &mut Client) {
    let begun = Instant::now();
    while !what(sweeps(client)) {
        assert!(begun.elapsed() < Duration::from_secs(20));
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn handlers_and_the_library_are_edited_and_the_database_stays_open() {
    let (mut program, mut client) = start();
    assert_eq!(client.post("/notes", " milk "), ok("1"));
    assert_eq!(client.ask("/notes"), ok("- milk\n"));

    let report = program.edit(MAIN, r#"format!("- {note}\n")"#, r#"format!("* {note}\n")"#);
    assert_eq!(redirected(&report), ["line"]);
    assert_eq!(client.ask("/notes"), ok("* milk\n"));

    // An async fn, and everything behind it moves.
    let longer = "let notes = shared.store.all().map_err(failed)?;\n    // Counted.\n    \
                  let count = notes.len();\n    Ok(format!(\"{count}: {}\", notes.join(\", \")))";
    let report = program.edit(
        MAIN,
        "let notes = shared.store.all().map_err(failed)?;\n    \
         Ok(notes.iter().map(|note| line(note)).collect())",
        longer,
    );
    assert_eq!(report["refused"].as_array().unwrap().len(), 0, "{report:#}");
    assert_eq!(client.ask("/notes"), ok("1: milk"));

    let report = program.edit(
        STORE,
        "text.trim().to_owned()",
        "let text = text.trim();\n    text.to_uppercase()",
    );
    assert_eq!(redirected(&report), ["tidy"]);
    // Nobody else sees of it.
    assert_eq!(report["built"], serde_json::json!(["store"]));
    assert_eq!(client.post("/notes", " bread "), ok("2"));
    assert_eq!(client.ask("/notes"), ok("2: milk, BREAD"));

    program.settled();
    assert_eq!(client.post("/notes", "eggs"), ok("3"));
    assert_eq!(client.ask("/notes"), ok("3: milk, BREAD, EGGS"));

    // What others see is built with them, and live with them.
    let seen = "/// How many there are.\n    #[inline]";
    let report = program.edit(STORE, "/// How many there are.", seen);
    assert_eq!(report["built"], serde_json::json!(["store", "notes"]));

    let file = program.workspace.root().join("notes.db");
    assert!(file.metadata().unwrap().len() > 0);
    let (_, status) = client.ask("/status");
    assert!(status.starts_with("8 requests, "), "{status}");
    assert_eq!(program.terminate(), 128 + 15);
}

#[test]
fn the_task_in_the_background_is_edited_while_it_waits() {
    let (mut program, mut client) = start();
    wait_for(|sweeps| sweeps > 0, &mut client);
    let report = program.edit(MAIN, "sweeps.fetch_add(1,", "sweeps.fetch_add(1_000_000,");
    assert_eq!(redirected(&report), ["sweep"]);
    wait_for(
        |sweeps| sweeps > 2_000_000 && sweeps % 1_000_000 > 0,
        &mut client,
    );

    // The loop itself, of which a future is suspended.
    let report = program.edit(
        MAIN,
        "sweep(&shared);",
        "sweep(&shared);\n        sweep(&shared);",
    );
    assert_eq!(report["refused"].as_array().unwrap().len(), 0, "{report:#}");
    let before = sweeps(&mut client);
    wait_for(|sweeps| sweeps > before + 2_000_000, &mut client);
    assert_eq!(program.terminate(), 128 + 15);
}
