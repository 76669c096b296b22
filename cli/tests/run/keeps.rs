//! What keeps its state.

use crate::program::{Program, redirected};

const KEEP: &str = "app/src/keep.rs";

#[test]
fn statics_of_all_kinds() {
    let mut program = Program::start();
    assert_eq!(program.ask("bump"), "1 1 1 1 at 1");
    assert_eq!(program.ask("bump"), "2 2 2 2 at 1");
    let report = program.edit(
        KEEP,
        "\"{count} {raw} {} {} {once}\"",
        "\"{count}, {raw}, {}, {}, {once}\"",
    );
    assert_eq!(redirected(&report), ["bump"]);
    assert_eq!(program.ask("bump"), "3, 3, 3, 3, at 1");
    // The function that has a static of its own.
    program.edit(
        KEEP,
        "LOCAL.fetch_add(1, Ordering::Relaxed) + 1",
        "LOCAL.fetch_add(1, Ordering::Relaxed) + 10",
    );
    assert_eq!(program.ask("bump"), "4, 4, 4, 13, at 1");
    assert_eq!(program.end(), 0);
}

#[test]
fn thread_locals_in_threads_that_run() {
    let mut program = Program::start();
    assert_eq!(program.ask("bump threads"), "6 2, 6 2, 6 2");
    assert_eq!(program.ask("bump one thread"), "7 3");
    program.edit(
        KEEP,
        "CONST.set(CONST.get() + 1)",
        "CONST.set(CONST.get() + 10)",
    );
    assert_eq!(program.ask("bump threads"), "16 3, 17 4, 16 3");
    // New ones, in threads that are older and in one that comes later.
    program.edit(
        KEEP,
        "    format!(\"{} {}\", CONST.get(), LAZY.with_borrow(Vec::len))\n",
        "    thread_local! {\n        \
         static FIRST: Cell<(u32, &'static str)> = const { Cell::new((70, \"seventy\")) };\n        \
         static LIST: RefCell<Vec<u32>> = const { RefCell::new(Vec::new()) };\n        \
         static LATE: Cell<usize> = Cell::new(LAZY.with_borrow(Vec::len));\n    }\n    \
         let (first, text) = FIRST.get();\n    \
         FIRST.set((first + 1, text));\n    \
         LIST.with_borrow_mut(|list| list.push(first));\n    \
         format!(\"{} {} {first} {text} {} {}\", CONST.get(), LAZY.with_borrow(Vec::len), LATE.get(), LIST.with_borrow(Vec::len))\n",
    );
    assert_eq!(program.ask("bump one thread"), "27 5 70 seventy 5 1");
    let all = "26 4 70 seventy 4 1, 37 6 71 seventy 5 2, 26 4 70 seventy 4 1";
    assert_eq!(program.ask("bump threads"), all);
    assert_eq!(program.ask("bump new thread"), "15 2 70 seventy 2 1");
    program.edit(KEEP, "FIRST.set((first + 1,", "FIRST.set((first + 5,");
    assert_eq!(program.ask("bump one thread"), "47 7 72 seventy 5 3");
    assert_eq!(program.ask("bump one thread"), "57 8 77 seventy 5 4");
    assert_eq!(program.end(), 0);
}

#[test]
fn a_static_of_an_edited_library() {
    let mut program = Program::start();
    assert_eq!(program.ask("bump library"), "1");
    program.edit(
        "words/src/lib.rs",
        "VISITS.fetch_add(1, Ordering::Relaxed) + 1",
        "VISITS.fetch_add(1, Ordering::Relaxed) + 101",
    );
    assert_eq!(program.ask("bump library"), "102");
    assert_eq!(program.end(), 0);
}

#[test]
fn heap_sockets_and_types() {
    let mut program = Program::start();
    assert_eq!(program.ask("heap"), "x");
    assert_eq!(program.ask("socket"), "ping");
    assert_eq!(program.ask("type"), "true");
    program.edit(KEEP, "\"x\".to_owned()", "\"yy\".to_owned()");
    assert_eq!(program.ask("heap"), "xyy");
    program.edit(KEEP, "b\"ping\"", "b\"pong\"");
    assert_eq!(program.ask("socket"), "pong");
    assert_eq!(program.ask("type"), "true");
    // New code that asks for it.
    let report = program.edit(
        KEEP,
        "format!(\"{:?}\", TypeId::of::<Own>())",
        "let id = TypeId::of::<Own>();\n    format!(\"{id:?}\")",
    );
    assert_eq!(redirected(&report), ["type_id"]);
    assert_eq!(program.ask("type"), "true");
    assert_eq!(program.end(), 0);
}

#[test]
fn a_static_keeps_its_value_if_its_first_value_is_edited() {
    let mut program = Program::start();
    assert_eq!(program.ask("bump"), "1 1 1 1 at 1");
    let report = program.edit(
        KEEP,
        "static COUNT: AtomicU32 = AtomicU32::new(0)",
        "static COUNT: AtomicU32 = AtomicU32::new(9)",
    );
    assert_eq!(report["kept"].as_array().unwrap().len(), 1, "{report:#}");
    assert_eq!(program.ask("bump"), "2 2 2 2 at 1");
    assert_eq!(program.end(), 0);
}
