//! `cargo midair check`: what it says of an edit, beside a program and without one, and
//! that it changes nothing.

use crate::program::{Program, for_workspaces, redirected};
use crate::workspace::Workspace;
use serde_json::Value;
use snapbox::cmd::cargo_bin;
use std::process::Command;

const CODE: &str = "app/src/code.rs";

/// The exit code and the answer.
fn check(workspace: &Workspace, args: &[&str]) -> (i32, Value) {
    let mut command = Command::new(cargo_bin!("cargo-midair"));
    command.args(["midair", "check", "--message-format", "json"]);
    for_workspaces(&mut command);
    command.args(args).current_dir(workspace.root());
    let output = command.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let mut answer: Value = serde_json::from_str(&text)
        .unwrap_or_else(|e| panic!("{e}: {text}{}", String::from_utf8_lossy(&output.stderr)));
    (output.status.code().unwrap(), answer["check"].take())
}

fn edit(workspace: &Workspace, edits: &[(&str, &str)]) {
    let mut text = workspace.read(CODE);
    for (from, to) in edits {
        assert_eq!(text.matches(from).count(), 1, "{from}");
        text = text.replace(from, to);
    }
    workspace.write(CODE, &text);
}

const LARGER: [(&str, &str); 2] = [
    ("struct Square(u32)", "struct Square(u64)"),
    ("self.0 * self.0", "(self.0 * self.0) as u32"),
];

#[test]
fn beside_a_program_it_compares_with_what_runs() {
    let mut program = Program::start();
    program.edit(CODE, "    n + 1\n", "    n + 2\n");
    // It is live, so there is nothing to be.
    let (code, answer) = check(&program.workspace, &[]);
    assert_eq!((code, redirected(&answer).len()), (0, 0), "{answer:#}");
    edit(&program.workspace, &LARGER);
    assert_ne!(program.report()["refused"], serde_json::json!([]));
    let (code, answer) = check(&program.workspace, &[]);
    assert_eq!((code, &answer["is_reloadable"]), (1, &Value::Bool(false)));
    let why = answer["refused"].to_string();
    assert!(why.contains("`u64`, 8 bytes at 0"), "{answer:#}");
    // The program does not notice.
    edit(&program.workspace, &LARGER.map(|(from, to)| (to, from)));
    program.report();
    program.edit(CODE, "    n + 2\n", "    n + 3\n");
    assert_eq!(program.ask("private"), "4");
    assert_eq!(program.end(), 0);
}

#[test]
fn without_a_program_it_compares_with_what_ran_last() {
    let mut program = Program::start();
    program.edit(CODE, "    n + 1\n", "    n + 2\n");
    assert_eq!(program.ask("private"), "3");
    let workspace = program.ended();
    let text = workspace.read(CODE);
    let words = workspace.read("words/src/lib.rs");
    edit(&workspace, &[("    n + 2\n", "    n + 40\n")]);
    workspace.write("words/src/lib.rs", &words.replace("{word}!", "{word}?"));
    for _ in 0..2 {
        let (code, answer) = check(&workspace, &[]);
        assert_eq!((code, &answer["is_reloadable"]), (0, &Value::Bool(true)));
        assert_eq!(redirected(&answer), ["private", "shout"], "{answer:#}");
    }
    // Old callers keep the old one, which is no refusal.
    let takes = "fn private(n: u64) -> u64 {";
    edit(&workspace, &[("fn private(n: u32) -> u32 {", takes)]);
    let (code, answer) = check(&workspace, &[]);
    assert_eq!(code, 0, "{answer:#}");
    let why = answer["versioned"][0]["why"].as_str().unwrap();
    assert!(why.contains("is `u64`, and was `u32`"), "{answer:#}");
    edit(&workspace, &LARGER);
    let (code, answer) = check(&workspace, &[]);
    assert_eq!(code, 1, "{answer:#}");
    let why = answer["refused"].to_string();
    assert!(why.contains("app::code::Square"), "{answer:#}");
    edit(&workspace, &[(takes, "fn private(n: str) -> u64 {")]);
    let (code, answer) = check(&workspace, &[]);
    assert_eq!((code, &answer["is_reloadable"]), (101, &Value::Bool(false)));
    assert_eq!(answer["error"], "it does not compile");

    // Of what cargo reads, nothing is known.
    workspace.write(CODE, &text);
    workspace.write("words/src/lib.rs", &words);
    let manifest = workspace.read("app/Cargo.toml");
    workspace.write("app/Cargo.toml", &manifest.replace("0.1.0", "0.2.0"));
    let (code, answer) = check(&workspace, &[]);
    assert_eq!(code, 1);
    assert!(
        answer["refused"]
            .to_string()
            .contains("app/Cargo.toml was edited")
    );
    // From here on it is compared with that.
    let (code, _) = check(&workspace, &["--base"]);
    assert_eq!(code, 0);
    edit(&workspace, &[("    n + 2\n", "    n + 5\n")]);
    let (code, answer) = check(&workspace, &[]);
    assert_eq!((code, redirected(&answer)), (0, vec!["private".to_owned()]));
}
