//! A file of aarch64, on whatever host this is.

use crate::fixture::{folder, json, midair};
use std::path::{Path, PathBuf};

/// Where an ELF header names the processor.
const MACHINE: usize = 18;
const AARCH64: u8 = 183;

/// A folder with `arm.so` in it.
fn arm(test: &str) -> PathBuf {
    let folder = folder(test);
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/aarch64.s");
    let file = folder.join("arm.so");
    let output = std::process::Command::new("cc")
        .args(["-shared", "-nostdlib", "-Wl,--build-id=none,-Ttext=0x10000"])
        .arg("-o")
        .args([&file, &source])
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[MACHINE] = AARCH64;
    std::fs::write(&file, bytes).unwrap();
    folder
}

#[test]
fn inspect_shows_a_jump_behind_the_signing_instruction() {
    let report = json(
        &arm("aarch64_inspect"),
        &["inspect", "arm.so", "framed", "--json"],
    );
    assert_eq!(report["strategy"], "jump");
    let texts = |part: &str| -> Vec<String> {
        let lines = report[part].as_array().unwrap().iter();
        lines
            .map(|line| line["text"].as_str().unwrap().to_owned())
            .collect()
    };
    let before = texts("before");
    assert_eq!(before[..2], ["paciasp", "stp x29, x30, [sp, #-0x10]!"]);
    let gate = report["gate"].as_str().unwrap();
    assert_eq!(texts("after"), ["paciasp".to_owned(), format!("b {gate}")]);
    let copy = texts("copy");
    assert_eq!(copy[..2], ["paciasp", "stp x29, x30, [sp, #-0x10]!"]);
    assert_eq!(copy[2], "b 0x7f0000010008");
}

#[test]
fn a_function_that_no_gate_can_be_made_for_says_why() {
    let folder = arm("aarch64_refused");
    let output = midair(&folder, &["inspect", "arm.so", "stuck"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("neither x16 nor x17 is free"), "{text}");
    assert!(text.contains("stp x16, x17, [x0]"), "{text}");
}

#[test]
fn coverage_counts_both_machines_in_one_table() {
    let folder = arm("aarch64_coverage");
    let report = json(
        &folder,
        &["coverage", "arm.so", crate::fixture::LIBRARY, "--json"],
    );
    assert_eq!(report["files"][0]["functions"], 3);
    assert_eq!(report["files"][0]["by_strategy"]["jump"], 2);
    assert_eq!(report["files"][0]["refused_by_reason"]["NoFreeRegister"], 1);
    assert_eq!(report["total"]["functions"], 13);
}
