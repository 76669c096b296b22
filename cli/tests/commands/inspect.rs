//! `inspect`: one page for each way of leaving a function.

use crate::fixture::{LIBRARY, folder, json, midair, stdout};
use snapbox::{assert_data_eq, file};

#[test]
fn a_jump_with_traps() {
    let folder = folder("inspect_jump");
    let page = stdout(&folder, &["inspect", LIBRARY, "framed"]);
    assert_data_eq!(page, file!["../snapshots/inspect_framed.txt"]);
}

#[test]
fn an_operand_relative_to_rip_and_an_alias() {
    let folder = folder("inspect_alias");
    let page = stdout(&folder, &["inspect", LIBRARY, "answer"]);
    assert_data_eq!(page, file!["../snapshots/inspect_answer.txt"]);
}

#[test]
fn an_endbr64_a_call_and_a_branch_to_the_entry() {
    let folder = folder("inspect_landing");
    let page = stdout(&folder, &["inspect", LIBRARY, "landing"]);
    assert_data_eq!(page, file!["../snapshots/inspect_landing.txt"]);
}

#[test]
fn a_jump_into_padding() {
    let folder = folder("inspect_padding");
    let page = stdout(&folder, &["inspect", LIBRARY, "tiny"]);
    assert_data_eq!(page, file!["../snapshots/inspect_tiny.txt"]);
}

#[test]
fn a_short_jump() {
    let folder = folder("inspect_short");
    let page = stdout(&folder, &["inspect", LIBRARY, "looping"]);
    assert_data_eq!(page, file!["../snapshots/inspect_looping.txt"]);
}

#[test]
fn a_punned_jump() {
    let folder = folder("inspect_punned");
    let page = stdout(&folder, &["inspect", LIBRARY, "punned"]);
    assert_data_eq!(page, file!["../snapshots/inspect_punned.txt"]);
}

#[test]
fn a_breakpoint() {
    let folder = folder("inspect_breakpoint");
    let page = stdout(&folder, &["inspect", LIBRARY, "stuck"]);
    assert_data_eq!(page, file!["../snapshots/inspect_stuck.txt"]);
}

#[test]
fn a_refusal() {
    let folder = folder("inspect_refusal");
    midair(&folder, &["inspect", LIBRARY, "nonsense"])
        .assert()
        .code(1)
        .stdout_eq(file!["../snapshots/inspect_nonsense.txt"]);
}

#[test]
fn an_address_chooses_among_functions_of_one_name() {
    let folder = folder("inspect_at");
    let both = [["0x10080", "0x1"], ["0x100b0", "0x2"]];
    for [address, value] in both {
        let page = stdout(&folder, &["inspect", LIBRARY, "twin", "--at", address]);
        assert!(
            page.contains(&format!("mov eax, {}", value.trim_start_matches("0x"))),
            "{page}"
        );
        let alone = stdout(&folder, &["inspect", LIBRARY, "--at", address]);
        assert_eq!(page, alone);
        assert_eq!(page, stdout(&folder, &["inspect", LIBRARY, address]));
    }
}

#[test]
fn json_says_the_same() {
    let folder = folder("inspect_json");
    let report = json(&folder, &["inspect", LIBRARY, "looping", "--json"]);
    assert_eq!(report["strategy"], "short jump");
    assert_eq!(report["address"], "0x10040");
    assert_eq!(report["size"], 9);
    assert_eq!(report["passed_over"][0]["strategy"], "jump");
    assert_eq!(report["passed_over"][0]["offset"], 2);
    assert_eq!(report["before"][0]["changed"], true);
    let refused = midair(&folder, &["inspect", LIBRARY, "nonsense", "--json"])
        .output()
        .unwrap();
    let refused: serde_json::Value = serde_json::from_slice(&refused.stdout).unwrap();
    assert_eq!(
        refused["refusal"]["reason"],
        "the bytes are no valid instruction"
    );
}

#[test]
fn colours_are_for_terminals() {
    let folder = folder("inspect_colours");
    let args = ["inspect", LIBRARY, "framed"];
    let plain = stdout(&folder, &args);
    assert!(!plain.contains('\x1b'));
    let coloured = midair(&folder, &args)
        .env("CLICOLOR_FORCE", "1")
        .output()
        .unwrap();
    let coloured = String::from_utf8(coloured.stdout).unwrap();
    assert!(coloured.contains("\x1b["));
    assert_eq!(anstream::adapter::strip_str(&coloured).to_string(), plain);
    let forced = midair(&folder, &["inspect", LIBRARY, "framed", "--json"]);
    let forced = forced.env("CLICOLOR_FORCE", "1").output().unwrap();
    assert!(!forced.stdout.contains(&0x1b));
}
