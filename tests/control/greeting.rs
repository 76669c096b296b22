//! The greeting loop, changed over its socket: a value, a function, a file.

use crate::program::{Client, Program, library, transcript};
use std::process::Command;

fn quick(test: &str) -> (Program, std::path::PathBuf) {
    let program = Program::start("greeting", test, |_| {});
    let socket = program.socket();
    let mut client = Client::connect(&socket);
    assert_eq!(client.ask("set PAUSE 5"), "greeting::PAUSE = 5");
    (program, socket)
}

#[test]
fn a_value_a_function_and_a_file_are_changed_while_it_runs() {
    let (program, socket) = quick("change");
    let mut client = Client::connect(&socket);
    program.prints_only("hello world");

    // A value.
    let answer = client.ask("set MESSAGE \"good evening\"");
    assert_eq!(answer, "greeting::greeting::MESSAGE = good evening");
    program.prints_only("good evening");

    // A function.
    let answer = client.ask("patch greeting::print_message greeting::print_politely");
    assert_eq!(
        answer,
        "greeting::greeting::print_message is now greeting::greeting::print_politely"
    );
    program.prints_only("good evening, if I may");
    // The new one reads the same value.
    client.ask("set MESSAGE good night");
    program.prints_only("good night, if I may");

    // A file, and the same file with other code in it.
    for name in ["jenny", "john"] {
        let source = format!(
            "#[unsafe(no_mangle)]\npub fn print_message() {{ println!(\"{name}: hi\") }}\n"
        );
        let file = library(&program.runtime, "greeting", &source);
        let answer = client.ask(&format!(
            "patch greeting::print_message from {}",
            file.display()
        ));
        assert_eq!(
            answer,
            format!(
                "greeting::greeting::print_message is now print_message of {}",
                file.display()
            )
        );
        program.prints_only(&format!("{name}: hi"));
    }
    let patches = client.ask("patches");
    assert!(
        patches.contains("greeting::print_message leads to print_message of"),
        "{patches}"
    );
    assert!(patches.ends_with("(1 patch)"), "{patches}");

    // And back.
    let answer = client.ask("unpatch greeting::print_message");
    assert_eq!(answer, "greeting::greeting::print_message: as before");
    assert_eq!(client.ask("patches"), "nothing is patched");
    program.prints_only("good night");
}

#[test]
fn what_is_wrong_is_answered_and_changes_nothing() {
    let (mut program, socket) = quick("wrong");
    let no_library = program.runtime.join("no.so");
    std::fs::write(&no_library, "no library").unwrap();
    let folder = program.runtime.display();
    let wrong = [
        (
            "set PAUSE soon",
            "error: `soon` is no u64: invalid digit found in string; greeting::PAUSE is still 5",
        ),
        ("set PAUS 1", "error: no Var is called `PAUS`; there is "),
        ("set PAUSE", "error: usage: set VAR VALUE"),
        ("get", "error: usage: get VAR"),
        ("patch print_massage print_politely", "error: no function"),
        ("patch print_message", "error: usage: patch "),
        (
            "patch print_message print_times",
            "error: greeting::greeting::print_message is fn(), and greeting::greeting::print_times is fn(u32); nothing was patched",
        ),
        (
            "patch print_message from /nowhere.so",
            "error: cannot read /nowhere.so: No such file",
        ),
        (
            &format!("patch print_message from {folder}"),
            &format!("error: {folder} is no plain file"),
        ),
        (
            &format!("patch print_message from {}", no_library.display()),
            &format!("error: {} cannot be loaded", no_library.display()),
        ),
        (
            "patch print_message print_message",
            "error: the replacement",
        ),
        (
            "unpatch print_message",
            "error: greeting::greeting::print_message has no patch that was made here",
        ),
        (
            "start SERVER",
            "error: there is no Slot in this program; declare one with `midair::slot!`",
        ),
        (
            "reload",
            "error: not available: only `cargo midair run` has the sources and the compiler",
        ),
        (
            "eval fn a() {}",
            "error: not available: only `cargo midair run` has the sources and the compiler",
        ),
        (
            "dance",
            "error: no command is called `dance`; `help` lists them",
        ),
        ("set MESSAGE \"half", "error: a `\"` has no end"),
        (
            "{\"id\":7,\"command\":\"get\",\"args\":[1]}",
            "{\"id\":7,\"ok\":false,\"error\":\"a request is ",
        ),
        ("{", "{\"id\":null,\"ok\":false,\"error\":\"not JSON"),
    ];
    let mut client = Client::connect(&socket);
    for (line, answer) in wrong {
        let said = client.ask(line);
        assert!(said.starts_with(answer), "{line}: {said}");
    }
    assert!(program.is_alive());
    program.prints_only("hello world");
}

