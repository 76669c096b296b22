//! Old code that is used long after it was replaced, from where it is hard to find.

use crate::program::Program;
use crate::socket::Client;
use crate::workspace::Workspace;
use serde_json::Value;
use std::time::{Duration, Instant};

const MAIN: &str = "src/main.rs";

/// A program and the number of its latest answer.
struct Hostile {
    program: Program,
    answers: u64,
}

impl Hostile {
    fn start() -> Self {
        let program = Program::with(Workspace::of("cli/tests/fixtures/hostile", "hostile"), &[]);
        program.wait_until_watched();
        Self {
            program,
            answers: 0,
        }
    }

    /// One edit that all others are buried by.
    fn edit(&mut self) -> Value {
        let (from, to) = (self.answers, self.answers + 1);
        self.answers = to;
        let said = |n: u64| format!("\"answer {{}}\", {n})");
        let report = self.program.edit(MAIN, &said(from), &said(to));
        assert_eq!(self.program.ask("answer"), format!("answer {to}"));
        report
    }

    /// Edits until nothing leads back to what was there, and it was looked for twice.
    fn bury(&mut self) -> Vec<String> {
        for _ in 0..18 {
            self.edit();
        }
        let begun = Instant::now();
        loop {
            std::thread::sleep(Duration::from_millis(400));
            let report = self.edit();
            let held = report["images"]["held"].as_array().unwrap().iter();
            let why = held.map(|image| image["why"].as_str().unwrap().to_owned());
            let others: Vec<String> = why.filter(|why| !why.contains("an undo")).collect();
            let is_known = others.iter().all(|why| !why.contains("nobody knows"));
            if is_known || begun.elapsed() > Duration::from_secs(20) {
                return others;
            }
        }
    }

    /// Keeps something of the code of one edit, which another one replaces.
    fn keep(&mut self, what: &str, from: &str, to: &str) {
        let text = self.program.workspace.read(MAIN);
        assert_eq!(text.matches(from).count(), 1, "{from:?}");
        self.program.workspace.write(MAIN, &text.replace(from, to));
        let _ = self.program.report();
        assert_eq!(self.program.ask(what), "kept");
        self.program.workspace.write(MAIN, &text);
        let _ = self.program.report();
    }
}

#[test]
fn what_is_kept_of_old_code_in_odd_places_works_for_as_long_as_it_is_kept() {
    let mut hostile = Hostile::start();
    // Each has an image of its own, so that none is held by another's.
    for what in ["boxed", "thread-local", "packed"] {
        hostile.keep(what, "\"text 0\"\n", &format!("\"text of {what}\"\n"));
    }
    hostile.keep("waker", "\"waker 0\"", "\"old waker\"");
    hostile.keep("unwinding", "unwound 0", "(unwound)");
    hostile.keep("location", "\"location 0\"", "\"old location\"");
    hostile.keep("at exit", "c\"text 0\"", "c\"old text\"");
    hostile.keep("coroutine", "\"switch 0\"", "\"switched\"");
    hostile.keep("shared", "\"told 0\"", "\"told by a child\"");
    let held = hostile.bury();
    println!("{held:#?}");
    assert!(held.len() >= 9, "{held:#?}");

    let text = hostile.program.workspace.read(MAIN);
    let line = text.lines().position(|line| line == "    here()").unwrap() + 1;
    let line = format!("line {line}");
    for (what, wanted) in [
        ("boxed", "boxed text of boxed"),
        ("packed", "packed 1 text of packed"),
        ("waker", "woken 2"),
        ("unwinding", "as it was asked to, dropped (unwound)"),
        (
            "thread-local",
            "thread-local text of thread-local, dropped (unwound)text of thread-local",
        ),
        ("location", line.as_str()),
        ("coroutine", "switched"),
        ("shared", "told by a child"),
    ] {
        assert_eq!(hostile.program.ask(&format!("use {what}")), wanted);
    }
    let end = ("at exit old text".to_owned(), 0);
    assert_eq!(hostile.program.last_line(), end);
}

#[test]
fn children_of_forks_come_to_their_end_while_code_comes_and_goes() {
    let mut hostile = Hostile::start();
    assert_eq!(hostile.program.ask("forks"), "kept");
    for _ in 0..25 {
        hostile.edit();
    }
    assert_eq!(
        hostile.program.ask("use forks"),
        "0 children did not end well"
    );
    assert_eq!(hostile.program.end(), 0);
}

#[test]
fn libraries_come_and_go_and_backtraces_have_names_while_code_comes_and_goes() {
    let mut hostile = Hostile::start();
    assert_eq!(hostile.program.ask("libraries"), "kept");
    for _ in 0..25 {
        hostile.edit();
    }
    assert_eq!(hostile.program.ask("use libraries"), "0 failures");
    assert_eq!(hostile.program.end(), 0);
}

#[test]
fn with_an_optimised_dependency_old_code_stays_and_that_is_said() {
    let workspace = Workspace::of("cli/tests/fixtures/soak", "soak");
    let manifest = workspace.read("Cargo.toml");
    let dependency =
        "\n[dependencies]\ncfg-if = \"1\"\n\n[profile.dev.package.cfg-if]\nopt-level = 1\n";
    workspace.write("Cargo.toml", &(manifest + dependency));
    let program = Program::with(workspace, &[]);
    let mut socket = Client::connect(&program.socket());
    program.wait_until_watched();
    let mut hostile = Hostile {
        program,
        answers: 0,
    };
    hostile.bury();
    let report = hostile.edit();
    assert_eq!(report["images"]["unloaded"], 0, "{report:#}");
    let answer = socket.command(&["generations"]);
    let held = answer["data"][1]["held"].as_str().unwrap();
    assert!(held.contains("`cfg_if` is optimised"), "{held}");
    assert_eq!(hostile.program.end(), 0);
}
