//! Edits that rustc reads in a shadow of the sources: what the program answers is what it
//! answers after a fresh start, with all names, lines and columns.

use crate::program::{Program, redirected};
use crate::workspace::Workspace;
use serde_json::{Value, json};

const MAIN: &str = "app/src/main.rs";

fn start() -> Program {
    start_in("shadow")
}

fn start_in(name: &str) -> Program {
    start_with(Workspace::of("cli/tests/fixtures/shadow", name))
}

fn start_with(workspace: Workspace) -> Program {
    let program = Program::with(workspace, &[]);
    program.wait_until_watched();
    program
}

/// Whether the edit before was read in a shadow, of which all is put right now.
fn was_shadow(program: &Program) -> bool {
    let line = program.wait_for(|line| {
        let is_error = line["message"]
            .as_str()
            .is_some_and(|m| m.starts_with("lines are"));
        assert!(!is_error, "{line}");
        line.get("settled").is_some() || line.get("linked").is_some()
    });
    if line.get("settled").is_some() {
        program.linked();
        return true;
    }
    false
}

const ALL: [&str; 13] = [
    "edited", "seen", "reads", "fails", "traced", "moved", "place", "linked", "outside", "low",
    "middle", "asks", "manifest",
];

fn ask_all(program: &mut Program) -> Vec<(&'static str, String)> {
    ALL.map(|question| (question, program.ask(question))).into()
}

/// The answers are those of the same program built by cargo and started, but for a few.
fn is_as_fresh(mut program: Program, but: &[&str]) -> Program {
    let live = ask_all(&mut program);
    let mut program = program.again();
    for (live, fresh) in live.into_iter().zip(ask_all(&mut program)) {
        assert!(
            live == fresh || but.contains(&live.0),
            "{live:?}, {fresh:?}"
        );
    }
    program
}

/// Two lines more.
fn longer(program: &mut Program, file: &str, line: &str) -> Value {
    program.edit(
        file,
        line,
        &format!("let _two = 2;\n    // Two.\n    {line}"),
    )
}

/// The line of a file in which this stands.
fn line_of(program: &Program, file: &str, what: &str) -> usize {
    let text = program.workspace.read(file);
    let line = text.lines().position(|line| line.contains(what));
    line.unwrap() + 1
}

#[test]
fn an_edited_body_has_its_names_and_lines_at_once() {
    let mut program = start();
    for (question, line, column) in [
        ("edited", "let text = n.to_string();", None),
        ("fails", "none.unwrap()", Some(10)),
        ("traced", "let trace = std", Some(17)),
        ("seen", "looks::place!(1)", Some(5)),
    ] {
        let report = longer(&mut program, MAIN, line);
        assert_eq!(redirected(&report), [question], "{report:#}");
        let answer = program.ask(question);
        let place = column.map_or(MAIN.to_owned(), |column| {
            format!("{MAIN}:{}:{column}", line_of(&program, MAIN, line))
        });
        assert!(answer.contains(&place), "{answer}, not {place}");
        assert!(was_shadow(&program));
        assert_eq!(program.ask(question), answer, "as it was");
    }
    // It was moved by the last edit.
    is_as_fresh(program, &["traced"]).end();
}

#[test]
fn what_has_moved_is_put_right_in_the_background() {
    let mut program = start();
    let before = program.ask("moved");
    longer(&mut program, MAIN, "let text = n.to_string();");
    assert_eq!(program.ask("moved"), before, "not built again");
    assert!(was_shadow(&program));
    assert_ne!(program.ask("moved"), before);
    // Two more before that is done, and one that takes lines away.
    longer(&mut program, MAIN, "none.unwrap()");
    longer(&mut program, MAIN, "looks::place!(1)");
    let text = program.workspace.read(MAIN);
    let first = "let _two = 2;\n    // Two.\n    let text";
    assert_eq!(text.matches(first).count(), 1);
    program
        .workspace
        .write(MAIN, &text.replace(first, "let text"));
    assert_eq!(program.report()["refused"], json!([]));
    assert!(was_shadow(&program));
    // Nothing of it is compared but lines of debug information.
    is_as_fresh(program, &["traced"]).end();
}

#[test]
fn a_module_elsewhere_and_a_dependency_that_is_no_member() {
    let mut program = start();
    for (question, file, name) in [
        ("place", "odd/place.rs", "app/src/../../odd/place.rs"),
        ("outside", "outside/src/lib.rs", "outside/src/lib.rs"),
    ] {
        let report = longer(&mut program, file, "assert!(n > 5");
        assert_eq!(redirected(&report), ["fails"], "{report:#}");
        let place = format!("{name}:{}:5", line_of(&program, file, "assert!(n > 5"));
        assert_eq!(program.ask(question), place);
        assert!(was_shadow(&program));
        assert_eq!(program.ask(question), place);
    }
    is_as_fresh(program, &[]).end();
}

