//! What the names of functions mean, and what patches over the socket do, once functions
//! have several versions.

use crate::program::{Program, redirected};
use crate::socket::Client;

const CODE: &str = "app/src/code.rs";

fn start() -> (Program, Client) {
    let (program, socket) = Program::start_and_tell_socket();
    (program, Client::connect(&socket))
}

fn eval(program: &Program, client: &mut Client, definition: &str) {
    let answer = client.command(&["eval", definition]);
    assert_eq!(answer["ok"], true, "{definition}: {answer:#}");
    assert_eq!(program.report(), answer["data"]);
    assert!(!redirected(&answer["data"]).is_empty());
}

/// What a command that succeeds says.
fn said(client: &mut Client, words: &[&str]) -> String {
    let answer = client.command(words);
    assert_eq!(answer["ok"], true, "{words:?}: {answer:#}");
    answer["text"].as_str().unwrap().to_owned()
}

fn completed(client: &mut Client, text: &str) -> String {
    said(client, &["complete", text])
}

#[test]
fn a_name_means_the_function_that_is_called_whatever_it_leads_to() {
    let (mut program, mut client) = start();
    let name = "app::code::private";
    let built = said(&mut client, &["symbols", name]);
    assert_eq!(built.lines().count(), 1, "{built}");
    eval(
        &program,
        &mut client,
        "fn private(n: u32) -> u32 { n + 41 }",
    );
    eval(
        &program,
        &mut client,
        "fn private(n: u32) -> u32 { n + 51 }",
    );
    assert_eq!(program.ask("private"), "52");
    assert_eq!(said(&mut client, &["symbols", name]), built);
    assert_eq!(said(&mut client, &["symbols", "*code::privat*"]), built);
    assert!(said(&mut client, &["inspect", "private"]).starts_with(&built));
    assert_eq!(completed(&mut client, "inspect app::code::priva"), name);
    // Its versions have names, too, if one insists.
    let version = said(&mut client, &["symbols", &format!("edit-2.so::{name}")]);
    assert!(version.contains("edit-2.so"), "{version}");

    said(&mut client, &["patch", name, "app::code::recursive"]);
    assert_eq!(program.ask("private"), "1");
    said(&mut client, &["unpatch", "private"]);
    assert_eq!(program.ask("private"), "52");
    assert_eq!(program.end(), 0);
}

#[test]
fn a_function_that_an_edit_has_brought_is_found_and_stays_patched() {
    let (mut program, mut client) = start();
    let text = program.workspace.read(CODE);
    let text = text.replace(
        "fn added() -> String {\n    String::new()",
        "fn added() -> String {\n    format!(\"{}{}\", newest(7), other(7))",
    ) + "\nfn newest(n: u32) -> String {\n    format!(\"new {n}\")\n}\n\
         \nfn other(n: u32) -> String {\n    format!(\"other {n}\")\n}\n";
    program.workspace.write(CODE, &text);
    program.report();
    assert_eq!(program.ask("added"), "new 7other 7");
    program.edit(CODE, "\"new {n}\"", "\"newer {n}\"");
    let found = said(&mut client, &["symbols", "app::code::newest"]);
    assert_eq!(found.lines().count(), 1, "{found}");
    said(&mut client, &["patch", "newest", "app::code::other"]);
    assert_eq!(program.ask("added"), "other 7other 7");
    program.edit(CODE, "\"newer {n}\"", "\"newest {n}\"");
    said(&mut client, &["unpatch", "newest"]);
    assert_eq!(program.ask("added"), "newest 7other 7");

    // It is taken back and comes again: another one.
    for _ in 0..3 {
        assert_eq!(client.command(&["undo"])["ok"], true);
    }
    assert_eq!(program.ask("added"), "");
    said(&mut client, &["reload"]);
    assert_eq!(program.ask("added"), "newest 7other 7");
    let again = said(&mut client, &["symbols", "app::code::newest"]);
    assert_eq!(again.lines().count(), 1, "{again}");
    assert_ne!(again, found);
    said(&mut client, &["patch", "newest", "app::code::other"]);
    assert_eq!(program.ask("added"), "other 7other 7");
    assert_eq!(program.end(), 0);
}

#[test]
fn a_patch_over_the_socket_stays_above_edits_and_the_report_says_so() {
    let (mut program, mut client) = start();
    let name = "app::code::private";
    said(&mut client, &["patch", name, "app::code::recursive"]);
    let patches = said(&mut client, &["patches"]);
    let led = format!("{name} leads to app::code::recursive, by this socket");
    assert_eq!(patches, format!("{led} (1 patch)\n"));
    for n in [41, 51] {
        let definition = format!("fn private(n: u32) -> u32 {{ n + {n} }}");
        let answer = client.command(&["eval", &definition]);
        program.report();
        let wanted =
            format!("{name}: calls go to app::code::recursive; `unpatch {name}` to see the edit");
        assert_eq!(answer["data"]["above"], serde_json::json!([wanted]));
        assert!(answer["text"].as_str().unwrap().contains(&wanted));
        assert_eq!(program.ask("private"), "1");
        let patches = said(&mut client, &["patches"]);
        assert_eq!(patches, format!("{led} (2 patches)\n"));
    }
    // Other edits have nothing to do with it.
    let other = program.edit("words/src/lib.rs", "{word}!", "{word}.");
    assert_eq!(other["above"], serde_json::Value::Null);
    said(&mut client, &["unpatch", "private"]);
    assert_eq!(program.ask("private"), "52");
    let patches = said(&mut client, &["patches"]);
    assert!(
        patches.contains(&format!("{name} leads to reload 2 (1 patch)\n")),
        "{patches}"
    );
    assert!(
        patches.contains("shout leads to reload 3 (1 patch)\n"),
        "{patches}"
    );
    assert_eq!(program.end(), 0);
}

#[test]
fn only_what_can_be_defined_is_offered_to_eval() {
    let (program, mut client) = start();
    let offered = completed(&mut client, "eval fn app::");
    assert!(
        offered.lines().any(|name| name == "app::code::private"),
        "{offered}"
    );
    let all = completed(&mut client, "inspect app::");
    assert!(all.contains("{closure"), "{all}");
    assert!(
        !offered.contains('{') && !offered.contains("::_::"),
        "{offered}"
    );
    assert_eq!(program.end(), 0);
}
