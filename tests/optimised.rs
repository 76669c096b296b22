//! Mocks in optimised builds: `tests/optimised`, a workspace of its own, is built
//! and run with a covering set of what profiles can say.
//!
//! Any two of optimisation, link-time optimisation, panics and codegen units meet
//! in some row, but for what only a higher `opt-level` makes interesting.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::process::Command;

struct Row {
    optimisation: u32,
    link_time: &'static str,
    panic: &'static str,
    units: u32,
}

const fn row(optimisation: u32, link_time: &'static str, panic: &'static str, units: u32) -> Row {
    Row {
        optimisation,
        link_time,
        panic,
        units,
    }
}

const ROWS: [Row; 5] = [
    row(0, "off", "unwind", 16),
    row(3, "off", "unwind", 1),
    row(3, "thin", "unwind", 16),
    row(3, "fat", "abort", 1),
    row(0, "fat", "abort", 16),
];

/// What this compiler finds out about the functions of `subject::plain` in one
/// codegen unit: if it did not, the checks of those with the attribute would show
/// nothing.
const INFERRED: [&str; 14] = [
    "constant",
    "same",
    "small",
    "fails",
    "nothing",
    "bits",
    "reads",
    "ignores",
    "calm",
    "large",
    "twins",
    "by_reference",
    "doubled",
    "unused",
];

/// What each check has come to.
type Results = BTreeMap<String, String>;

fn run(row: &Row) -> Results {
    let Row {
        optimisation,
        link_time,
        panic,
        units,
    } = row;
    // All rows build the same file: nobody else may until this one has run.
    let _lock = alone();
    let output = Command::new(env!("CARGO"))
        .args(["run", "--quiet", "--release", "--package=checks"])
        .arg(format!("--config=profile.release.opt-level={optimisation}"))
        .arg(format!("--config=profile.release.lto='{link_time}'"))
        .arg(format!("--config=profile.release.panic='{panic}'"))
        .arg(format!("--config=profile.release.codegen-units={units}"))
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/optimised"))
        .env(
            "CARGO_TARGET_DIR",
            concat!(env!("CARGO_TARGET_TMPDIR"), "/optimised"),
        )
        .output()
        .expect("cargo can be started");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {stderr}", output.status);
    let lines = String::from_utf8(output.stdout).expect("checks print text");
    let results = lines.lines().filter_map(|line| {
        let (name, result) = line.split_once('\t')?;
        Some((name.to_owned(), result.to_owned()))
    });
    results.collect()
}

/// Keeps other tests from building, in other processes too, until it is dropped.
fn alone() -> File {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("optimised");
    std::fs::create_dir_all(&folder).expect("a folder can be made");
    let lock = File::create(folder.join("alone.lock")).expect("a file can be made");
    lock.lock().expect("a file can be locked");
    lock
}

fn check(row: &Row) {
    let results = run(row);
    let of = |prefix: &'static str| results.iter().filter(move |(n, _)| n.starts_with(prefix));
    let [opaque, kinds, ordinary] =
        ["subject::opaque::", "kinds::", "ordinary::"].map(|prefix| of(prefix).count());
    assert_eq!((opaque, kinds, ordinary), (15, 17, 7), "{results:#?}");

    for (name, result) in of("subject::opaque::").chain(of("kinds::")) {
        assert_eq!(result, "seen", "{name}, with the attribute");
    }
    for (name, result) in of("ordinary::") {
        let is_refused = row.optimisation > 0 && result.starts_with("refused: ");
        assert!(result == "seen" || is_refused, "{name}: {result}");
    }
    if row.optimisation == 3 && row.link_time == "off" {
        for function in INFERRED {
            let result = &results[&format!("subject::plain::{function}")];
            assert_ne!(result, "seen", "{function} is not inferred");
        }
    }
    if row.optimisation == 3 {
        let inlined = &results["ordinary::price"];
        assert!(
            inlined.contains("subject::ordinary::receipt at ") && inlined.contains("ordinary.rs:"),
            "the caller is not named: {inlined}"
        );
    }
}

/// Whether the library of `subject`, built alone, has what the attribute makes.
fn has_opaque_functions(more: &[&str]) -> bool {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("optimised");
    let _lock = alone();
    let output = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--release", "--package=subject"])
        .args(more)
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/optimised"))
        .env("CARGO_TARGET_DIR", &folder)
        .output()
        .expect("cargo can be started");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {stderr}", output.status);
    let library = std::fs::read(folder.join("release/libsubject.rlib")).expect("it was built");
    memchr::memmem::find(&library, b"__midair").is_some()
}

#[test]
fn the_attribute_is_nothing_where_midair_is_not_part_of_the_build() {
    assert!(has_opaque_functions(&["--features=midair-macros/mockable"]));
    assert!(!has_opaque_functions(&[]));
}

#[test]
fn mocks_of_unoptimised_functions_are_seen() {
    check(&ROWS[0]);
}

#[test]
fn mocks_of_optimised_functions_are_seen_or_refused() {
    check(&ROWS[1]);
}

#[test]
fn mocks_are_seen_or_refused_after_thin_link_time_optimisation() {
    check(&ROWS[2]);
}

#[test]
fn mocks_are_seen_or_refused_after_fat_link_time_optimisation_where_panics_abort() {
    check(&ROWS[3]);
}

#[test]
fn mocks_of_unoptimised_functions_are_seen_where_panics_abort() {
    check(&ROWS[4]);
}
