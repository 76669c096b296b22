//! Definitions that are typed at the control socket of a program that knows nothing of
//! midair.

use crate::program::{Program, redirected};
use crate::socket::Client;
use crate::workspace::Workspace;
use serde_json::Value;
use std::path::Path;
use std::process::Command;

const CODE: &str = "app/src/code.rs";
const WORDS: &str = "words/src/lib.rs";

fn start() -> (Program, Client) {
    let (program, socket) = Program::start_and_tell_socket();
    (program, Client::connect(&socket))
}

/// The answer to a command that makes something live. The terminal gets the same report.
fn live(program: &Program, client: &mut Client, words: &[&str]) -> Value {
    let answer = client.command(words);
    assert_eq!(answer["ok"], true, "{words:?}: {answer:#}");
    // Without a report there is nothing to wait for.
    assert!(answer["data"].is_object(), "{words:?}: {answer:#}");
    assert_eq!(program.report(), answer["data"]);
    answer
}

/// What is live after a definition.
fn eval(program: &Program, client: &mut Client, definition: &str) -> Vec<String> {
    redirected(&live(program, client, &["eval", definition])["data"])
}

fn refusal(client: &mut Client, words: &[&str]) -> String {
    let answer = client.command(words);
    assert_eq!(answer["ok"], false, "{words:?}: {answer:#}");
    answer["error"].as_str().unwrap().to_owned()
}

#[test]
fn functions_methods_and_generics_of_all_crates() {
    let (mut program, mut client) = start();
    let sources = [CODE, WORDS].map(|file| program.workspace.read(file));
    let mut becomes = |question: &str, definition: &str, after: &str, functions: &[&str]| {
        assert_eq!(
            eval(&program, &mut client, definition),
            functions,
            "{definition}"
        );
        assert_eq!(program.ask(question), after, "{definition}");
    };
    becomes(
        "private",
        "fn private(n: u32) -> u32 { n + 41 }",
        "42",
        &["private"],
    );
    // In the same file: what was typed before stays.
    becomes(
        "method",
        "fn Counter::count(&self, n: u32) -> u32 { n * self.step }",
        "5",
        &["count"],
    );
    // Several lines, a private function of the crate, and again.
    becomes(
        "private",
        "pub fn code::private(n: u32) -> u32 {\n    // two\n    chosen(n) * 2\n}",
        "42",
        &["private"],
    );
    becomes(
        "dyn",
        "fn <Square as Shape>::area(&self) -> u32 { self.0 + 1 }",
        "4",
        &["area"],
    );
    becomes(
        "default",
        "fn Shape::describe(&self) -> String { format!(\"size {}\", self.area()) }",
        "size 4",
        &["describe"],
    );
    // Of a library of the workspace, and of one that is compiled into its users.
    becomes(
        "library",
        "fn shout(word: &str) -> String { format!(\"{word}?\") }",
        "hey?",
        &["shout"],
    );
    becomes(
        "generic",
        "fn words::framed<T: Display>(value: T) -> String { format!(\"<{value}>\") }",
        "<5>",
        &["framed"],
    );
    // A new function of the standard library, in a path dependency.
    becomes(
        "far",
        "fn far::distance() -> u32 { u32::from_str_radix(\"zz\", 36).unwrap() }",
        "1295",
        &["distance"],
    );
    assert_eq!(
        [CODE, WORDS].map(|file| program.workspace.read(file)),
        sources
    );

    // Another file is edited: what was typed stays.
    let other = program.workspace.read("app/src/keep.rs") + "\nconst _: u8 = 1;\n";
    program.workspace.write("app/src/keep.rs", &other);
    program.report();
    assert_eq!(program.ask("private"), "42");
    // The file is edited: it counts.
    program.edit(CODE, "\"first\"", "\"second\"");
    assert_eq!(program.ask("literal"), "second");
    assert_eq!(program.ask("private"), "2");
    assert_eq!(program.ask("method"), "6");
    assert_eq!(program.ask("library"), "hey?");
    // And by a command.
    live(&program, &mut client, &["reload", WORDS]);
    assert_eq!(program.ask("library"), "hey!");
    assert_eq!(program.ask("generic"), "[5]");
    assert_eq!(program.end(), 0);
}

