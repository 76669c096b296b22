//! `--interactive`: restart, quit, and what happens when the program has ended.

use crate::client::Client;
use crate::program::{Program, redirected};
use crate::workspace::Workspace;

const MAIN: &str = "src/main.rs";
const INCREMENT: &str = "fetch_add(1, Ordering::Relaxed) + 1";

/// The counter, and where it answers.
fn start() -> (Program, String) {
    let workspace = Workspace::of("examples/counter", "counter");
    let program = Program::with(workspace, &["--interactive"]);
    program.wait_until_watched();
    let address = address(&program);
    (program, address)
}

fn address(program: &Program) -> String {
    program.line().replace("http://", "")
}

fn increment(address: &str) -> u32 {
    Client::new(address).ask("/increment").1.parse().unwrap()
}

#[test]
fn a_restart_runs_the_newest_code_which_was_linked_meanwhile() {
    let (mut program, first) = start();
    assert_eq!(increment(&first), 1);
    let report = program.edit(MAIN, INCREMENT, "fetch_add(10, Ordering::Relaxed) + 10");
    assert_eq!(redirected(&report), ["increment"]);
    assert_eq!(increment(&first), 11);
    program.linked();
    program.key("r");
    program.said("restarted");
    let second = address(&program);
    program.wait_until_watched();
    assert_eq!(increment(&second), 10);
    assert!(std::net::TcpStream::connect(&first).is_err());
    // What was restarted can be edited.
    let report = program.edit(MAIN, "fetch_add(10, Ordering::Relaxed) + 10", INCREMENT);
    assert_eq!(redirected(&report), ["increment"]);
    assert_eq!(increment(&second), 11);
    program.key("q");
    assert_eq!(program.wait(), 0);
    assert!(std::net::TcpStream::connect(&second).is_err());
}

#[test]
fn a_restart_runs_what_was_refused() {
    let (mut program, first) = start();
    let text = program
        .workspace
        .read(MAIN)
        .replace("AtomicU64", "AtomicU32");
    program.workspace.write(MAIN, &text.replace("u64", "u32"));
    let report = program.report();
    assert!(
        report["refused"].to_string().contains("COUNTER"),
        "{report:#}"
    );
    assert_eq!(increment(&first), 1);
    program.key("r");
    program.said("restarted");
    let second = address(&program);
    program.wait_until_watched();
    assert_eq!(increment(&second), 1);
    program.key("q");
    assert_eq!(program.wait(), 0);
}

#[test]
fn a_restart_runs_another_profile() {
    let (mut program, first) = start();
    let manifest = program.workspace.read("Cargo.toml");
    let newer = format!("{manifest}\n[profile.dev]\noverflow-checks = false\n");
    program.workspace.write("Cargo.toml", &newer);
    let why = program.report()["refused"].to_string();
    assert!(
        why.contains("the profile or what is linked changed"),
        "{why}"
    );
    assert_eq!(increment(&first), 1);
    program.key("r");
    program.said("restarted");
    let second = address(&program);
    program.wait_until_watched();
    let report = program.edit(MAIN, INCREMENT, "fetch_add(3, Ordering::Relaxed) + 3");
    assert_eq!(redirected(&report), ["increment"], "{report:#}");
    assert_eq!(increment(&second), 3);
    program.key("q");
    assert_eq!(program.wait(), 0);
}

#[test]
fn what_does_not_compile_is_not_restarted() {
    let (mut program, address) = start();
    let text = program
        .workspace
        .replaced(MAIN, INCREMENT, "fetch_add(\"one\")");
    program.workspace.write(MAIN, &text);
    program.said("does not compile");
    program.key("?r");
    program.said("r restarts");
    program.said("no restart: it does not compile");
    assert_eq!(increment(&address), 1);
    let text = text.replace("fetch_add(\"one\")", "fetch_add(2, Ordering::Relaxed) + 2");
    program.workspace.write(MAIN, &text);
    assert_eq!(redirected(&program.report()), ["increment"]);
    assert_eq!(increment(&address), 3);
    program.key("q");
    assert_eq!(program.wait(), 0);
}

#[test]
fn a_program_that_has_ended_is_restarted_on_demand() {
    let (mut program, first) = start();
    let child = program.program_id().to_string();
    let killed = std::process::Command::new("kill")
        .args(["-9", &child])
        .status();
    assert!(killed.unwrap().success());
    assert!(program.said("has ended").contains("r restarts it"));
    let edited = program
        .workspace
        .replaced(MAIN, INCREMENT, "fetch_add(5, Ordering::Relaxed) + 5");
    program.workspace.write(MAIN, &edited);
    assert!(std::net::TcpStream::connect(&first).is_err());
    program.key("r");
    let second = address(&program);
    assert_eq!(increment(&second), 5);
    // A signal for it is one for the program.
    assert_eq!(program.terminate(), 128 + 15);
}