#[test]
fn a_source_that_is_a_link() {
    let workspace = Workspace::of("cli/tests/fixtures/shadow", "shadow-linked");
    let linked = workspace.root().join("app/src/linked.rs");
    let real = workspace.root().join("target/elsewhere/real.rs");
    std::fs::create_dir_all(real.parent().unwrap()).unwrap();
    std::fs::write(&real, workspace.read("app/src/linked.rs")).unwrap();
    std::fs::remove_file(&linked).unwrap();
    std::os::unix::fs::symlink(&real, &linked).unwrap();
    let mut program = start_with(workspace);
    let file = "target/elsewhere/real.rs";
    let report = longer(&mut program, file, "assert!(n > 5");
    assert_eq!(redirected(&report), ["fails"], "{report:#}");
    assert_eq!(program.ask("linked"), "app/src/linked.rs:6:5");
    assert!(was_shadow(&program));
    is_as_fresh(program, &[]).end();
}

#[test]
fn lines_that_are_values_are_true_at_once() {
    let file = "asks/src/lib.rs";
    let mut program = start();
    let report = longer(&mut program, file, "number.to_string()");
    let at = |what| line_of(&program, file, what);
    let (line, call) = (at("line!()"), at("from().to"));
    let lines = program.workspace.read(file).lines().count();
    let answer = format!("1 {line} 31 {file}:{call}:5 {lines}");
    assert_eq!(program.ask("asks"), answer, "{report:#}");
    // Nothing moves, and rustc reads the file twice: `include_str!` has its new text.
    program.edit(file, "let number = 1;", "let number = 2 ;");
    assert!(program.ask("asks").starts_with("2 "));
    is_as_fresh(program, &[]).end();
}

#[test]
fn macros_that_read_sources_read_the_files() {
    let file = "reads/src/lib.rs";
    let mut program = start();
    for edit in ["let edited = 1;", "let _two = 2;"] {
        longer(&mut program, file, edit);
        let lines = program.workspace.read(file).lines().count();
        let answer = format!("1 {lines}     looks::read_place!(1)");
        assert_eq!(program.ask("reads"), answer);
        assert!(!was_shadow(&program));
    }
    is_as_fresh(program, &[]).end();
}

#[test]
fn the_program_right_after_a_library_that_is_used_by_another() {
    let mut program = start();
    let report = longer(&mut program, "low/src/lib.rs", "let low = 1;");
    assert_eq!(report["built"], json!(["low"]));
    // `middle` was built with the `low` of before.
    let report = program.edit(
        MAIN,
        "let text = n.to_string();",
        "let text = (n + 1).to_string();",
    );
    assert_eq!(report["built"], json!(["middle", "app"]));
    assert!(program.ask("edited").starts_with("8 "));
    assert!(was_shadow(&program));
    let report = program.edit("low/src/lib.rs", "let low = 1;", "let low = 1 + 1;");
    assert_eq!(report["built"], json!(["low"]));
    assert_eq!(
        (program.ask("low"), program.ask("middle")),
        ("2".into(), "12".into())
    );
    assert!(was_shadow(&program));
    is_as_fresh(program, &[]).end();
}

#[test]
fn warnings_have_the_lines_of_the_file() {
    let mut program = start();
    program.edit(
        MAIN,
        "let text = n.to_string();",
        "let unused = 2;\n    let text = n.to_string();",
    );
    let shown = program.rest();
    assert!(
        !shown.iter().any(|line| line.contains("warning")),
        "{shown:#?}"
    );
    program.shown("warning: unused variable: `unused`");
    let line = line_of(&program, MAIN, "let unused");
    program.shown(&format!("--> {MAIN}:{line}:9"));
    program.end();
}

#[test]
fn an_edit_that_compiles_in_a_shadow_only_is_said() {
    let mut program = start();
    // rustc denies characters that show text in another order; one is in no body.
    let text = program
        .workspace
        .replaced(MAIN, "/// Behind all", "// \u{202e}\n/// Behind all");
    let text = text.replace(
        "let text = n.to_string();",
        "let text = (n + 2).to_string();\n",
    );
    program.workspace.write(MAIN, &text);
    program.report();
    assert!(program.ask("edited").starts_with("9 "));
    program.said("lines are those of before the edit: it does not compile as it is");
    program
        .workspace
        .write(MAIN, &text.replace("// \u{202e}\n", ""));
    program.report();
    assert!(was_shadow(&program));
    is_as_fresh(program, &["traced"]).end();
}

