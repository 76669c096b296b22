//! What becomes live.

use crate::program::{Program, redirected};

const CODE: &str = "app/src/code.rs";
const WORDS: &str = "words/src/lib.rs";

/// A question is answered differently after one edit.
fn becomes_live(question: &str, before: &str, (file, from, to): (&str, &str, &str), after: &str) {
    let mut program = Program::start();
    assert_eq!(program.ask(question), before);
    let report = program.edit(file, from, to);
    assert_eq!(program.ask(question), after, "{report:#}");
    assert_eq!(program.end(), 0);
}

#[test]
fn a_private_function() {
    let mut program = Program::start();
    assert_eq!(program.ask("private"), "2");
    let report = program.edit(CODE, "    n + 1\n", "    n + 9\n");
    assert_eq!(program.ask("private"), "10");
    assert_eq!(redirected(&report), ["private"]);
    assert_eq!(report["overwritten"].as_array().unwrap().len(), 0);
    assert_eq!(program.end(), 0);
}

#[test]
fn one_edit_after_the_other() {
    let mut program = Program::start();
    for n in 2..8 {
        let (from, to) = (format!("    n + {}\n", n - 1), format!("    n + {n}\n"));
        program.edit(CODE, &from, &to);
        assert_eq!(program.ask("private"), (n + 1).to_string());
    }
    assert_eq!(program.end(), 0);
}

#[test]
fn a_method() {
    becomes_live(
        "method",
        "6",
        (CODE, "n + self.step", "n * self.step * 2"),
        "10",
    );
}

#[test]
fn a_trait_method_called_through_an_old_box() {
    becomes_live("dyn", "9", (CODE, "self.0 * self.0", "self.0 * 100"), "300");
}

#[test]
fn a_default_trait_method() {
    becomes_live(
        "default",
        "area 9",
        (CODE, "\"area {}\"", "\"size {}\""),
        "size 9",
    );
}

#[test]
fn a_default_trait_method_of_a_library() {
    becomes_live(
        "far default",
        "hello guest",
        (WORDS, "\"hello {}\"", "\"bye {}\""),
        "bye guest",
    );
}

#[test]
fn a_constant() {
    becomes_live(
        "constant",
        "20",
        (CODE, "LIMIT: u32 = 10", "LIMIT: u32 = 33"),
        "66",
    );
}

#[test]
fn a_string_literal() {
    becomes_live(
        "literal",
        "first",
        (CODE, "\"first\"", "\"a longer one\""),
        "a longer one",
    );
}

#[test]
fn a_static_that_does_not_change() {
    becomes_live(
        "table",
        "[1, 2, 3]",
        (CODE, "[1, 2, 3]", "[4, 5, 6]"),
        "[4, 5, 6]",
    );
}

#[test]
fn a_static_that_points_to_a_text() {
    becomes_live(
        "title",
        "title one",
        (CODE, "title one", "another title"),
        "another title",
    );
}

#[test]
fn a_jump_table() {
    becomes_live(
        "chosen",
        "10 21 35 47 58 60",
        (CODE, "3 => 47", "3 => 99"),
        "10 21 35 99 58 60",
    );
}

#[test]
fn a_new_function_that_calls_what_the_program_never_used() {
    let new = "fn added() -> String {\n    newer(3)\n}\n\nfn newer(n: u64) -> String {\n    \
               let tree: std::collections::BTreeMap<u64, [u16; 7]> = (0..n).map(|n| (n, [n as u16; 7])).collect();\n    \
               format!(\"{tree:?} {:e} {}\", 1234.5_f32, words::framed('x'))\n}\n";
    let expected = "{0: [0, 0, 0, 0, 0, 0, 0], 1: [1, 1, 1, 1, 1, 1, 1], 2: [2, 2, 2, 2, 2, 2, 2]} 1.2345e3 [x]";
    let old = "fn added() -> String {\n    String::new()\n}\n";
    becomes_live("added", "", (CODE, old, new), expected);
}

#[test]
fn a_new_function_can_be_edited_again() {
    let mut program = Program::start();
    program.edit(
        CODE,
        "    String::new()\n}\n",
        "    newer()\n}\n\nfn newer() -> String {\n    \"a\".to_owned()\n}\n",
    );
    assert_eq!(program.ask("added"), "a");
    program.edit(CODE, "\"a\".to_owned()", "\"b\".repeat(3)");
    assert_eq!(program.ask("added"), "bbb");
    assert_eq!(program.end(), 0);
}

