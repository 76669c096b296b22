//! What is refused, and that the old code keeps running.

use crate::program::Program;
use crate::workspace::Workspace;

const CODE: &str = "app/src/code.rs";

#[test]
fn code_that_does_not_compile() {
    let mut program = Program::start();
    let text = program
        .workspace
        .replaced(CODE, "    n + 1\n", "    n + \"one\"\n");
    program.workspace.write(CODE, &text);
    assert!(program.message().contains("does not compile"));
    assert_eq!(program.ask("private"), "2");
    program.edit(CODE, "    n + \"one\"\n", "    n + 3\n");
    assert_eq!(program.ask("private"), "4");
    assert_eq!(program.end(), 0);
}

/// What is said of a workspace with this profile.
fn refusal(profile: &str) -> String {
    let workspace = Workspace::fresh();
    let manifest = workspace.read("Cargo.toml");
    workspace.write(
        "Cargo.toml",
        &format!("{manifest}\n[profile.dev]\n{profile}\n"),
    );
    let program = Program::with(workspace, &[]);
    let message = program.error();
    assert_eq!(program.end(), 1);
    message
}

#[test]
fn an_optimised_crate() {
    let message = refusal("opt-level = 1");
    assert!(message.contains("set `opt-level = 0`"), "{message}");
}

#[test]
fn a_build_that_is_not_incremental() {
    let message = refusal("incremental = false");
    assert!(message.contains("set `incremental = true`"), "{message}");
}

#[test]
fn a_build_without_debug_information() {
    let message = refusal("debug = false");
    assert!(message.contains("set `debug = true`"), "{message}");
}

#[test]
fn a_stripped_program() {
    let message = refusal("strip = true");
    assert!(message.contains("set `strip = false`"), "{message}");
}
