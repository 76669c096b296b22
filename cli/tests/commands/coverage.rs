//! `coverage`: the figures, the lists and the exit code.

use crate::fixture::{LIBRARY, folder, json, midair};
use snapbox::file;

#[test]
fn the_table_and_the_lists() {
    let folder = folder("coverage_list");
    midair(&folder, &["coverage", LIBRARY, "--list"])
        .assert()
        .success()
        .stdout_eq(file!["../snapshots/coverage_list.txt"])
        .stderr_eq("");
}

#[test]
fn json_adds_up() {
    let folder = folder("coverage_json");
    let report = json(&folder, &["coverage", LIBRARY, LIBRARY, "--json"]);
    let [file, total] = [&report["files"][0], &report["total"]];
    assert_eq!(file["functions"], 10);
    assert_eq!(file["fragments"], 1);
    assert_eq!(file["by_jump"], 8);
    assert_eq!(file["by_strategy"]["breakpoint"], 1);
    assert_eq!(file["breakpoints"][0]["name"], "stuck");
    assert_eq!(
        file["breakpoints"][0]["passed_over"]
            .as_array()
            .unwrap()
            .len(),
        4
    );
    assert_eq!(file["refused"][0]["name"], "nonsense");
    assert_eq!(file["refused"][0]["kind"], "InvalidInstruction");
    assert_eq!(total["functions"], 20);
    assert_eq!(total["refused_by_reason"]["InvalidInstruction"], 2);
    let sum = |counts: &serde_json::Value| -> u64 {
        counts
            .as_object()
            .unwrap()
            .values()
            .map(|count| count.as_u64().unwrap())
            .sum()
    };
    for of in [file, total] {
        let decided = sum(&of["by_strategy"]) + sum(&of["refused_by_reason"]);
        assert_eq!(of["functions"].as_u64().unwrap(), decided);
    }
}

#[test]
fn too_few_jumps_fail() {
    let folder = folder("coverage_minimum");
    midair(&folder, &["coverage", LIBRARY, "--min-jump", "80"])
        .assert()
        .success();
    midair(&folder, &["coverage", LIBRARY, "--min-jump", "80.1%"])
        .assert()
        .code(1)
        .stderr_eq(
            "libshapes.so: 80.000 % of the functions are left by a jump; 80.1 % are wanted\n",
        );
    midair(&folder, &["coverage", LIBRARY, "--min-jump", "many"])
        .assert()
        .code(2);
}

#[test]
fn a_file_that_cannot_be_read_fails_but_not_the_others() {
    let folder = folder("coverage_unreadable");
    let output = midair(&folder, &["coverage", "missing", LIBRARY, "--json"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["unreadable"][0]["file"], "missing");
    assert_eq!(report["files"].as_array().unwrap().len(), 1);
}