#[test]
fn an_async_function_for_futures_that_begin_later() {
    let (mut program, mut client) = start();
    assert_eq!(program.ask("poll"), "Pending");
    let definition = "async fn work(open: Rc<Cell<bool>>) -> u32 { \
                      let base = 50; until(open).await; base + 1 }";
    let live = eval(&program, &mut client, definition);
    assert_eq!(live, ["{{closure}}"]);
    // Its suspend points are the same, so the one that waits goes on in the new one.
    assert_eq!(program.ask("fresh"), "Ready(51)");
    program.ask("open");
    assert_eq!(program.ask("poll"), "Ready(41)");
    assert_eq!(program.end(), 0);
}

#[test]
fn what_does_not_compile_shows_rustcs_message_and_changes_nothing() {
    let (mut program, mut client) = start();
    let before = program.workspace.read(CODE);
    let why = refusal(
        &mut client,
        &["eval", "fn private(n: u32) -> u32 { n + missing }"],
    );
    assert!(
        why.starts_with("it does not compile; nothing has changed\nerror[E0425]"),
        "{why}"
    );
    assert!(why.contains("cannot find value `missing`"), "{why}");
    // The place is that of the file, with the text that was typed.
    assert!(why.contains("app/src/code.rs:11"), "{why}");
    assert!(
        why.contains("fn private(n: u32) -> u32 { n + missing }"),
        "{why}"
    );
    assert_eq!(program.ask("private"), "2");
    // Callers do not fit.
    let why = refusal(
        &mut client,
        &["eval", "fn shout(word: u8) -> String { loop {} }"],
    );
    assert!(why.contains("error[E0308]"), "{why}");
    assert_eq!(program.ask("library"), "hey!");
    for (typed, wanted) in [
        (
            "fn nowhere() {}",
            "no function of the workspace's crates is called `nowhere`",
        ),
        ("fn generated() -> u32 { 1 }", "or a macro makes it"),
        ("fn new() {}", "is several functions"),
        (
            "fn elsewhere::private(n: u32) {}",
            "there is app::code::private",
        ),
        ("1 + 1", "type a whole function"),
        ("fn private(n: u32) -> u32 { ", "this is not Rust"),
    ] {
        let why = refusal(&mut client, &["eval", typed]);
        assert!(why.contains(wanted), "{typed}: {why}");
    }
    assert!(refusal(&mut client, &["eval"]).starts_with("usage: eval"));
    let why = refusal(&mut client, &["reload", "nowhere.rs"]);
    assert!(
        why.contains("no source of the program is called nowhere.rs"),
        "{why}"
    );
    // The next one is live, and so is an edit.
    assert_eq!(
        eval(&program, &mut client, "fn private(n: u32) -> u32 { n + 2 }"),
        ["private"]
    );
    assert_eq!(program.ask("private"), "3");
    assert_eq!(program.workspace.read(CODE), before);
    program.edit(WORDS, "{word}!", "{word}.");
    assert_eq!(program.ask("library"), "hey.");
    assert_eq!(program.ask("private"), "3");
    assert_eq!(program.end(), 0);
}

#[test]
fn with_write_it_goes_into_the_file() {
    let (mut program, mut client) = start();
    let before = program.workspace.read(CODE);
    eval(&program, &mut client, "fn constant() -> u32 { LIMIT * 3 }");
    let definition = "fn private(n: u32) -> u32 {\n    let more = 5;\n    n + more\n}";
    let answer = live(&program, &mut client, &["eval", "--write", definition]);
    assert_eq!(redirected(&answer["data"]), ["private"]);
    let said = answer["text"].as_str().unwrap();
    assert!(said.ends_with(&format!("written to {CODE}")), "{said}");
    assert_eq!(program.ask("private"), "6");
    assert_eq!(
        program.workspace.read(CODE),
        before.replace("fn private(n: u32) -> u32 {\n    n + 1\n}", definition)
    );
    // What was typed for another function stands in no file and lives on.
    assert_eq!(program.ask("constant"), "30");
    let answer = client.command(&["reload"]);
    assert!(
        answer["text"]
            .as_str()
            .unwrap()
            .starts_with("nothing has changed"),
        "{answer}"
    );
    assert_eq!(program.ask("constant"), "30");
    program.edit(CODE, "let more = 5", "let more = 6");
    assert_eq!(program.ask("private"), "7");
    assert_eq!(program.ask("constant"), "20");
    assert_eq!(program.end(), 0);
}

