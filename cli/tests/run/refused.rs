//! What is refused, and that the old code keeps running.

use crate::program::{Program, redirected};
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

/// An edit of which nothing is applied, and what its reason says.
fn refused(edit: (&str, &str, &str), words: &[&str]) {
    let mut program = Program::start();
    let report = program.edit(edit.0, edit.1, edit.2);
    let reasons = report["refused"].to_string();
    for word in words {
        assert!(reasons.contains(word), "{word:?} in {report:#}");
    }
    assert_eq!(program.ask("private"), "2");
    assert_eq!(program.end(), 0);
}

#[test]
fn another_layout_of_a_type_that_lives() {
    let mut program = Program::start();
    let text = program
        .workspace
        .replaced(CODE, "struct Square(u32);", "struct Square(u64);");
    let text = text.replace("self.0 * self.0", "(self.0 * self.0) as u32");
    program.workspace.write(CODE, &text);
    let report = program.report();
    let reason = report["refused"].to_string();
    for word in [
        "app::code::Square",
        "`u32`, 4 bytes at 0",
        "`u64`, 8 bytes at 0",
    ] {
        assert!(reason.contains(word), "{word}: {report:#}");
    }
    assert_eq!(program.ask("dyn"), "9");
    // What runs is still compared with the sources.
    let text = text
        .replace("Square(u64)", "Square(u32)")
        .replace("(self.0 * self.0) as u32", "self.0 * 5");
    program.workspace.write(CODE, &text);
    program.report();
    assert_eq!(program.ask("dyn"), "15");
    assert_eq!(program.end(), 0);
}

#[test]
fn another_type_of_a_static() {
    let edit = (
        "app/src/keep.rs",
        "static mut RAW: u32",
        "static mut RAW: u64",
    );
    refused(edit, &["keep::RAW", "`u64`", "`u32`"]);
}

#[test]
fn another_way_to_call_a_function_until_it_is_taken_back() {
    let mut program = Program::start();
    let tracked = "#[track_caller]\nfn private(n: u32) -> u32 {\n    n + 1\n";
    let plain = "fn private(n: u32) -> u32 {\n    n + 1\n";
    let report = program.edit(CODE, plain, tracked);
    let reasons = report["refused"].to_string();
    assert!(
        reasons.contains("function `private` of ") && reasons.contains("is `#[track_caller]` now"),
        "{report:#}"
    );
    assert_eq!(program.ask("private"), "2");
    // Another edit does not bring it in.
    let report = program.edit(CODE, "\"first\"", "\"second\"");
    assert!(
        report["refused"].to_string().contains("private"),
        "{report:#}"
    );
    assert_eq!(program.ask("literal"), "first");
    let back = "fn private(n: u32) -> u32 {\n    n + 2\n";
    let report = program.edit(CODE, tracked, back);
    assert_eq!(report["refused"].to_string(), "[]", "{report:#}");
    assert_eq!(program.ask("private"), "3");
    assert_eq!(program.ask("literal"), "second");
    // So it is with one that an edit has brought.
    let plain = "fn added() -> String {\n    String::new()\n";
    let tracked = "#[track_caller]\nfn newer() -> String {\n    \"new\".to_owned()\n}\n\n\
                   fn added() -> String {\n    newer()\n";
    let report = program.edit(CODE, plain, tracked);
    assert_eq!(report["refused"].to_string(), "[]", "{report:#}");
    let report = program.edit(CODE, "#[track_caller]\nfn newer", "fn newer");
    let reasons = report["refused"].to_string();
    assert!(
        reasons.contains("function `newer` of ")
            && reasons.contains("is not `#[track_caller]` any more"),
        "{report:#}"
    );
    assert_eq!(program.ask("added"), "new");
    assert_eq!(program.end(), 0);
}

#[test]
fn another_order_of_the_methods_of_a_trait() {
    let edit = (
        CODE,
        "    fn area(&self) -> u32;\n",
        "    fn first(&self) -> u32 {\n        self.area()\n    }\n\n    fn area(&self) -> u32;\n",
    );
    refused(edit, &["Shape"]);
}

#[test]
fn methods_of_a_trait_that_change_places() {
    let mut program = Program::start();
    let area = "    fn area(&self) -> u32;\n\n";
    let text = program.workspace.replaced(CODE, area, "");
    let describe = "        format!(\"area {}\", self.area())\n    }\n";
    let text = text.replace(
        describe,
        &format!("{describe}\n{}", area.trim_end_matches('\n')),
    );
    program.workspace.write(CODE, &text);
    let report = program.report();
    let reason = report["refused"].to_string();
    assert!(
        reason.contains("slot 0") && reason.contains("Shape"),
        "{report:#}"
    );
    assert_eq!(program.ask("default"), "area 9");
    assert_eq!(program.end(), 0);
}

