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

#[test]
fn another_identity_of_a_crate_is_refused_until_it_is_taken_back() {
    let mut program = Program::with(workspace(), &[]);
    program.wait_until_watched();
    let manifest = program.workspace.read(MANIFEST);
    let with_feature = format!("{manifest}\n[features]\ndefault = [\"loud\"]\nloud = []\n");
    program.workspace.write(MANIFEST, &with_feature);
    let report = program.report();
    let refused = report["refused"].to_string();
    for words in ["`app` is another crate", "feature default, loud is new"] {
        assert!(refused.contains(words), "{words}: {report:#}");
    }
    // The file says what does not run, whatever else is edited.
    let report = program.edit(CODE, "    n + 1\n", "    n + 9\n");
    assert!(
        report["refused"].to_string().contains("another crate"),
        "{report:#}"
    );
    assert_eq!(program.ask("private"), "2");
    assert_eq!(program.ask("added"), "a word 11 false");
    program
        .workspace
        .write(MANIFEST, &manifest.replace("0.1.0", "0.2.0"));
    let report = program.report();
    assert!(
        report["refused"]
            .to_string()
            .contains("version 0.2.0, was 0.1.0"),
        "{report:#}"
    );
    let without = manifest.replace("far = { path = \"../far\" }\n", "");
    program.workspace.write(MANIFEST, &without);
    // The code uses it.
    program.said("does not compile");
    program.workspace.write(MANIFEST, &manifest);
    assert_eq!(redirected(&program.report()), ["private"]);
    assert_eq!(program.ask("private"), "10");
    // And what rustc builds is live again without cargo.
    program.edit(CODE, "    n + 9\n", "    n + 3\n");
    assert_eq!(program.ask("private"), "4");
    assert_eq!(program.end(), 0);
}