/// The output that cargo would use again holds what was typed; it must not.
#[test]
fn the_next_start_is_that_of_the_files() {
    let (mut program, mut client) = start();
    eval(
        &program,
        &mut client,
        "fn shout(word: &str) -> String { format!(\"{word}?\") }",
    );
    eval(&program, &mut client, "fn private(n: u32) -> u32 { n + 2 }");
    assert_eq!(program.ask("library"), "hey?");
    let mut program = program.again();
    assert_eq!(program.ask("library"), "hey!");
    assert_eq!(program.ask("private"), "2");
    assert_eq!(program.end(), 0);
}

#[test]
fn undo_takes_edits_and_definitions_back_and_reload_brings_the_edits_again() {
    let (mut program, mut client) = start();
    let why = refusal(&mut client, &["undo"]);
    assert!(why.starts_with("there is nothing to undo"), "{why}");
    program.edit(CODE, "    n + 1\n", "    n + 2\n");
    eval(
        &program,
        &mut client,
        "fn literal() -> &'static str { \"typed\" }",
    );
    // A function that the program did not have, and one with another signature.
    let text = program.workspace.read(CODE);
    let text = text.replace(
        "fn added() -> String {\n    String::new()",
        "fn added() -> String {\n    newest(7)",
    ) + "\nfn newest(n: u32) -> String {\n    format!(\"new {n}\")\n}\n";
    program.workspace.write(CODE, &text);
    program.report();
    let seen = |program: &mut Program| ["private", "literal", "added"].map(|q| program.ask(q));
    assert_eq!(seen(&mut program), ["3", "first", "new 7"]);

    let undone = client.command(&["undo"]);
    assert_eq!(
        undone["data"],
        serde_json::json!({"generation": 4, "undone": 3, "left": 2})
    );
    assert_eq!(seen(&mut program), ["3", "typed", ""]);
    assert_eq!(client.command(&["undo"])["ok"], true);
    assert_eq!(seen(&mut program), ["3", "first", ""]);
    assert_eq!(client.command(&["undo"])["ok"], true);
    assert_eq!(seen(&mut program), ["2", "first", ""]);
    assert!(refusal(&mut client, &["undo"]).starts_with("there is nothing to undo"));

    // The files are as they were; what was typed is in none.
    live(&program, &mut client, &["reload"]);
    assert_eq!(seen(&mut program), ["3", "first", "new 7"]);
    program.edit(CODE, "format!(\"new {n}\")", "format!(\"newer {n}\")");
    assert_eq!(seen(&mut program), ["3", "first", "newer 7"]);
    assert_eq!(client.command(&["undo"])["ok"], true);
    assert_eq!(seen(&mut program), ["3", "first", "new 7"]);
    eval(&program, &mut client, "fn private(n: u32) -> u32 { n + 5 }");
    assert_eq!(seen(&mut program), ["6", "first", "newer 7"]);
    assert_eq!(program.end(), 0);
}

/// rustc numbers impls, and the numbers are in the symbols of those below. What was put
/// right in the background goes with the edit.
#[test]
fn undo_takes_new_symbols_back_and_what_was_put_right_in_the_background() {
    let (mut program, mut client) = start();
    let seen = |program: &mut Program| ["private", "dyn"].map(|q| program.ask(q));
    // A line more, so the crate is built of a shadow first, and what can panic has moved.
    program.edit(CODE, "    n + 1\n", "    let n = n + 1;\n    n + 1\n");
    let settled = program.settled();
    assert!(
        !settled["moved"].as_array().unwrap().is_empty(),
        "{settled:#}"
    );
    let square = "impl Shape for Square {\n";
    let above = "impl Guest {\n    #[allow(dead_code)]\n    fn nobody(&self) {}\n}\n\n";
    program.edit(CODE, square, &format!("{above}{square}"));
    program.edit(CODE, above, "");
    program.edit(CODE, "self.0 * self.0", "self.0 * 100");
    assert_eq!(seen(&mut program), ["3", "300"]);
    let mut undone = Vec::new();
    loop {
        let answer = client.command(&["undo"]);
        if answer["ok"] == false {
            break;
        }
        undone.push(seen(&mut program));
    }
    assert_eq!(undone.first().unwrap(), &["3", "9"]);
    assert_eq!(undone.last().unwrap(), &["2", "9"]);
    live(&program, &mut client, &["reload"]);
    assert_eq!(seen(&mut program), ["3", "300"]);
    program.edit(CODE, "self.0 * 100", "self.0 * 200");
    assert_eq!(seen(&mut program), ["3", "600"]);
    assert_eq!(program.end(), 0);
}

