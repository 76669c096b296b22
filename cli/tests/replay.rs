//! Real crates, edited as their authors did: each published version is written over
//! the one before while a program that uses the crate runs.
//!
//! What the program answers after an edit is compared with what a fresh start of the
//! same sources answers, for all questions of a corpus. An edit may be refused; a
//! wrong answer is a bug. The same edits are made once more one function at a time.
//!
//! `MIDAIR_REPLAY=all` takes all versions and all functions, which takes 17 minutes;
//! otherwise a few of each. `MIDAIR_REPLAY_ONLY` says which by a part of the name.
#![cfg(target_arch = "x86_64")]

#[path = "replay/corpus.rs"]
mod corpus;
#[path = "replay/fresh.rs"]
mod fresh;
#[path = "run/program.rs"]
#[allow(dead_code, reason = "tests/run.rs uses the rest")]
mod program;
#[path = "replay/published.rs"]
mod published;
#[path = "replay/split.rs"]
mod split;
#[path = "replay/subjects.rs"]
mod subjects;
#[path = "replay/tally.rs"]
mod tally;
#[path = "replay/tree.rs"]
mod tree;
#[path = "run/workspace.rs"]
#[allow(dead_code, reason = "tests/run.rs uses the rest")]
mod workspace;

use fresh::Fresh;
use program::Program;
use split::Edit;
use std::fs::File;
use std::path::{Path, PathBuf};
use subjects::Subject;
use tally::{Outcome, Tally};
use tree::Tree;
use workspace::Workspace;

/// Versions that are edited if not all are asked for.
const FEW: usize = 2;

fn is_all() -> bool {
    std::env::var("MIDAIR_REPLAY").is_ok_and(|which| which == "all")
}

fn is_wanted(what: &str) -> bool {
    std::env::var("MIDAIR_REPLAY_ONLY").map_or(true, |part| what.contains(&part))
}

/// A few of them, evenly, or all.
fn some<T>(all: Vec<T>) -> Vec<T> {
    let few = if is_all() {
        all.len()
    } else {
        FEW.min(all.len())
    };
    let len = all.len();
    let wanted = |n: &usize| (0..few).any(|k| k * len / few == *n);
    let numbered = all.into_iter().enumerate();
    numbered
        .filter(|(n, _)| wanted(n))
        .map(|(_, one)| one)
        .collect()
}

/// A crate's workspace on disk, the running program, and its fresh starts.
struct Replay {
    root: PathBuf,
    sources: PathBuf,
    versions: Vec<Tree>,
    questions: Vec<String>,
    fresh: Fresh,
    running: Option<Program>,
    tally: Tally,
    /// Two tests have the same workspace: one at a time.
    _turn: File,
}

impl Replay {
    fn new(subject: &Subject) -> Self {
        let published = &subject.published;
        let name = published.name;
        let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/replay");
        let root = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .join("replay")
            .join(name);
        std::fs::create_dir_all(&root).unwrap();
        let turn = File::create(root.with_extension("lock")).unwrap();
        turn.lock().unwrap();
        workspace::restore(&fixture.join(name), &root);
        std::fs::copy(fixture.join("driver.rs"), root.join("driver/src/main.rs")).unwrap();
        let folders = (0..published.versions.len()).map(|version| published.fetch(version));
        let folders: Vec<PathBuf> = folders.collect();
        let newest = folders.last().unwrap();
        let questions = (subject.questions)(newest);
        let questions: Vec<String> = questions.iter().map(|one| fresh::line(one)).collect();
        Self {
            sources: root.join("subject/src"),
            versions: folders
                .iter()
                .map(|folder| Tree::read(&folder.join("src")))
                .collect(),
            fresh: Fresh::new(&root, &questions),
            questions,
            root,
            running: None,
            tally: Tally::default(),
            _turn: turn,
        }
    }

    /// Starts anew with `tree`.
    fn start(&mut self, tree: &Tree) {
        self.stop();
        tree.write(&self.sources);
        let program = Program::with(Workspace::at(&self.root), &["--bin", "driver"]);
        program.wait_until_watched();
        self.running = Some(program);
        self.check("a start");
    }

    fn stop(&mut self) {
        if let Some(program) = self.running.take() {
            assert_eq!(program.end(), 0);
        }
    }

    /// Compares all answers with those of a fresh start of what is on disk.
    fn check(&mut self, what: &str) {
        let tree = Tree::read(&self.sources);
        let expected = self.fresh.answers(&tree);
        let program = self.running.as_mut().unwrap();
        let answers: Vec<String> = self.questions.iter().map(|one| program.ask(one)).collect();
        let pairs = answers.iter().zip(expected).zip(&self.questions);
        let wrong: Vec<_> = pairs.filter(|((is, should), _)| is != should).collect();
        if let Some(((is, should), question)) = wrong.first() {
            let why = format!(
                "{what}: {} answers differ, the first to {question}:\n is {}\n not {}",
                wrong.len(),
                text(is),
                text(should)
            );
            println!("WRONG {why}");
            self.tally.wrong.push(why);
        }
    }