#[test]
fn a_new_static_and_a_new_thread_local_keep_their_values_from_then_on() {
    let mut program = Program::start();
    let new = "    use std::cell::Cell;\n    use std::sync::atomic::{AtomicU32, Ordering};\n    \
               static NEW: AtomicU32 = AtomicU32::new(70);\n    \
               thread_local! { static LOCAL: Cell<u32> = const { Cell::new(0) }; static LAZY: Cell<u32> = Cell::new(std::process::id().min(1)); }\n    \
               LOCAL.set(LOCAL.get() + 1);\n    LAZY.set(LAZY.get() + 1);\n    \
               format!(\"{} {} {}\", NEW.fetch_add(1, Ordering::Relaxed), LOCAL.get(), LAZY.get())\n}\n";
    program.edit(CODE, "    String::new()\n}\n", new);
    assert_eq!(program.ask("added"), "70 1 2");
    assert_eq!(program.ask("added"), "71 2 3");
    program.edit(CODE, "\"{} {} {}\"", "\"{}-{}-{}\"");
    assert_eq!(program.ask("added"), "72-3-4");
    assert_eq!(program.end(), 0);
}

#[test]
fn a_generic_instance_of_a_library() {
    becomes_live(
        "generic",
        "[5]",
        (WORDS, "\"[{value}]\"", "\"<{value}>\""),
        "<5>",
    );
}

#[test]
fn a_stored_closure() {
    becomes_live(
        "closure",
        "1001",
        (CODE, "|n| n + offset", "|n| n * offset * 2"),
        "2000",
    );
}

#[test]
fn a_function_of_a_library() {
    let mut program = Program::start();
    assert_eq!(program.ask("library"), "hey!");
    let report = program.edit(WORDS, "\"{word}!\"", "\"{word}?\"");
    assert_eq!(program.ask("library"), "hey?");
    assert_eq!(redirected(&report), ["shout"]);
    assert_eq!(program.end(), 0);
}

#[test]
fn a_path_dependency_that_is_no_member_of_the_workspace() {
    becomes_live(
        "far",
        "100",
        ("far/src/lib.rs", "    100\n", "    200\n"),
        "200",
    );
}

#[test]
fn a_function_that_is_held_as_a_pointer() {
    let mut program = Program::start();
    assert_eq!(program.ask("pointer"), "7");
    program.edit(CODE, "    7\n", "    8\n");
    assert_eq!(program.ask("pointer"), "8");
    assert_eq!(program.ask("same pointer"), "true");
    // New code that takes it.
    let report = program.edit(
        CODE,
        "(self.pointer as usize == pointed",
        "(pointed as fn() -> u32 == self.pointer && self.pointer as usize == pointed",
    );
    assert_eq!(redirected(&report), ["answer"]);
    assert_eq!(program.ask("same pointer"), "true");
    assert_eq!(program.end(), 0);
}

#[test]
fn a_recursive_function() {
    becomes_live(
        "recursive",
        "5",
        (CODE, "1 + recursive", "3 + recursive"),
        "15",
    );
}

#[test]
fn an_inline_function() {
    becomes_live("inlined", "2", (CODE, "    2\n", "    22\n"), "22");
}

#[test]
fn a_function_that_is_always_inlined() {
    becomes_live("always inlined", "3", (CODE, "    3\n", "    33\n"), "33");
}

#[test]
fn an_inline_function_of_a_library() {
    becomes_live("library inlined", "1", (WORDS, "    1\n", "    11\n"), "11");
}

#[test]
fn what_a_macro_has_generated() {
    becomes_live("generated", "21", (CODE, "$value + 1", "$value + 5"), "25");
}

#[test]
fn a_future_that_is_suspended() {
    let mut program = Program::start();
    assert_eq!(program.ask("poll"), "Pending");
    program.edit("app/src/later.rs", "base + 1", "base + 2");
    assert_eq!(program.ask("open"), "opened");
    assert_eq!(program.ask("poll"), "Ready(42)");
    assert_eq!(program.ask("fresh"), "Ready(42)");
    assert_eq!(program.end(), 0);
}