/// Also what has the same symbol: a closure that has captured something else for a while.
#[test]
fn an_edit_after_an_undo_is_for_who_runs_the_code_of_before() {
    let (mut program, mut client) = start();
    let text = program.workspace.read(CODE);
    let captures = text.replace("let offset = 1000;", "let offset = 1000_u64;");
    let captures = captures.replace("move |n| n + offset", "move |n| n + offset as u32 + 1");
    program.workspace.write(CODE, &captures);
    let report = program.report();
    let closure = "app::code::State::new::{{closure}}";
    let mut versioned = report["versioned"].as_array().unwrap().iter();
    assert!(versioned.any(|one| one["what"] == closure), "{report:#}");
    assert_eq!(client.command(&["undo"])["ok"], true);
    let text = text.replace("move |n| n + offset", "move |n| n + offset + 7");
    program.workspace.write(CODE, &text);
    let report = program.report();
    assert_eq!(program.ask("closure"), "1008", "{report:#}");
    // What was typed does not come again with the next build of its crate.
    eval(
        &program,
        &mut client,
        "fn private(n: u32) -> u32 { n + 41 }",
    );
    assert_eq!(program.ask("private"), "42");
    assert_eq!(client.command(&["undo"])["ok"], true);
    program.edit("app/src/keep.rs", "CONST.get() + 1)", "CONST.get() + 2)");
    assert_eq!(program.ask("private"), "2");
    // Nor does what was refused.
    let typed = "fn local() -> u32 { use std::sync::atomic::AtomicU64; \
                 static LOCAL: AtomicU64 = AtomicU64::new(0); \
                 LOCAL.load(Ordering::Relaxed) as u32 }";
    let why = refusal(&mut client, &["eval", typed]);
    assert!(why.contains("LOCAL"), "{why}");
    assert_eq!(program.report()["redirected"], serde_json::json!([]));
    let report = program.edit(CODE, "\"first\"", "\"second\"");
    assert_eq!(program.ask("literal"), "second", "{report:#}");
    assert_eq!(program.end(), 0);
}

/// With symbols that do not tell types, a version for new callers has the name of the old one.
#[test]
fn a_function_that_had_another_signature_for_a_while_is_the_old_one_after_an_undo() {
    let workspace = Workspace::of("cli/tests/fixtures/live", "live-v0");
    std::fs::create_dir_all(workspace.root().join(".cargo")).unwrap();
    let flags = "[build]\nrustflags = [\"-Csymbol-mangling-version=v0\"]\n";
    workspace.write(".cargo/config.toml", flags);
    let mut program = Program::with(workspace, &[]);
    let mut client = Client::connect(&program.socket());
    program.wait_until_watched();
    let (old, wide) = (
        "fn private(n: u32) -> u32 {\n    n + 1\n}",
        "fn private(n: u64) -> u64 {\n    n + 2\n}",
    );
    let report = program.edit(CODE, old, wide);
    assert_eq!(
        report["versioned"][0]["what"], "app::code::private",
        "{report:#}"
    );
    assert_eq!(program.ask("private"), "3");
    assert_eq!(client.command(&["undo"])["ok"], true);
    assert_eq!(program.ask("private"), "2");
    let report = program.edit(CODE, wide, &old.replace("n + 1", "n + 5"));
    assert_eq!(program.ask("private"), "6", "{report:#}");
    assert_eq!(program.end(), 0);
}