    /// Writes `tree` over what is there; what came of it.
    fn edit(&mut self, what: &str, tree: &Tree) -> Outcome {
        tree.write(&self.sources);
        let outcome = Outcome::of(self.running.as_ref().unwrap().outcome());
        if matches!(outcome, Outcome::Live { .. } | Outcome::NoCode) {
            self.check(what);
        }
        outcome
    }

    fn tell(&mut self, what: &str, outcome: &Outcome) {
        self.tally.add(outcome);
        println!("{what}: {outcome:?}");
    }
}

fn text(line: &str) -> String {
    let digits = line.as_bytes().chunks(2);
    let bytes =
        digits.map(|two| u8::from_str_radix(std::str::from_utf8(two).unwrap(), 16).unwrap());
    String::from_utf8_lossy(&bytes.collect::<Vec<u8>>()).into_owned()
}

/// Version after version; a refused one is started, as a person would.
fn versions(subject: &Subject) -> Tally {
    let mut replay = Replay::new(subject);
    let numbers: Vec<usize> = some((1..replay.versions.len()).collect());
    let mut running = None;
    for number in numbers {
        let (old, new) = (
            replay.versions[number - 1].clone(),
            replay.versions[number].clone(),
        );
        let name = subject.published.name;
        let (before, after) = (
            subject.published.versions[number - 1].0,
            subject.published.versions[number].0,
        );
        let what = format!("{name} {before} -> {after}");
        if old == new || !is_wanted(&what) {
            continue;
        }
        if running != Some(number - 1) {
            replay.start(&old);
        }
        let outcome = replay.edit(&what, &new);
        replay.tell(&what, &outcome);
        running = matches!(outcome, Outcome::Live { .. } | Outcome::NoCode).then_some(number);
    }
    replay.stop();
    replay.tally
}

/// One function of an edit after the other, each applied to the older version and
/// taken back.
fn functions(subject: &Subject) -> Tally {
    let mut replay = Replay::new(subject);
    let mut edits: Vec<(usize, Edit)> = Vec::new();
    for number in 1..replay.versions.len() {
        let (old, new) = (&replay.versions[number - 1], &replay.versions[number]);
        let split = split::edits(old, new).into_iter();
        edits.extend(split.map(|edit| (number - 1, edit)));
    }
    if !is_all() {
        let (version, few) = subject.few;
        edits.retain(|(number, edit)| {
            subject.published.versions[*number].0 == version
                && few.iter().any(|name| edit.what.ends_with(name))
        });
        assert_eq!(edits.len(), few.len());
    }
    let mut running = None;
    for (number, edit) in edits {
        let name = subject.published.name;
        let what = format!(
            "{name} {}, {}",
            subject.published.versions[number].0, edit.what
        );
        if !is_wanted(&what) {
            continue;
        }
        let old = replay.versions[number].clone();
        if running != Some(number) {
            replay.start(&old);
            running = Some(number);
        }
        let outcome = replay.edit(&what, &edit.tree);
        replay.tell(&what, &outcome);
        match replay.edit(&format!("{what}, taken back"), &old) {
            Outcome::Live { .. } | Outcome::NoCode => {}
            other => {
                println!("{what} is not taken back: {other:?}");
                running = None;
            }
        }
    }
    replay.stop();
    replay.tally
}

fn no_wrong_answers(name: &str, tally: &Tally) {
    println!("== {name}: {tally}");
    assert!(tally.wrong.is_empty(), "{:#?}", tally.wrong);
}

/// At least this many of a hundred functions must become live.
const LIVE: usize = 70;

macro_rules! replayed {
    ($($versions:ident, $functions:ident: $subject:expr;)*) => {$(
        #[test]
        fn $versions() {
            no_wrong_answers(stringify!($versions), &versions(&$subject));
        }

        #[test]
        fn $functions() {
            let tally = functions(&$subject);
            no_wrong_answers(stringify!($functions), &tally);
            assert!(tally.percent() >= LIVE, "{tally}");
        }
    )*};
}

replayed! {
    versions_of_pulldown_cmark, functions_of_pulldown_cmark: subjects::PULLDOWN_CMARK;
    versions_of_num2words, functions_of_num2words: subjects::NUM2WORDS;
    versions_of_hexyl, functions_of_hexyl: subjects::HEXYL;
}
