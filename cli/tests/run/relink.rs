//! The executable is linked anew while the program runs.

use crate::program::{Program, redirected};
use std::io::Write;
use std::process::{Command, Stdio};

const CODE: &str = "app/src/code.rs";

/// What the executable that was linked last answers.
fn linked_answer(program: &Program, question: &str) -> String {
    let folder = program.workspace.root().join("target/debug/deps");
    let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap());
    let is_program = |name: &str| name.starts_with("app-") && !name.contains('.');
    let file = files
        .filter(|file| is_program(file.file_name().to_str().unwrap()))
        .max_by_key(|file| file.metadata().unwrap().modified().unwrap())
        .unwrap()
        .path();
    let mut child = Command::new(file)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    writeln!(child.stdin.take().unwrap(), "{question}").unwrap();
    let output = child.wait_with_output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn the_executable_follows_edits_of_the_program_and_of_a_library() {
    let mut program = Program::start();
    program.edit(CODE, "    n + 1\n", "    n + 30\n");
    assert_eq!(program.ask("private"), "31");
    program.linked();
    assert_eq!(linked_answer(&program, "private"), "31");
    // What cargo has built meanwhile is what runs: no other function is new.
    let report = program.edit("words/src/lib.rs", "{word}!", "{word}?");
    assert_eq!(redirected(&report), ["shout"]);
    assert_eq!(program.ask("library"), "hey?");
    program.linked();
    assert_eq!(linked_answer(&program, "library"), "hey?");
    assert_eq!(program.end(), 0);
}

#[test]
fn an_edit_does_not_wait_for_it_and_is_not_mixed_up_by_it() {
    let mut program = Program::start();
    for n in 2..12 {
        let (from, to) = (format!("    n + {}\n", n - 1), format!("    n + {n}\n"));
        assert_eq!(redirected(&program.edit(CODE, &from, &to)), ["private"]);
        assert_eq!(program.ask("private"), (n + 1).to_string());
        // An instance of a library's function, which the program has to be told of.
        let (from, to) = (format!("{n}{{value}}]"), format!("{}{{value}}]", n + 1));
        let from = if n == 2 {
            "[{value}]".to_owned()
        } else {
            format!("[{from}")
        };
        let report = program.edit("words/src/lib.rs", &from, &format!("[{to}"));
        assert_eq!(
            program.ask("generic"),
            format!("[{}5]", n + 1),
            "{report:#}"
        );
        // At different stages of the build that was begun.
        std::thread::sleep(std::time::Duration::from_millis(250 + 60 * n));
    }
    program.linked();
    assert_eq!(linked_answer(&program, "private"), "12");
    assert_eq!(program.end(), 0);
}