#[test]
fn a_module_in_a_new_file() {
    let mut program = Program::start();
    program.workspace.write(
        "app/src/extra.rs",
        "pub fn extra() -> &'static str {\n    \"extra\"\n}\n",
    );
    let text = program.workspace.replaced(
        CODE,
        "    String::new()\n",
        "    crate::extra::extra().to_owned()\n",
    );
    program.workspace.write(CODE, &text);
    // Without the declaration this does not compile.
    assert!(program.message().contains("does not compile"));
    program.edit("app/src/main.rs", "mod code;\n", "mod code;\nmod extra;\n");
    assert_eq!(program.ask("added"), "extra");
    program.edit("app/src/extra.rs", "\"extra\"", "\"more\"");
    assert_eq!(program.ask("added"), "more");
    assert_eq!(program.end(), 0);
}

#[test]
fn a_file_that_an_editor_replaces_by_renaming() {
    let mut program = Program::start();
    let text = program
        .workspace
        .replaced(CODE, "    n + 1\n", "    n + 5\n");
    program.workspace.write("app/src/.code.rs.swp", &text);
    let root = program.workspace.root().to_owned();
    std::fs::rename(root.join("app/src/.code.rs.swp"), root.join(CODE)).unwrap();
    program.report();
    assert_eq!(program.ask("private"), "6");
    assert_eq!(program.end(), 0);
}

#[test]
fn panics_and_backtraces_of_patched_functions_name_the_new_lines() {
    let mut program = Program::start();
    assert_eq!(program.ask("panic"), "true app/src/code.rs:109:5");
    assert_eq!(program.ask("backtrace"), "at ./app/src/code.rs:178:17");
    program.edit(
        CODE,
        "fn failing(n: u32) -> u32 {\n",
        "fn failing(n: u32) -> u32 {\n    let n = n + 0;\n",
    );
    assert_eq!(program.ask("panic"), "true app/src/code.rs:110:5");
    // Nothing is different when the file itself is built.
    assert_eq!(redirected(&program.settled()), [""; 0]);
    assert_eq!(program.ask("panic"), "true app/src/code.rs:110:5");
    let report = program.edit(
        CODE,
        "    let lines: Vec<&str> = trace.lines().collect();\n",
        "    let lines: Vec<&str> = trace.lines().map(|line| line).collect();\n",
    );
    assert_eq!(redirected(&report), ["traced"]);
    assert_eq!(program.ask("backtrace"), "at ./app/src/code.rs:179:17");
    assert_eq!(
        report["overwritten"].as_array().unwrap().len(),
        0,
        "{report:#}"
    );
    assert_eq!(program.end(), 0);
}

#[test]
fn a_new_line_moves_functions_and_changes_none() {
    let mut program = Program::start();
    let report = program.edit(CODE, "fn private(n", "\n\nfn private(n");
    assert_eq!(redirected(&report), [""; 0], "{report:#}");
    assert!(
        report["moved"]
            .as_array()
            .is_some_and(|moved| !moved.is_empty()),
        "{report:#}"
    );
    assert_eq!(program.ask("panic"), "true app/src/code.rs:111:5");
    assert_eq!(program.end(), 0);
}

/// A function has an old and a new version, for this reason.
fn versioned(report: &serde_json::Value, what: &str, why: &str) {
    let versioned = report["versioned"].as_array().unwrap();
    let is_it = |one: &&serde_json::Value| one["what"] == what;
    let one = versioned.iter().find(is_it);
    let said = one.unwrap_or_else(|| panic!("{report:#}"))["why"].as_str();
    assert!(said.unwrap().contains(why), "{report:#}");
}

#[test]
fn another_signature_for_new_callers() {
    let mut program = Program::start();
    let text = program.workspace.replaced(
        CODE,
        "fn private(n: u32) -> u32 {",
        "fn private(n: u64, m: u64) -> u64 {",
    );
    let text = text
        .replace("    n + 1\n", "    n * m\n")
        .replace("private(1).to_string()", "private(6, 7).to_string()");
    program.workspace.write(CODE, &text);
    let report = program.report();
    assert_eq!(program.ask("private"), "42", "{report:#}");
    versioned(
        &report,
        "app::code::private",
        "it takes 2 parameters, and took 1",
    );
    assert_eq!(program.end(), 0);
}

