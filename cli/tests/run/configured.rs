//! Edits of what cargo reads and rustc does not: manifests, build scripts, what they read,
//! procedural macros. All of them under one running program.

use crate::program::{Program, redirected};
use crate::workspace::Workspace;

const CODE: &str = "app/src/code.rs";
const MANIFEST: &str = "app/Cargo.toml";
const SCRIPT: &str = "fn main() {
    let word = std::fs::read_to_string(\"word.txt\").unwrap();
    println!(\"cargo::rerun-if-changed=build.rs\");
    println!(\"cargo::rerun-if-changed=word.txt\");
    println!(\"cargo::rustc-env=WORD=a {}\", word.trim());
}
";
const MACRO: &str = "use proc_macro::TokenStream;

#[proc_macro]
pub fn number(_: TokenStream) -> TokenStream {
    \"10 + 1\".parse().unwrap()
}
";

/// The fixture with a build script and a procedural macro.
fn workspace() -> Workspace {
    let workspace = Workspace::fresh();
    std::fs::create_dir_all(workspace.root().join("numbers/src")).unwrap();
    let members = workspace.replaced("Cargo.toml", "\"words\"]", "\"words\", \"numbers\"]");
    workspace.write("Cargo.toml", &members);
    let manifest = workspace.read(MANIFEST);
    workspace.write(
        MANIFEST,
        &format!("{manifest}numbers = {{ path = \"../numbers\" }}\n"),
    );
    workspace.write(
        "numbers/Cargo.toml",
        "[package]\nname = \"numbers\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n\
         [lib]\nproc-macro = true\n",
    );
    workspace.write("numbers/src/lib.rs", MACRO);
    workspace.write("app/build.rs", SCRIPT);
    workspace.write("app/word.txt", "word\n");
    let added = "    let number: u32 = numbers::number!();\n    \
                 format!(\"{} {number} {}\", env!(\"WORD\"), cfg!(feature = \"loud\"))\n";
    let code = workspace.replaced(CODE, "    String::new()\n", added);
    workspace.write(CODE, &code);
    workspace
}

#[test]
fn what_cargo_reads_is_edited_and_cargo_builds() {
    let mut program = Program::with(workspace(), &[]);
    program.wait_until_watched();
    assert_eq!(program.ask("added"), "a word 11 false");
    assert_eq!(program.ask("bump"), "1 1 1 1 at 1");

    let report = program.edit("app/build.rs", "WORD=a {}", "WORD=the {}");
    assert_eq!(program.ask("added"), "the word 11 false", "{report:#}");
    assert_eq!(redirected(&report), ["added"]);
    program.workspace.write("app/word.txt", "text\n");
    let report = program.report();
    assert_eq!(program.ask("added"), "the text 11 false", "{report:#}");
    let report = program.edit("numbers/src/lib.rs", "10 + 1", "10 + 2");
    assert_eq!(program.ask("added"), "the text 12 false", "{report:#}");
    // Which is not built by cargo.
    let report = program.edit(CODE, "{} {number} {}", "{}, {number}, {}");
    assert_eq!(program.ask("added"), "the text, 12, false", "{report:#}");
    let of_rustc = serde_json::json!(["app"]);
    assert_eq!(report["built"], of_rustc, "{report:#}");
    // A manifest that changes nothing of the program.
    let report = program.edit(MANIFEST, "[package]\n", "[package]\ndescription = \"d\"\n");
    assert_eq!(report["refused"], serde_json::json!([]), "{report:#}");

    let text = program.workspace.read("app/build.rs");
    program
        .workspace
        .write("app/build.rs", "fn main() { fail }");
    program.said("does not compile");
    assert_eq!(program.ask("added"), "the text, 12, false");
    program.workspace.write("app/build.rs", &text);
    let report = program.report();
    assert_eq!(redirected(&report), [""; 0], "{report:#}");

    // A file that cargo reads and one that rustc does, at once.
    let code = program
        .workspace
        .replaced(CODE, "    n + 1\n", "    n + 5\n");
    program.workspace.write("app/word.txt", "end\n");
    program.workspace.write(CODE, &code);
    let mut live = redirected(&program.report());
    if live.len() == 1 {
        live.extend(redirected(&program.report()));
    }
    live.sort();
    assert_eq!(live, ["added", "private"]);
    assert_eq!(program.ask("added"), "the end, 12, false");
    assert_eq!(program.ask("private"), "6");
    // All that was kept.
    assert_eq!(program.ask("bump"), "2 2 2 2 at 1");
    assert_eq!(program.end(), 0);
}

/// The same, and in reach of cargo is a library that the program does not use.
fn with_extra() -> Workspace {
    let workspace = workspace();
    let root = workspace.root();
    std::fs::create_dir_all(root.join(".cargo")).unwrap();
    workspace.write(
        ".cargo/config.toml",
        "[source.crates-io]\nreplace-with = \"vendored\"\n[source.vendored]\n\
         directory = \"vendor\"\n",
    );
    let all = [
        ("extra", "1.0.0"),
        ("extra", "2.0.0"),
        ("early", "1.0.0"),
        ("native", "1.0.0"),
        ("native", "2.0.0"),
        ("counting", "1.0.0"),
    ];
    for (name, version) in all {
        let folder = match version {
            "1.0.0" => name.to_owned(),
            _ => format!("{name}-{version}"),
        };
        std::fs::create_dir_all(root.join("vendor").join(&folder).join("src")).unwrap();
        workspace.write(
            &format!("vendor/{folder}/Cargo.toml"),
            &format!(
                "[package]\nname = \"{name}\"\nversion = \"{version}\"\nedition = \"2024\"\n\
                 [features]\nmore = []\n"
            ),
        );
        let checksum = format!("vendor/{folder}/.cargo-checksum.json");
        workspace.write(&checksum, "{\"files\":{}}");
    }
    let extra = "use std::sync::atomic::{AtomicU32, Ordering};\n\
         static SUM: AtomicU32 = AtomicU32::new(0);\n\
         pub fn sum(n: u32) -> u32 {\n    SUM.fetch_add(n, Ordering::Relaxed) + n\n}\n\
         pub fn listed<T: std::fmt::Debug>(all: &[T]) -> String {\n    \
         all.iter().map(|one| format!(\"<{one:?}>\")).collect()\n}\n";
    for folder in ["extra", "extra-2.0.0"] {
        workspace.write(&format!("vendor/{folder}/src/lib.rs"), extra);
    }
    // As C code would have it.
    for (folder, n) in [("native", 1), ("native-2.0.0", 2)] {
        workspace.write(
            &format!("vendor/{folder}/src/lib.rs"),
            &format!(
                "#[unsafe(no_mangle)]\npub extern \"C\" fn native_number() -> u32 {{\n    {n}\n}}\n"
            ),
        );
    }
    workspace.write(
        "vendor/counting/src/lib.rs",
        "use std::alloc::{GlobalAlloc, Layout, System};\n\
         struct Counting;\n\
         #[global_allocator]\nstatic COUNTING: Counting = Counting;\n\
         unsafe impl GlobalAlloc for Counting {\n    \
         unsafe fn alloc(&self, layout: Layout) -> *mut u8 {\n        \
         unsafe { System.alloc(layout) }\n    }\n    \
         unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {\n        \
         unsafe { System.dealloc(at, layout) }\n    }\n}\n",
    );
    workspace.write(
        "vendor/early/src/lib.rs",
        "extern \"C\" fn first() {}\n\
         #[used]\n#[unsafe(link_section = \".init_array\")]\n\
         static FIRST: extern \"C\" fn() = first;\npub fn early() -> u32 {\n    7\n}\n",
    );
    workspace
}

#[test]
fn features_versions_and_dependencies_of_manifests_are_live_and_all_is_kept() {
    let mut program = Program::with(with_extra(), &[]);
    program.wait_until_watched();
    let refused_nothing = serde_json::json!([]);
    assert_eq!(program.ask("bump"), "1 1 1 1 at 1");
    let manifest = program.workspace.read(MANIFEST);

    // A feature of the program.
    let with_feature = format!("{manifest}\n[features]\ndefault = [\"loud\"]\nloud = []\n");
    program.workspace.write(MANIFEST, &with_feature);
    let report = program.report();
    assert_eq!(redirected(&report), ["added"], "{report:#}");
    assert_eq!(program.ask("added"), "a word 11 true");
    // What is edited next, rustc builds, with the feature.
    let report = program.edit(CODE, "{} {number} {}", "{}, {number}, {}");
    assert_eq!(report["built"], serde_json::json!(["app"]), "{report:#}");
    assert_eq!(program.ask("added"), "a word, 11, true");

    // A feature of a library, by which it has a function more.
    let words = "words/src/lib.rs";
    let text = program.workspace.read(words);
    let text = text.replace("{word}!", "{word}{}").replace(
        "word}{}\")",
        "word}{}\", if cfg!(feature = \"much\") { much() } else { \"?\" })",
    ) + "#[cfg(feature = \"much\")]\nfn much() -> &'static str {\n    \"!!!\"\n}\n\
         #[cfg(not(feature = \"much\"))]\nfn much() -> &'static str {\n    \"\"\n}\n";
    program.workspace.write(words, &text);
    program.report();
    assert_eq!(program.ask("library"), "hey?");
    let of_words = program.workspace.read("words/Cargo.toml");
    let much = format!("{of_words}[features]\ndefault = [\"much\"]\nmuch = []\n");
    program.workspace.write("words/Cargo.toml", &much);
    let report = program.report();
    assert_eq!(report["refused"], refused_nothing, "{report:#}");
    assert_eq!(program.ask("library"), "hey!!!");
    program.workspace.write("words/Cargo.toml", &of_words);
    let report = program.report();
    assert_eq!(report["refused"], refused_nothing, "{report:#}");
    assert_eq!(program.ask("library"), "hey?");

    // A version, which code may ask for.
    program.edit(
        CODE,
        "cfg!(feature = \"loud\")",
        "env!(\"CARGO_PKG_VERSION\")",
    );
    assert_eq!(program.ask("added"), "a word, 11, 0.1.0");
    let newer = with_feature.replace("0.1.0", "0.2.0");
    program.workspace.write(MANIFEST, &newer);
    let report = program.report();
    assert_eq!(redirected(&report), ["added"], "{report:#}");
    assert_eq!(program.ask("added"), "a word, 11, 0.2.0");

    // A dependency that the program did not have, with a static and a generic function.
    let depends = |on: &str| newer.replace("[dependencies]\n", &format!("[dependencies]\n{on}\n"));
    program.workspace.write(MANIFEST, &depends("extra = \"1\""));
    let report = program.report();
    assert_eq!(report["refused"], refused_nothing, "{report:#}");
    // Nothing of it runs yet: it may have other features.
    let more = depends("extra = { version = \"1\", features = [\"more\"] }");
    program.workspace.write(MANIFEST, &more);
    let report = program.report();
    assert_eq!(report["refused"], refused_nothing, "{report:#}");
    let used = "extra::listed(&[extra::sum(2), extra::sum(3)])";
    let report = program.edit(CODE, "env!(\"CARGO_PKG_VERSION\")", used);
    assert_eq!(redirected(&report), ["added"], "{report:#}");
    assert_eq!(program.ask("added"), "a word, 11, <2><5>");
    program.edit(CODE, "extra::sum(2), ", "");
    assert_eq!(program.ask("added"), "a word, 11, <8>");
    assert_eq!(program.ask("bump"), "2 2 2 2 at 1");

    // The executable that is linked meanwhile has all of it, too.
    program.linked();
    let program = program.again();
    assert_eq!(ask(program, "added"), "a word, 11, <3>");
}

fn ask(mut program: Program, question: &str) -> String {
    let answer = program.ask(question);
    assert_eq!(program.end(), 0);
    answer
}

#[test]
fn another_version_of_what_runs_is_refused_until_it_is_taken_back() {
    let mut program = Program::with(with_extra(), &[]);
    program.wait_until_watched();
    let old = program.workspace.read(MANIFEST);
    let manifest = old.replace("[dependencies]\n", "[dependencies]\nextra = \"1\"\n");
    program.workspace.write(MANIFEST, &manifest);
    program.report();
    program.edit(CODE, "    n + 1\n", "    n + extra::sum(1)\n");
    assert_eq!(program.ask("private"), "2");
    assert_eq!(program.ask("private"), "3");
    let refusals = [
        (
            manifest.replace("\"1\"", "{ version = \"1\", features = [\"more\"] }"),
            "dependency extra has another version or other features",
        ),
        (format!("{manifest}early = \"1\"\n"), "libearly-"),
        (
            format!("{manifest}counting = \"1\"\n"),
            "has a `#[global_allocator]`",
        ),
        (
            manifest.replace("name = \"app\"", "name = \"other\""),
            "crate `app` is not part of the program any more",
        ),
    ];
    for (text, words) in refusals {
        program.workspace.write(MANIFEST, &text);
        let report = program.report();
        assert!(report["refused"].to_string().contains(words), "{report:#}");
        // The file says what does not run, whatever else is edited.
        let report = program.edit(CODE, "extra::sum(1)", "extra::sum(2)");
        assert!(report["refused"].to_string().contains(words), "{report:#}");
        let before: u32 = program.ask("private").parse().unwrap();
        assert_eq!(program.ask("private"), (before + 1).to_string());
        program.workspace.write(MANIFEST, &manifest);
        assert_eq!(redirected(&program.report()), ["private"]);
        assert_eq!(program.ask("private"), (before + 3).to_string());
        // And what rustc builds is live again without cargo.
        program.edit(CODE, "extra::sum(2)", "extra::sum(1)");
        assert_eq!(program.ask("private"), (before + 4).to_string());
    }
    let without = manifest.replace("far = { path = \"../far\" }\n", "");
    program.workspace.write(MANIFEST, &without);
    // The code uses it.
    program.said("does not compile");
    program.workspace.write(MANIFEST, &manifest);
    assert_eq!(redirected(&program.report()), [""; 0]);
    assert_eq!(program.end(), 0);
}

#[test]
fn a_feature_by_which_a_type_is_passed_in_another_way_is_refused() {
    let mut program = Program::start();
    program.edit(
        CODE,
        "fn private(",
        "#[cfg_attr(feature = \"c\", repr(C))]\n#[allow(dead_code)]\nstruct Pair(u32, u32);\n\n\
         fn private(",
    );
    let manifest = program.workspace.read(MANIFEST);
    let with_feature = format!("{manifest}[features]\ndefault = [\"c\"]\nc = []\n");
    program.workspace.write(MANIFEST, &with_feature);
    for _ in 0..2 {
        let report = program.report();
        let refused = report["refused"].to_string();
        assert!(refused.contains("`Pair` of "), "{report:#}");
        let text = program.workspace.read(CODE);
        program.workspace.write(CODE, &format!("{text}// more\n"));
    }
    program.report();
    program.workspace.write(MANIFEST, &manifest);
    let report = program.report();
    assert_eq!(report["refused"], serde_json::json!([]), "{report:#}");
    program.edit(CODE, "    n + 1\n", "    n + 3\n");
    assert_eq!(program.ask("private"), "4");
    assert_eq!(program.end(), 0);
}

/// What has no identity in its name is found by its name alone.
#[test]
fn a_dependency_of_which_functions_of_c_run_comes_again_in_its_version_only() {
    let mut program = Program::with(with_extra(), &[]);
    program.wait_until_watched();
    let manifest = program.workspace.read(MANIFEST);
    let code = program.workspace.read(CODE);
    let calls = |name: &str| code.replace("    n + 1\n", &format!("    n + {name}()\n"));
    let depends =
        |on: &str| manifest.replace("[dependencies]\n", &format!("[dependencies]\n{on}\n"));
    let of_first = depends("native = \"1\"");
    program.workspace.write(MANIFEST, &of_first);
    program.report();
    program
        .workspace
        .write(CODE, &calls("native::native_number"));
    program.report();
    assert_eq!(program.ask("private"), "2");

    // Another name for it makes no other crate of it.
    program.workspace.write(CODE, &code);
    program.report();
    let second = depends("other = { package = \"native\", version = \"2\" }");
    for (text, is_refused) in [(&second, true), (&of_first, false), (&second, true)] {
        program.workspace.write(MANIFEST, text);
        let refused = program.report()["refused"].to_string();
        assert_eq!(refused != "[]", is_refused, "{refused}");
    }
    // Nor is it one if nothing calls it any more.
    program.workspace.write(MANIFEST, &manifest);
    assert_eq!(program.report()["refused"], serde_json::json!([]));
    program
        .workspace
        .write(CODE, &code.replace("    n + 1\n", "    n + 5\n"));
    program.report();
    assert_eq!(program.ask("private"), "6");
    program.workspace.write(MANIFEST, &second);
    let refused = program.report()["refused"].to_string();
    assert!(
        refused.contains("has a `native_number`, and so has libnative-"),
        "{refused}"
    );
    program.workspace.write(MANIFEST, &of_first);
    program.report();
    program
        .workspace
        .write(CODE, &calls("native::native_number"));
    program.report();
    assert_eq!(program.ask("private"), "2");
    assert_eq!(program.end(), 0);
}

#[test]
fn crates_of_the_program_that_use_another_one_from_now_on_are_built_after_it() {
    let far = "far/src/lib.rs";
    let mut program = Program::start();
    let manifest = program.workspace.read("far/Cargo.toml");
    let uses = "[dependencies]\nwords = { path = \"../words\" }\n\n# Not";
    let manifest = manifest.replace("# Not", uses);
    program.workspace.write("far/Cargo.toml", &manifest);
    let report = program.report();
    assert_eq!(report["refused"], serde_json::json!([]), "{report:#}");
    // An instance of a generic function, which is compiled in `far`, and one of a body.
    program.edit(far, "    100\n", "    words::framed(7).len() as u32\n");
    program.edit(CODE, "    n + 1\n", "    n + far::distance()\n");
    assert_eq!(program.ask("private"), "4");
    let report = program.edit("words/src/lib.rs", "[{value}]", "[{value} ]");
    assert_eq!(
        report["built"],
        serde_json::json!(["words", "far", "app"]),
        "{report:#}"
    );
    assert_eq!(program.ask("private"), "5");
    program.edit(
        "words/src/lib.rs",
        "pub fn visits()",
        "pub fn new() -> u32 {\n    40\n}\n\npub fn visits()",
    );
    program.edit(far, "words::framed(7).len() as u32", "words::new()");
    assert_eq!(program.ask("private"), "41");
    assert_eq!(program.end(), 0);
}

/// `src/lib.rs` and `src/main.rs` of one package are crates of one name.
#[test]
fn a_library_of_the_name_of_its_program_is_edited_and_configured() {
    let workspace = Workspace::fresh();
    workspace.write(
        "app/src/lib.rs",
        "pub fn loud() -> u32 {\n    if cfg!(feature = \"loud\") { 20 } else { 10 }\n}\n",
    );
    let code = workspace.replaced(CODE, "    n + 1\n", "    n + app::loud()\n");
    workspace.write(CODE, &code);
    let mut program = Program::with(workspace, &[]);
    program.wait_until_watched();
    assert_eq!(program.ask("private"), "11");
    let report = program.edit("app/src/lib.rs", "{ 10 }", "{ 11 }");
    assert_eq!(redirected(&report), ["loud"], "{report:#}");
    assert_eq!(program.ask("private"), "12");
    let manifest = program.workspace.read(MANIFEST);
    let with_feature = format!("{manifest}[features]\ndefault = [\"loud\"]\nloud = []\n");
    program.workspace.write(MANIFEST, &with_feature);
    let report = program.report();
    assert_eq!(redirected(&report), ["loud"], "{report:#}");
    assert_eq!(program.ask("private"), "21");
    program.workspace.write(MANIFEST, &manifest);
    let report = program.report();
    assert_eq!(redirected(&report), ["loud"], "{report:#}");
    assert_eq!(program.ask("private"), "12");
    let report = program.edit(CODE, "n + app::loud()", "n + app::loud() + 1");
    assert_eq!(redirected(&report), ["private"], "{report:#}");
    assert_eq!(program.ask("private"), "13");
    assert_eq!(program.end(), 0);
}