/// Neither the program nor `cargo midair run` dies of what is typed.
#[test]
fn nonsense_is_answered_and_edits_go_on() {
    let (mut program, mut client) = start();
    let deep = |open: &str, close: &str, times: usize| {
        let (open, close) = (open.repeat(times), close.repeat(times));
        format!("fn private(n: u32) -> u32 {{ {open}n{close} }}")
    };
    let all = [
        deep("(", ")", 100_000),
        deep("{", "}", 100_000),
        deep("!", "", 500_000),
        deep("&", "", 900_000),
        deep("(", "", 1000),
        deep("", ")", 1000),
        format!("fn {}private() {{}}", "a::".repeat(100_000)),
        format!("fn private({}) {{}}", "n: u32, ".repeat(50_000)),
        format!(
            "fn private(n: {}u32{}) {{}}",
            "Vec<".repeat(20_000),
            ">".repeat(20_000)
        ),
        "fn private(n: u32) -> u32 { \"".to_owned(),
        "fn private(n: u32) -> u32 { n \0 }".to_owned(),
        "fn private(n: u32) -> u32 { /* }".to_owned(),
        "fn private(n: u32) -> u32 { n } } fn more() { {".to_owned(),
        "\u{202e}fn private() {}".to_owned(),
    ];
    let sources = [CODE, WORDS].map(|file| program.workspace.read(file));
    for typed in all {
        let begin: String = typed.chars().take(60).collect();
        let answer = client.command(&["eval", &typed]);
        assert_eq!(answer["ok"], false, "{begin}: {answer:#}");
        // rustc crashes of what is too deep.
        let words = [
            "this is not Rust",
            "no function",
            "rustc was killed",
            "it does not",
        ];
        let why = answer["error"].as_str().unwrap();
        assert!(words.iter().any(|w| why.starts_with(w)), "{begin}: {why}");
        let is_told = !why.starts_with("it does not") || why.contains("\nerror");
        assert!(is_told, "{begin}: {why}");
        assert_eq!(program.ask("private"), "2", "{begin}");
    }
    assert_eq!(
        [CODE, WORDS].map(|file| program.workspace.read(file)),
        sources
    );
    program.edit(CODE, "    n + 1\n", "    n + 2\n");
    assert_eq!(program.ask("private"), "3");
    assert_eq!(program.end(), 0);
}

#[test]
fn an_editor_gets_names_of_sources_and_the_same_as_data() {
    let (program, mut client) = start();
    let answer = client.command(&["complete", "reload app/src/c"]);
    assert_eq!(answer["data"], serde_json::json!(["app/src/code.rs"]));
    let answer = client.command(&["eval", "fn private(n: u32) -> u32 { n + 3 }"]);
    let data = &answer["data"];
    assert!(
        data["milliseconds"]["rustc"].as_f64().unwrap() > 0.0,
        "{data}"
    );
    assert_eq!(
        data["redirected"],
        serde_json::json!(["app::code::private"])
    );
    // Of a program that has no `Var`.
    let answer = client.command(&["vars"]);
    assert_eq!(answer["text"], "there is no Var in this program\n");
    // What is reloaded and what is patched are patches of one registry.
    let patches = client.command(&["patches"]);
    let names: Vec<&Value> = patches["data"].as_array().unwrap().iter().collect();
    assert!(
        names
            .iter()
            .any(|one| one["target"] == "app::code::private"),
        "{patches:#}"
    );
    // Whatever is asked for, the answer is one line of JSON.
    let commands = client.command(&["help"])["data"].clone();
    let commands = commands.as_array().unwrap().iter();
    let mut are_bad = Vec::new();
    for name in commands.map(|command| command["name"].as_str().unwrap()) {
        let answer = client.command(&[name]);
        match answer["ok"].as_bool().unwrap() {
            true => assert!(answer["text"].is_string(), "{name}: {answer:#}"),
            false => are_bad.push((name.to_owned(), answer["error"].clone())),
        }
    }
    let wrong = ["eval", "get", "inspect", "patch", "restart"];
    let wrong = wrong
        .into_iter()
        .chain(["set", "start", "stop", "symbols", "unpatch"]);
    assert!(
        wrong.eq(are_bad.iter().map(|(name, _)| name.as_str())),
        "{are_bad:#?}"
    );
    assert_eq!(program.end(), 0);
}

#[test]
fn attach_finds_it_by_its_number() {
    let runtime = Path::new("/tmp").join(format!("mcr-{}", std::process::id()));
    std::fs::create_dir_all(&runtime).unwrap();
    let variable = ("XDG_RUNTIME_DIR", runtime.to_str().unwrap());
    let mut program = Program::with_variable(Workspace::fresh(), variable.0, variable.1);
    let socket = program.socket();
    assert!(socket.starts_with(&runtime));
    let name = socket.file_stem().unwrap().to_str().unwrap();
    let number = name.strip_prefix("app-").unwrap();
    program.wait_until_watched();
    let output = Command::new(env!("CARGO_BIN_EXE_cargo-midair"))
        .args(["midair", "attach", number, "--", "eval"])
        .arg("fn literal() -> &'static str { \"typed\" }")
        .env("XDG_RUNTIME_DIR", &runtime)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.starts_with("1 function live"), "{output:?}");
    assert_eq!(program.ask("literal"), "typed");
    assert_eq!(program.end(), 0);
    std::fs::remove_dir_all(runtime).unwrap();
}
