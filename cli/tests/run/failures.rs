//! What dies or runs full in the middle of an edit: the program keeps running the old
//! code, and the next edit is live.

use crate::program::{Program, redirected};
use crate::workspace::Workspace;
use std::path::{Path, PathBuf};
use std::time::Duration;

const CODE: &str = "app/src/code.rs";

/// The folders of sessions.
fn folders(workspace: &Workspace) -> Vec<PathBuf> {
    let all = std::fs::read_dir(workspace.root().join("target/midair")).unwrap();
    let all = all.map(|entry| entry.unwrap().path());
    all.filter(|path| {
        path.file_name()
            .unwrap()
            .to_string_lossy()
            .starts_with("run-")
    })
    .collect()
}

#[test]
fn the_killed_cli_leaves_the_program_and_the_next_one_cleans_up() {
    let mut program = Program::start();
    program.edit(CODE, "    n + 1\n", "    n + 2\n");
    // In the middle of the next edit.
    let text = program
        .workspace
        .replaced(CODE, "    n + 2\n", "    n + 3\n");
    program.workspace.write(CODE, &text);
    std::thread::sleep(Duration::from_millis(60));
    let (mut orphan, program) = program.orphaned();
    program.wait_until_watched();
    let answer = orphan.ask("private");
    assert!(["3", "4"].contains(&answer.as_str()), "{answer}");
    // Its backtraces read its file.
    assert_eq!(folders(&program.workspace).len(), 2);
    let line = orphan.ask("backtrace");
    assert!(line.contains("code.rs"), "{line}");
    orphan.end();
    let (orphan, mut program) = program.orphaned();
    program.wait_until_watched();
    orphan.end();
    assert_eq!(program.ask("private"), "4");
    program.edit(CODE, "    n + 3\n", "    n + 4\n");
    assert_eq!(program.ask("private"), "5");
    let (orphan, program) = program.orphaned();
    orphan.end();
    program.wait_until_watched();
    let left = folders(&program.workspace);
    assert!(left.len() <= 2, "{left:?}");
    assert_eq!(program.end(), 0);
}

/// The number of a process that `parent` has started and that is called so.
fn child_of(parent: u32, name: &str) -> Option<u32> {
    let threads = std::fs::read_dir(format!("/proc/{parent}/task")).unwrap();
    let children = threads.flat_map(|thread| {
        let list = std::fs::read_to_string(thread.unwrap().path().join("children"));
        let list = list.unwrap_or_default();
        let ids = list.split_whitespace().map(|id| id.parse().unwrap());
        ids.collect::<Vec<u32>>()
    });
    children.into_iter().find(|id| {
        let called = std::fs::read_to_string(format!("/proc/{id}/comm"));
        called.is_ok_and(|called| called.trim() == name)
    })
}

#[test]
fn the_killed_compiler_is_said_and_saving_again_tries_again() {
    let mut program = Program::start();
    let text = program
        .workspace
        .replaced(CODE, "    n + 1\n", "    n + 7\n");
    program.workspace.write(CODE, &text);
    let rustc = loop {
        if let Some(rustc) = child_of(program.id(), "rustc") {
            break rustc;
        }
    };
    let mut kill = std::process::Command::new("kill");
    let killed = kill.args(["-9", &rustc.to_string()]).status().unwrap();
    assert!(killed.success());
    let said = program.said("killed by signal 9");
    assert!(said.contains("the old code keeps running"), "{said}");
    assert_eq!(program.ask("private"), "2");
    program.workspace.write(CODE, &text);
    assert_eq!(redirected(&program.report()), ["private"]);
    assert_eq!(program.ask("private"), "8");
    assert_eq!(program.end(), 0);
}

/// Fills the disk that a folder is on; the file that does.
fn fill(folder: &Path) -> PathBuf {
    let path = folder.join("full");
    let mut file = std::fs::File::create(&path).unwrap();
    for size in [1 << 20, 4096, 1] {
        while std::io::Write::write_all(&mut file, &vec![1; size]).is_ok() {}
    }
    path
}

#[test]
fn a_full_disk_is_said_and_the_next_edit_is_live_once_there_is_room() {
    let workspace = Workspace::fresh();
    let Some(mut program) = Program::on_a_small_disk(workspace) else {
        return;
    };
    program.wait_until_watched();
    let target = PathBuf::from(format!("/proc/{}/root", program.id()))
        .join(program.workspace.root().strip_prefix("/").unwrap())
        .join("target");
    let full = fill(&target);
    let text = program
        .workspace
        .replaced(CODE, "    n + 1\n", "    n + 3\n");
    program.workspace.write(CODE, &text);
    let said = program.said("the old code keeps running");
    assert_eq!(program.ask("private"), "2", "{said}");
    std::fs::remove_file(full).unwrap();
    program.workspace.write(CODE, &text);
    assert_eq!(redirected(&program.report()), ["private"]);
    assert_eq!(program.ask("private"), "4");
    program.edit(CODE, "    n + 3\n", "    n + 4\n");
    assert_eq!(program.ask("private"), "5");
    assert_eq!(program.end(), 0);
}
