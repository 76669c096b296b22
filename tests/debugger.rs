//! gdb and midair in one process: what each does about the other's breakpoints.
//!
//! Each test runs itself under gdb. Where gdb is not installed, or may not
//! trace, it says so; CI has it.
#![cfg(target_arch = "x86_64")]

use midair_libraries::shapes::{Fixtures, SHAPES};
use std::hint::black_box;
use std::process::Command;

type Number = extern "C" fn(u64) -> u64;

const CHILD: &str = "MIDAIR_UNDER_GDB";

#[inline(never)]
#[unsafe(no_mangle)]
extern "C" fn midair_debugged(n: u64) -> u64 {
    let mut sum = black_box(n);
    for _ in 0..black_box(3) {
        sum = black_box(sum + 1);
    }
    sum
}

extern "C" fn replacement(n: u64) -> u64 {
    n + 100
}

/// Where gdb stops to be told more.
#[inline(never)]
#[unsafe(no_mangle)]
extern "C" fn midair_marker() {
    println!("at the marker");
}

fn debugged(n: u64) -> u64 {
    black_box(midair_debugged as Number)(n)
}

fn patch() -> Result<midair::Patch<Number>, midair::Error> {
    // SAFETY: of the same type; nobody relies on the result.
    unsafe { midair::patch(midair_debugged as Number, replacement as Number) }
}

fn is_child() -> bool {
    std::env::var_os(CHILD).is_some()
}

/// Runs the test `name` under gdb; gives all that both printed, or none if gdb
/// cannot trace here.
fn under_gdb(name: &str, commands: &[&str]) -> Option<String> {
    let mut gdb = Command::new("timeout");
    gdb.args(["120", "gdb", "-nx", "-batch"]);
    for command in ["set pagination off", "set debuginfod enabled off"] {
        gdb.args(["-iex", command]);
    }
    // Rust's expressions know no names before the program runs.
    for command in ["set language c"].iter().chain(commands) {
        gdb.args(["-ex", command]);
    }
    let output = gdb
        .arg("--args")
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(CHILD, "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    let missing = output.status.code() == Some(127) || text.contains("failed to run command");
    if missing || text.contains("Operation not permitted") {
        println!("NOT TESTED: gdb does not trace here: {text}");
        return None;
    }
    assert!(text.contains("exited normally"), "{text}");
    Some(text)
}

#[test]
fn a_function_with_a_breakpoint_at_its_entry_is_refused_until_that_is_deleted() {
    if is_child() {
        assert_eq!(debugged(1), 4);
        println!("patched: {:?}", patch().map(drop));
        assert_eq!(debugged(1), 4);
        midair_marker();
        let patch = patch().unwrap();
        assert_eq!(debugged(1), 101);
        drop(patch);
        return;
    }
    let Some(text) = under_gdb(
        "a_function_with_a_breakpoint_at_its_entry_is_refused_until_that_is_deleted",
        &[
            "break *midair_debugged",
            "break midair_marker",
            "run",
            "continue",
            "continue",
            "delete 1",
            "continue",
        ],
    ) else {
        return;
    };
    assert_eq!(text.matches("hit Breakpoint 1").count(), 2, "{text}");
    assert!(
        text.contains("a foreign breakpoint stands at the entry"),
        "{text}"
    );
}

#[test]
fn a_breakpoint_at_a_patched_entry_is_hit_and_keeps_the_patch_on() {
    if is_child() {
        let patch = patch().unwrap();
        midair_marker();
        assert_eq!(debugged(1), 101);
        assert_eq!(patch.original()(1), 4);
        println!("removed: {:?}", patch.remove());
        midair_marker();
        // The jump stands there still: to the replacement, or to its gate.
        assert!([101, 4].contains(&debugged(1)));
        midair::unpatch_all().unwrap();
        assert_eq!(debugged(1), 4);
        return;
    }
    let Some(text) = under_gdb(
        "a_breakpoint_at_a_patched_entry_is_hit_and_keeps_the_patch_on",
        &[
            "break midair_marker",
            "run",
            "break *midair_debugged",
            "continue",
            "continue",
            "delete 2",
            "continue",
        ],
    ) else {
        return;
    };
    assert_eq!(text.matches("hit Breakpoint 2").count(), 1, "{text}");
    assert!(
        text.contains("a foreign breakpoint stands at the entry"),
        "{text}"
    );
}

#[test]
fn gdb_stops_at_a_trap_of_midair_and_signal_sigtrap_goes_on() {
    if is_child() {
        let fixtures = Fixtures::load().unwrap();
        let name = "shape_call_callback_early"; // only a breakpoint leaves its entry
        let shape = SHAPES.iter().find(|s| s.name == name).unwrap();
        let target = fixtures.address(name).unwrap();
        // SAFETY: a pass-through.
        let patch = unsafe { midair::patch_raw(target, |original| original) }.unwrap();
        let got = fixtures.call(shape, 6, 3).unwrap();
        assert_eq!(got, (shape.expected)(6, 3));
        drop(patch);
        return;
    }
    let Some(text) = under_gdb(
        "gdb_stops_at_a_trap_of_midair_and_signal_sigtrap_goes_on",
        &["run", "info symbol $pc", "signal SIGTRAP"],
    ) else {
        return;
    };
    assert_eq!(text.matches("received signal SIGTRAP").count(), 1, "{text}");
    assert!(
        text.contains("shape_call_callback_early + 1 in section"),
        "{text}"
    );
}