/// Memory that one has given must not be given back to another.
#[test]
fn another_global_allocator() {
    let allocator = "struct Counting;\n\
         struct Other;\n\
         static SEEN: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(false);\n\
         unsafe impl std::alloc::GlobalAlloc for Counting {\n    \
         unsafe fn alloc(&self, layout: std::alloc::Layout) -> *mut u8 {\n        \
         unsafe { std::alloc::System.alloc(layout) }\n    }\n    \
         unsafe fn dealloc(&self, at: *mut u8, layout: std::alloc::Layout) {\n        \
         unsafe { std::alloc::System.dealloc(at, layout) }\n    }\n}\n\
         unsafe impl std::alloc::GlobalAlloc for Other {\n    \
         unsafe fn alloc(&self, layout: std::alloc::Layout) -> *mut u8 {\n        \
         unsafe { std::alloc::System.alloc_zeroed(layout) }\n    }\n    \
         unsafe fn dealloc(&self, at: *mut u8, layout: std::alloc::Layout) {\n        \
         unsafe { std::alloc::System.dealloc(at, layout) }\n    }\n}\n";
    let attribute = "#[global_allocator]\nstatic GLOBAL: Counting = Counting;\n";
    let program = Program::start();
    let plain = program.workspace.read(CODE) + "use std::alloc::GlobalAlloc as _;\n";
    let plain = plain.replace(
        "    String::new()\n}\n",
        "    SEEN.load(std::sync::atomic::Ordering::Relaxed).to_string()\n}\n",
    ) + allocator;
    let seen = "        SEEN.store(true, std::sync::atomic::Ordering::Relaxed);\n";
    let with = plain.clone() + attribute;
    let write = |program: &Program, text: &str| {
        program.workspace.write(CODE, text);
        program.report()
    };
    let refused = |program: &mut Program, text: &str, words: &str| {
        let report = write(program, text);
        let why = report["refused"].to_string();
        let words = format!("`#[global_allocator]` {words}: ");
        assert!(why.contains(&words), "{words}: {report:#}");
    };
    let mut program = program;
    refused(&mut program, &with, "comes");
    assert_eq!(program.ask("added"), "");
    let report = write(&program, &plain);
    assert_eq!(program.ask("added"), "false", "{report:#}");
    program.workspace.write(CODE, &with);
    program.report();
    let mut program = program.again();

    assert_eq!(program.ask("added"), "false");
    refused(&mut program, &plain, "goes");
    let second = attribute.replace("GLOBAL: Counting = Counting", "SECOND: Other = Other");
    let other = with.replace("#[global_allocator]\n", "") + &second;
    refused(&mut program, &other, "is another one now");
    // What is behind it is code like any other.
    let first = "        unsafe { std::alloc::System.alloc(layout) }\n";
    let report = write(&program, &with.replace(first, &(seen.to_owned() + first)));
    assert_eq!(redirected(&report), ["alloc"], "{report:#}");
    assert_eq!(program.ask("added"), "true");
    assert_eq!(program.end(), 0);
}

/// Those that begin as zero have a reserve, which is not that of others.
#[test]
fn more_new_thread_locals_than_there_is_room_for() {
    let mut program = Program::start();
    let local = |name: &str, len: u32| {
        format!(
            "    thread_local! {{ static {name}: std::cell::Cell<[u64; {len}]> = const {{ \
             std::cell::Cell::new([0; {len}]) }}; }}\n"
        )
    };
    let one = "    ONE.set([1; 100]);\n    ONE.get()[99].to_string()\n}\n";
    let before = "    String::new()\n}\n";
    program.edit(CODE, before, &(local("ONE", 100) + one));
    assert_eq!(program.ask("added"), "1");
    let text = program.workspace.read(CODE);
    let with_two = |len| {
        let two = format!(
            "    TWO.set([2; {len}]);\n    \
             format!(\"{{}} {{}}\", ONE.get()[99], TWO.get()[99])\n}}\n"
        );
        text.replace(
            "    ONE.get()[99].to_string()\n}\n",
            &(local("TWO", len) + &two),
        )
    };
    program.workspace.write(CODE, &with_two(600));
    program.said("for new thread-locals and");
    assert_eq!(program.ask("added"), "1");
    program.workspace.write(CODE, &with_two(100));
    let report = program.report();
    assert_eq!(program.ask("added"), "1 2", "{report:#}");
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
fn an_optimised_library_of_the_workspace() {
    let message = refusal("[profile.dev.package.words]\nopt-level = 1");
    for words in ["`words` cannot be reloaded", "set `opt-level = 0`"] {
        assert!(message.contains(words), "{message}");
    }
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

#[test]
fn a_wrapper_that_may_answer_from_a_cache() {
    let workspace = Workspace::fresh();
    let program = Program::with_variable(workspace, "RUSTC_WRAPPER", "sccache");
    let message = program.error();
    assert!(message.contains("unset RUSTC_WRAPPER"), "{message}");
    assert_eq!(program.end(), 1);
}

/// A compiler that says it is another one.
#[test]
fn a_compiler_that_was_not_tested() {
    use std::os::unix::fs::PermissionsExt as _;
    let workspace = Workspace::fresh();
    let rustc = std::env::var("MIDAIR_RUN_RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let script = format!(
        "#!/bin/sh\n\"{rustc}\" \"$@\" | sed 's/^release: 1[.][0-9]*/release: 1.42/; \
         s/^rustc 1[.][0-9]*/rustc 1.42/'\n"
    );
    let path = workspace.root().join("rustc-1.42");
    std::fs::write(&path, script).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    let text = path.to_str().unwrap().to_owned();
    let program = Program::with_variable(workspace, "RUSTC", &text);
    let message = program.error();
    for words in ["rustc 1.42", "not known to work", "--any-toolchain"] {
        assert!(message.contains(words), "{message}");
    }
    assert_eq!(program.end(), 1);
}
