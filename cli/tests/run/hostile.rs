//! Old code that is used long after it was replaced, from where it is hard to find.

use crate::program::Program;
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

    /// Keeps something of the code of one edit, buries it, and uses it.
    fn outlives(&mut self, what: &str, from: &str, to: &str, wanted: &str) {
        let text = self.program.workspace.read(MAIN);
        assert_eq!(text.matches(from).count(), 1, "{from:?}");
        self.program.workspace.write(MAIN, &text.replace(from, to));
        let _ = self.program.report();
        assert_eq!(self.program.ask(what), "kept");
        let text = self.program.workspace.read(MAIN);
        self.program.workspace.write(MAIN, &text.replace(to, from));
        let _ = self.program.report();
        let held = self.bury();
        println!("{what}: {held:?}");
        assert_eq!(self.program.ask(&format!("use {what}")), wanted, "{held:?}");
    }
}

#[test]
fn what_is_kept_of_old_code_in_odd_places_works_for_as_long_as_it_is_kept() {
    let mut hostile = Hostile::start();
    let text = ("\"text 0\"\n", "\"text of old code\"\n");
    let kept = [
        ("boxed", text, "boxed text of old code"),
        ("waker", ("\"waker 0\"", "\"waker of old code\""), "woken 2"),
        (
            "thread-local",
            text,
            "thread-local text of old code, dropped text of old code",
        ),
        ("packed", text, "packed 1 text of old code"),
    ];
    for (what, (from, to), wanted) in kept {
        hostile.outlives(what, from, to, wanted);
    }
    let unwound = "as it was asked to, dropped text of old codeunwound by old code";
    hostile.outlives("unwinding", "unwound 0", "unwound by old code", unwound);
    let text = hostile.program.workspace.read(MAIN);
    let line = text.lines().position(|line| line == "    here()").unwrap() + 1;
    hostile.outlives(
        "location",
        "\"location 0\"",
        "\"location of old code\"",
        &format!("line {line}"),
    );
    hostile.outlives_exit();
}

impl Hostile {
    fn outlives_exit(mut self) {
        let (from, to) = ("c\"text 0\"", "c\"text of old code\"");
        let text = self.program.workspace.read(MAIN);
        self.program.workspace.write(MAIN, &text.replace(from, to));
        let _ = self.program.report();
        assert_eq!(self.program.ask("at exit"), "kept");
        self.program.workspace.write(MAIN, &text);
        let _ = self.program.report();
        let held = self.bury();
        println!("at exit: {held:?}");
        let end = ("at exit text of old code".to_owned(), 0);
        assert_eq!(self.program.last_line(), end);
    }
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