#[test]
fn a_person_with_a_pipe_gets_all_answers_and_an_editor_gets_lines_of_json() {
    let (_program, socket) = quick("json");
    let said = transcript(&socket, "get PAUSE\n\n# nothing\nset MESSAGE hi\r\nvars\n");
    assert_eq!(
        said,
        "greeting::PAUSE = 5\n\
         greeting::greeting::MESSAGE = hi\n\
         greeting::PAUSE: u64 = 5\n\
         greeting::greeting::MESSAGE: alloc::string::String = hi\n"
    );
    let said = transcript(&socket, "get PAUSE\nset PAUSE 1");
    assert!(
        said.ends_with("error: the last line has no end; it was not executed\n"),
        "{said}"
    );

    let mut client = Client::connect(&socket);
    assert_eq!(
        client.ask(r#"{"id":[1,"a"],"command":"set","args":["MESSAGE"," two  \"words\" "]}"#),
        r#"{"id":[1,"a"],"ok":true,"text":"greeting::greeting::MESSAGE =  two  \"words\" ","data":{"name":"greeting::greeting::MESSAGE","type":"alloc::string::String","value":" two  \"words\" "}}"#
    );
    let answer = client.ask(r#"{"line":"symbols *print_polite*"}"#);
    assert!(
        answer.contains(r#""name":"greeting::greeting::print_politely""#),
        "{answer}"
    );
    let answer =
        client.ask(r#"{"command":"complete","args":["patch greeting::greeting::print_m"]}"#);
    assert!(
        answer.ends_with(r#""data":["greeting::greeting::print_message"]}"#),
        "{answer}"
    );
    let answer = client.ask(r#"{"command":"complete","args":["un"]}"#);
    assert!(
        answer.ends_with(r#""data":["undo","unpatch"]}"#),
        "{answer}"
    );
    let answer = client.ask(r#"{"command":"inspect","args":["greeting::print_times"]}"#);
    assert!(answer.contains(r#""type":"fn(u32)""#), "{answer}");
    assert!(answer.contains(r#""can_be_patched":true"#), "{answer}");
    let answer = client.ask(r#"{"command":"stats"}"#);
    assert!(answer.contains(r#""patches":0"#), "{answer}");
    let help = transcript(&socket, "help\n");
    for command in [
        "symbols", "inspect", "patch", "unpatch", "patches", "get", "set", "eval", "undo",
    ] {
        assert!(
            help.lines()
                .any(|line| line.split(' ').next() == Some(command)),
            "{help}"
        );
    }
}

#[test]
fn nc_is_a_client() {
    let (_program, socket) = quick("nc");
    let shell = format!("printf 'get PAUSE\\n' | nc -N -U {}", socket.display());
    let output = Command::new("sh").args(["-c", &shell]).output().unwrap();
    if !Command::new("sh")
        .args(["-c", "nc -h 2>&1 | grep -q -- -U"])
        .status()
        .unwrap()
        .success()
    {
        eprintln!("SKIPPED: there is no nc that knows Unix sockets");
        return;
    }
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "greeting::PAUSE = 5\n"
    );
}
