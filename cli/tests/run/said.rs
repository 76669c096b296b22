//! What people and machines are told, what the program has for itself, and files that are
//! no edits.

use crate::program::{PATIENCE, Program, Running, for_workspaces, lines, redirected};
use crate::workspace::Workspace;
use serde_json::Value;
use snapbox::cmd::cargo_bin;
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const CODE: &str = "app/src/code.rs";

#[test]
fn a_report_has_what_became_of_functions_where_the_time_went_and_the_memory() {
    let mut program = Program::start();
    let report = program.edit(CODE, "    n + 1\n", "    n + 2\n");
    for list in ["moved", "versioned", "refused", "removed", "kept", "active"] {
        assert_eq!(report[list], serde_json::json!([]), "{list}: {report:#}");
    }
    assert_eq!(
        report["redirected"],
        serde_json::json!(["app::code::private"])
    );
    let parts = ["watch", "rustc", "diff", "gate", "link", "load", "swap"];
    let time = |part: &str| report["milliseconds"][part].as_f64().unwrap();
    for part in parts {
        assert!(time(part) > 0.0, "{part}: {report:#}");
    }
    // Little is left that nobody knows of.
    let sum: f64 = parts.into_iter().map(time).sum();
    assert!(
        sum < time("total") + 0.1 && sum > 0.25 * time("total"),
        "{report:#}"
    );
    let bytes = report["bytes"].as_u64().unwrap();
    assert!((1..1 << 20).contains(&bytes), "{report:#}");
    assert_eq!(report["images"]["loaded"], 1, "{report:#}");
    assert_eq!(program.end(), 0);
}

#[test]
fn files_that_the_program_is_not_made_of_are_no_edits_however_they_are_written() {
    let mut program = Program::start();
    let root = program.workspace.root().to_owned();
    program.rest();
    // Ignored by git, or not: nobody reads them.
    program
        .workspace
        .write(".gitignore", "target\nignored.rs\n");
    for name in [
        "ignored.rs",
        "notes.txt",
        ".code.rs.swp",
        "code.rs~",
        "4913",
    ] {
        program
            .workspace
            .write(&format!("app/src/{name}"), "fn nobody() {}\n");
    }
    std::fs::create_dir_all(root.join("target/debug/elsewhere")).unwrap();
    program
        .workspace
        .write("target/debug/elsewhere/code.rs", "no");
    // Written as it was.
    let text = program.workspace.read(CODE);
    program.workspace.write(CODE, &text);
    std::thread::sleep(Duration::from_millis(400));
    assert_eq!(program.rest(), Vec::<String>::new());

    // As vim does with a backup: the old file is moved away and a new one written.
    std::fs::rename(root.join(CODE), root.join("app/src/code.rs~")).unwrap();
    std::thread::sleep(Duration::from_millis(100));
    program
        .workspace
        .write(CODE, &text.replace("    n + 1\n", "    n + 4\n"));
    assert_eq!(redirected(&program.report()), ["private"]);
    assert_eq!(program.ask("private"), "5");
    // As others do: truncated first, and the rest some time later.
    let mut file = std::fs::File::create(root.join(CODE)).unwrap();
    let text = text.replace("    n + 1\n", "    n + 6\n");
    let (first, last) = text.split_at(text.len() / 2);
    file.write_all(first.as_bytes()).unwrap();
    std::thread::sleep(Duration::from_millis(10));
    file.write_all(last.as_bytes()).unwrap();
    drop(file);
    assert_eq!(redirected(&program.report()), ["private"]);
    assert_eq!(program.ask("private"), "7");
    // What git ignores and the program is made of counts.
    let text = program.workspace.read("app/src/main.rs");
    program
        .workspace
        .write("app/src/ignored.rs", "pub fn one() -> u32 {\n    1\n}\n");
    program.workspace.write(
        "app/src/main.rs",
        &text.replace("mod code;\n", "mod code;\nmod ignored;\n"),
    );
    program.report();
    let code = program
        .workspace
        .read(CODE)
        .replace("    n + 6\n", "    crate::ignored::one() + n\n");
    program.workspace.write(CODE, &code);
    program.report();
    assert_eq!(program.ask("private"), "2");
    program.edit("app/src/ignored.rs", "    1\n", "    8\n");
    assert_eq!(program.ask("private"), "9");
    assert_eq!(program.end(), 0);
}

