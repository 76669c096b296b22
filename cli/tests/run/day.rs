//! A day of an application's developer: one edit after the other of one running program,
//! none of them made for midair. After each, the program answers what a program that is
//! started afresh answers, or the edit is refused in clear words and it answers as before.
//!
//! `MIDAIR_DAY` chooses edits by words in their names.

use crate::program::Program;
use crate::workspace::Workspace;
use serde_json::Value;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// What is to come of an edit.
#[derive(Clone, Copy)]
enum Expected {
    /// The program answers as a fresh start does.
    Live,
    /// The same, and nobody sees a difference.
    Same,
    /// The same, and no function is another one.
    Nothing,
    /// It answers as before, for that is state; afterwards the edit is taken back.
    Kept,
    /// These words are said, and it answers as before.
    Refused(&'static str),
    /// What was made before is as it was made, for this reason.
    Versioned(&'static str),
}

use Expected::{Kept, Live, Nothing, Refused, Same, Versioned};

struct Edit {
    what: &'static str,
    places: &'static [(&'static str, &'static str, &'static str)],
    expected: Expected,
}

/// How long it may take until what was edited is put right in the background.
const PATIENCE: Duration = Duration::from_secs(10);

const CALC: &str = "app/src/calc.rs";
const HANDS: &str = "app/src/hands.rs";
const MODEL: &str = "app/src/model.rs";
const TEXT: &str = "app/src/text.rs";
const SHOP: &str = "shop/src/lib.rs";
const BASE: &str = "base/src/lib.rs";
const OTHER: &str = "app/src/more.rs";

include!("day/edits.rs");
include!("day/more.rs");