#[test]
fn other_captures_for_new_closures() {
    let mut program = Program::start();
    let text = program
        .workspace
        .replaced(CODE, "let offset = 1000;", "let offset = 1000_u64;");
    let text = text.replace("move |n| n + offset", "move |n| n + offset as u32 + 1");
    program.workspace.write(CODE, &text);
    let report = program.report();
    // It was made before and has what it was made with.
    assert_eq!(program.ask("closure"), "1001", "{report:#}");
    versioned(
        &report,
        "app::code::State::new::{{closure}}",
        "captures changed",
    );
    assert_eq!(program.end(), 0);
}

#[test]
fn another_suspend_point_for_new_futures() {
    let mut program = Program::start();
    assert_eq!(program.ask("poll"), "Pending");
    let report = program.edit(
        "app/src/later.rs",
        "    until(open).await;\n    base + 1",
        "    let more = vec![1, 2, 3];\n    until(open.clone()).await;\n    until(open).await;\n    base + more.len() as u32",
    );
    program.ask("open");
    assert_eq!(program.ask("poll"), "Ready(41)", "{report:#}");
    assert_eq!(program.ask("fresh"), "Ready(43)", "{report:#}");
    versioned(
        &report,
        "app::later::work::{{closure}}",
        "is suspended changed",
    );
    assert_eq!(program.end(), 0);
}

#[test]
fn an_impl_that_is_added_above_does_not_cut_off_old_objects() {
    let mut program = Program::start();
    // rustc numbers impls, and the numbers are in the symbols of those below.
    program.edit(
        CODE,
        "impl Shape for Square {\n",
        "impl Guest {\n    #[allow(dead_code)]\n    fn nobody(&self) {}\n}\n\nimpl Shape for Square {\n",
    );
    assert_eq!(program.ask("dyn"), "9");
    assert_eq!(program.ask("default"), "area 9");
    program.edit(CODE, "self.0 * self.0", "self.0 * 100");
    assert_eq!(program.ask("dyn"), "300");
    assert_eq!(program.ask("default"), "area 300");
    program.edit(CODE, "\"guest\".to_owned()", "\"visitor\".to_owned()");
    assert_eq!(program.ask("far default"), "hello visitor");
    assert_eq!(program.end(), 0);
}

#[test]
fn closures_that_change_places_are_made_anew_by_a_function_that_is_the_same() {
    let mut program = Program::start();
    assert_eq!(program.ask("made"), "11 20");
    let text = program.workspace.replaced(CODE, "|n| n + 1)", "|n| n * 7)");
    let text = text.replace("|n| n * 2)", "|n| n + 1)");
    program.workspace.write(CODE, &text);
    let report = program.report();
    assert_eq!(program.ask("made"), "70 11", "{report:#}");
    // Those that were made before are what they were.
    assert_eq!(program.ask("old made"), "11 20", "{report:#}");
    assert_eq!(program.end(), 0);
}

#[test]
fn a_table_of_another_size() {
    let mut program = Program::start();
    assert_eq!(program.ask("table"), "[1, 2, 3]");
    let report = program.edit(
        CODE,
        "TABLE: [u32; 3] = [1, 2, 3]",
        "TABLE: [u32; 5] = [1, 2, 3, 4, 5]",
    );
    assert_eq!(program.ask("table"), "[1, 2, 3, 4, 5]", "{report:#}");
    program.edit(CODE, "[1, 2, 3, 4, 5]", "[1, 2, 3, 4, 50]");
    assert_eq!(program.ask("table"), "[1, 2, 3, 4, 50]");
    assert_eq!(program.end(), 0);
}

#[test]
fn a_function_that_is_removed_stays_for_who_has_it() {
    let mut program = Program::start();
    assert_eq!(program.ask("pointer"), "7");
    let text = program
        .workspace
        .replaced(CODE, "fn pointed() -> u32 {\n    7\n}\n", "");
    let text = text.replace("pointer: pointed", "pointer: constant");
    let text = text.replace("pointed as fn()", "constant as fn()");
    program.workspace.write(CODE, &text);
    let report = program.report();
    assert_eq!(report["removed"], serde_json::json!(["app::code::pointed"]));
    assert_eq!(program.ask("pointer"), "7");
    assert_eq!(program.ask("same pointer"), "false");
    assert_eq!(program.end(), 0);
}