/// rustc has read it by then, and nobody watches it yet.
#[test]
fn what_is_edited_while_the_program_is_built_is_not_lost() {
    let workspace = Workspace::fresh();
    let code = workspace.read(CODE) + "\nconst _: u8 = 1;\n";
    workspace.write(CODE, &code);
    let (shim, mark) = ["target/slow-rustc", "target/was-built"]
        .map(|name| workspace.root().join(name))
        .into();
    let rustc = std::env::var("MIDAIR_RUN_RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let script = format!(
        "#!/bin/sh\n\"{rustc}\" \"$@\" || exit\ncase \"$*\" in *\"--crate-name app \"*)\n\
         [ -e {mark} ] || {{ : > {mark}; sleep 2; }};; esac\n",
        mark = mark.display()
    );
    std::fs::create_dir_all(workspace.root().join("target")).unwrap();
    std::fs::write(&shim, script).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&shim, mode).unwrap();
    let _ = std::fs::remove_file(&mark);
    let mut program = Program::with_variable(workspace, "RUSTC", shim.to_str().unwrap());
    let begun = Instant::now();
    while !mark.exists() {
        assert!(begun.elapsed() < PATIENCE, "{:#?}", program.rest());
        std::thread::sleep(Duration::from_millis(20));
    }
    let code = code.replace("    n + 1\n", "    n + 4\n");
    program.workspace.write(CODE, &code);
    program.wait_until_watched();
    assert_eq!(redirected(&program.report()), ["private"]);
    assert_eq!(program.ask("private"), "5");
    assert_eq!(program.end(), 0);
}

/// As `git checkout` and editors that save all do. A busy machine may stop us between the
/// two, so there are three tries.
#[test]
fn files_that_are_saved_together_are_one_edit() {
    const KEEP: &str = "app/src/keep.rs";
    let mut program = Program::start();
    let (code, keep) = (program.workspace.read(CODE), program.workspace.read(KEEP));
    let is_one = (2..5).any(|n| {
        let new = [
            code.replace("    n + 1\n", &format!("    n + {n}\n")),
            keep.replace("CONST.get() + 1)", &format!("CONST.get() + {n})")),
        ];
        let [code, keep] = new;
        program.workspace.write(CODE, &code);
        program.workspace.write(KEEP, &keep);
        let live = redirected(&program.report());
        let is_next = |line: &Value| line.get("reload").is_some() || line.get("linked").is_some();
        let next = program.wait_for(is_next);
        assert_eq!(program.ask("private"), (n + 1).to_string());
        live == ["bump_thread", "private"] && next.get("linked").is_some()
    });
    assert!(is_one);
    assert_eq!(program.end(), 0);
}

#[test]
fn people_are_told_in_words_and_stdout_and_the_exit_code_are_the_programs() {
    let workspace = Workspace::fresh();
    let mut command = Command::new(cargo_bin!("cargo-midair"));
    command
        .args(["midair", "run"])
        .current_dir(workspace.root());
    for_workspaces(&mut command);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    // Something has to be built.
    let far = workspace.read("far/src/lib.rs");
    workspace.write(
        "far/src/lib.rs",
        &format!("// {:?}\n{far}", std::time::SystemTime::now()),
    );
    let mut run = Running(command.spawn().unwrap());
    let said = lines(run.0.stderr.take().unwrap());
    let until = |words: &str| {
        let mut seen = Vec::new();
        loop {
            let line = said.recv_timeout(PATIENCE);
            let line = line.unwrap_or_else(|e| panic!("{words}: {e}: {seen:#?}"));
            let is_it = line.contains(words);
            seen.push(line);
            if is_it {
                return seen;
            }
        }
    };
    // The first build is shown as cargo shows it.
    until("Compiling far v0.1.0");
    until("midair: watching 3 crates");
    let edit = |from: &str, to: &str| workspace.write(CODE, &workspace.replaced(CODE, from, to));
    edit("    n + 1\n", "    n + 2\n");
    let line = until(" s: app::code::private").pop().unwrap();
    assert!(line.starts_with("midair: 1 function live in "), "{line}");
    // A restart is offered, and how to have one by a key.
    edit("struct Square(u32)", "struct Square(u16)");
    let seen = until("does not compile");
    assert!(
        seen.iter().any(|line| line.starts_with("error[E0308]")),
        "{seen:#?}"
    );
    edit("        self.0 * self.0\n", "        self.0 as u32\n");
    let seen = until("the old code keeps running");
    assert!(
        seen.iter().any(|line| line == "midair: nothing changed:"),
        "{seen:#?}"
    );
    assert!(
        seen.last().unwrap().contains("with --interactive: press r"),
        "{seen:#?}"
    );
    edit("        self.0 as u32\n", "        self.0 * self.0\n");
    edit("struct Square(u16)", "struct Square(u32)");
    edit("    String::new()\n", "    std::process::exit(41)\n");
    until("app::code::added");
    let mut input = run.0.stdin.take().unwrap();
    writeln!(input, "private\nadded").unwrap();
    let answers = lines(run.0.stdout.take().unwrap());
    assert_eq!(run.ended().code(), Some(41));
    assert_eq!(answers.iter().collect::<Vec<_>>(), ["3"]);
}