#[test]
fn a_workspace_whose_path_has_a_space_and_65_files_edited_at_once() {
    let workspace = Workspace::of("cli/tests/fixtures/shadow", "shadow with spaces");
    let numbers = 0..65;
    let modules: String = numbers.clone().map(|n| format!("mod m{n};\n")).collect();
    let all: Vec<String> = numbers.clone().map(|n| format!("m{n}::f()")).collect();
    let main = workspace.read(MAIN);
    let main = main.replace("mod linked;\n", &format!("mod linked;\n{modules}"));
    let main = main.replace(
        "n.to_string()",
        &format!("(n + {}).to_string()", all.join(" + ")),
    );
    workspace.write(MAIN, &main);
    let write = |workspace: &Workspace, n: usize, body: &str| {
        let text = format!("pub fn f() -> u32 {{\n    {body}\n}}\n");
        workspace.write(&format!("app/src/m{n}.rs"), &text);
    };
    numbers.clone().for_each(|n| write(&workspace, n, "1"));
    let mut program = start_with(workspace);
    assert!(program.ask("edited").starts_with("72 "));
    longer(&mut program, MAIN, "none.unwrap()");
    assert!(was_shadow(&program));
    // More than the library takes, in as many reloads as it takes.
    numbers.for_each(|n| write(&program.workspace, n, "// Two.\n    2"));
    while !program.ask("edited").starts_with("137 ") {
        program.report();
    }
    was_shadow(&program);
    is_as_fresh(program, &["traced"]).end();
}

#[test]
fn a_user_who_preloads_and_has_a_shim_for_rustc() {
    let workspace = Workspace::of("cli/tests/fixtures/shadow", "shadow");
    let shim = workspace.root().join("target/rustc");
    std::fs::create_dir_all(shim.parent().unwrap()).unwrap();
    std::fs::write(&shim, "#!/bin/sh\nexec rustc \"$@\"\n").unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&shim, mode).unwrap();
    let variables = [
        ("RUSTC", shim.to_str().unwrap()),
        ("LD_PRELOAD", "libm.so.6"),
    ];
    let mut program = Program::with_variables(workspace, &variables);
    program.wait_until_watched();
    // What rustc and macros see of the environment is what the user has set.
    let preload = "let text = option_env!(\"LD_PRELOAD\").unwrap().len() as u32 + n; let text = text.to_string();";
    let report = program.edit(MAIN, "let text = n.to_string();", preload);
    assert_eq!(redirected(&report), ["edited"]);
    assert_eq!(program.ask("edited"), "16 in app/src/main.rs");
    assert!(was_shadow(&program));
    assert_eq!(program.ask("edited"), "16 in app/src/main.rs");
    program.end();
}

#[test]
fn carriage_returns_tabs_and_what_is_no_ascii() {
    let workspace = Workspace::of("cli/tests/fixtures/shadow", "shadow");
    let text = workspace
        .read(MAIN)
        .replace('\n', "\r\n")
        .replace("    ", "\t");
    let text = text.replace(
        "none.unwrap()",
        "let _a = \"\u{e4}\u{4e2d}\"; none.unwrap()",
    );
    workspace.write(MAIN, &text);
    let mut program = start_with(workspace);
    // To rustc a tab has four columns, and the second of these characters two.
    let column = "    let _a = \"xxx\"; none.".len() + 1;
    for _ in 0..2 {
        let longer = "let _two = 2;\r\n\tlet _a = \"\u{e4}";
        let report = program.edit(MAIN, "let _a = \"\u{e4}", longer);
        assert_eq!(redirected(&report), ["fails"]);
        let line = line_of(&program, MAIN, "none.unwrap");
        assert_eq!(program.ask("fails"), format!("{MAIN}:{line}:{column}"));
        assert!(was_shadow(&program));
    }
    is_as_fresh(program, &["traced"]).end();
}

#[test]
fn a_source_that_begins_with_a_mark_and_one_that_is_no_text() {
    let workspace = Workspace::of("cli/tests/fixtures/shadow", "shadow");
    let text = format!("\u{feff}{}", workspace.read(MAIN));
    let text = text.replace(
        "env!(\"CARGO_MANIFEST_DIR\").len()",
        "include_bytes!(\"no.text\").len()",
    );
    workspace.write(MAIN, &text);
    std::fs::write(workspace.root().join("app/src/no.text"), b"\xff\xfe\n").unwrap();
    let mut program = start_with(workspace);
    longer(&mut program, MAIN, "none.unwrap()");
    let line = line_of(&program, MAIN, "none.unwrap");
    assert_eq!(program.ask("fails"), format!("{MAIN}:{line}:10"));
    assert!(!was_shadow(&program));
    let file = program.workspace.root().join("app/src/no.text");
    std::fs::write(file, b"\xff\xfe\xfd\n").unwrap();
    program.report();
    assert_eq!(program.ask("manifest"), "4");
    is_as_fresh(program, &["traced"]).end();
}