/// What a program that is built and started now answers.
fn fresh(root: &Path) -> String {
    let target = root.join("target/fresh");
    let mut build = Command::new("cargo");
    build
        .args(["build", "--quiet", "--target-dir"])
        .arg(&target);
    build.current_dir(root).env("RUSTFLAGS", "-Awarnings");
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if name.starts_with("CARGO_PKG") || name == "CARGO_INCREMENTAL" {
            build.env_remove(&*name);
        }
    }
    assert!(build.status().unwrap().success());
    let mut child = Command::new(target.join("debug/app"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"all\n").unwrap();
    let output = child.wait_with_output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Where two answers differ.
fn differences(live: &str, fresh: &str) -> String {
    let pairs = live.split(" | ").zip(fresh.split(" | "));
    let different = pairs.filter(|(live, fresh)| live != fresh);
    let said = different.map(|(live, fresh)| format!("[{live}] and afresh [{fresh}]"));
    let said: Vec<String> = said.collect();
    if live.split(" | ").count() != fresh.split(" | ").count() {
        return format!("{live}\nand afresh\n{fresh}");
    }
    said.join(", ")
}

fn write(program: &Program, edit: &Edit, back: bool) {
    let mut texts: Vec<(&str, String)> = Vec::new();
    for (file, from, to) in edit.places {
        let (from, to) = if back { (to, from) } else { (from, to) };
        if !texts.iter().any(|(known, _)| known == file) {
            texts.push((file, program.workspace.read(file)));
        }
        let text = &mut texts.iter_mut().find(|(known, _)| known == file).unwrap().1;
        assert_eq!(
            text.matches(from).count(),
            1,
            "{}: {from:?} in {file}",
            edit.what
        );
        *text = text.replace(from, to);
    }
    for (file, text) in texts {
        program.workspace.write(file, &text);
    }
}

/// What is wrong after an edit, if anything.
fn check(program: &mut Program, edit: &Edit, before: &str) -> Result<(), String> {
    write(program, edit, false);
    let root = program.workspace.root().to_owned();
    let fresh = std::thread::spawn(move || fresh(&root));
    let outcome = program.outcome();
    let mut live = program.ask("all");
    let fresh = fresh.join().unwrap();
    let refused = match &outcome {
        Err(why) => why.clone(),
        Ok(report)
            if report["refused"]
                .as_array()
                .is_some_and(|all| !all.is_empty()) =>
        {
            report["refused"].to_string()
        }
        Ok(_) => String::new(),
    };
    let report = outcome.unwrap_or(Value::Null);
    if !refused.is_empty() || matches!(edit.expected, Kept | Versioned(_)) {
        write(program, edit, true);
        program
            .outcome()
            .map_err(|why| format!("put back: {why}"))?;
        if live != before {
            return Err(format!(
                "refused ({refused}), and yet {}",
                differences(&live, before)
            ));
        }
        if program.ask("all") != before {
            return Err(format!(
                "taken back: {}",
                differences(&program.ask("all"), before)
            ));
        }
    }
    if !refused.is_empty() {
        return match edit.expected {
            Refused(why) if refused.contains(why) => Ok(()),
            _ => Err(format!("refused: {refused}")),
        };
    }
    let mut different = differences(&live, &fresh);
    // Lines of what has moved are put right in the background.
    let begun = Instant::now();
    while !different.is_empty() && begun.elapsed() < PATIENCE {
        std::thread::sleep(Duration::from_millis(50));
        live = program.ask("all");
        different = differences(&live, &fresh);
    }
    match edit.expected {
        Refused(_) => Err(format!("not refused; {different} {report:#}")),
        Versioned(why) if report["versioned"].to_string().contains(why) => Ok(()),
        Versioned(_) => Err(format!("not versioned; {different} {report:#}")),
        Kept => Ok(()),
        _ if !different.is_empty() => Err(format!("{different}: {report:#}")),
        Nothing | Same if live != before => Err(differences(&live, before)),
        Nothing if report["redirected"] != serde_json::json!([]) => {
            Err(format!("something was redirected: {report:#}"))
        }
        Live if live == before => Err(format!("nothing to see: {report:#}")),
        _ => Ok(()),
    }
}

#[test]
fn every_edit_of_a_day_is_as_a_fresh_start_or_is_refused_in_words() {
    all(EDITS);
}

#[test]
fn every_edit_of_another_day_is_as_a_fresh_start_or_is_refused_in_words() {
    all(MORE);
}

fn all(edits: &[Edit]) {
    let workspace = Workspace::of("cli/tests/fixtures/day", "day");
    let mut program = Program::with(workspace, &[]);
    program.wait_until_watched();
    let wanted = std::env::var("MIDAIR_DAY").unwrap_or_default();
    let mut before = program.ask("all");
    assert_eq!(before, fresh(program.workspace.root()));
    let mut wrong = Vec::new();
    for (n, edit) in edits
        .iter()
        .filter(|edit| wanted.split('|').any(|wanted| edit.what.contains(wanted)))
        .enumerate()
    {
        if let Err(why) = check(&mut program, edit, &before) {
            eprintln!("{}: {why}", edit.what);
            wrong.push(edit.what);
        }
        before = program.ask("all");
        // It is the same process.
        assert_eq!(program.ask("count"), (n + 1).to_string());
    }
    assert_eq!(wrong, [""; 0]);
    assert_eq!(program.end(), 0);
}

#[test]
fn what_is_edited_while_cargo_builds_is_not_lost() {
    let workspace = Workspace::of("cli/tests/fixtures/day", "day");
    let mut program = Program::with(workspace, &[]);
    program.wait_until_watched();
    let write = |program: &Program, file: &str, from: &str, to: &str| {
        let text = program.workspace.replaced(file, from, to);
        program.workspace.write(file, &text);
    };
    write(&program, "app/rules.txt", "mouse=mice\n", "mouse=mouses\n");
    // cargo is called for it by now.
    std::thread::sleep(Duration::from_millis(300));
    write(&program, "naming/src/lib.rs", "the {name}", "an {name}");
    let is_live = |all: &str| all.contains("oxen mouses") && all.contains("name: an Order");
    let begun = Instant::now();
    while !is_live(&program.ask("all")) {
        assert!(begun.elapsed() < 3 * PATIENCE, "{:#?}", program.rest());
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(program.end(), 0);
}
