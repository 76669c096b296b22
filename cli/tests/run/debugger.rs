//! gdb at a program that was edited. Where there is no gdb, or it may not trace, the test
//! says so.

use crate::program::{Program, redirected};
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

const CODE: &str = "app/src/code.rs";

#[test]
fn gdb_stops_in_a_patched_function_by_its_name_and_by_a_line() {
    if std::env::var_os("MIDAIR_RUN_TARGET").is_some() {
        println!("NOT TESTED: the program is not of this machine");
        return;
    }
    let mut program = Program::start();
    let edited = "    let m = n * 3;\n    m + 1\n";
    let report = program.edit(CODE, "    n + 1\n", edited);
    assert_eq!(redirected(&report), ["private"]);
    let text = program.workspace.read(CODE);
    let above = text.split(edited).next().unwrap();
    let line = above.lines().count() + 1;
    // What follows in the background would come in between.
    program.linked();

    let mut gdb = Command::new("timeout");
    gdb.args([
        "120",
        "gdb",
        "-nx",
        "-batch",
        "-iex",
        "set debuginfod enabled off",
        "-p",
    ]);
    gdb.arg(program.program_id().to_string());
    let commands = [
        "echo attached\\n",
        "break app::code::private",
        "continue",
        &format!("break code.rs:{}", line + 1),
        "continue",
        "print m",
        "backtrace 3",
        "detach",
    ];
    for command in commands {
        gdb.args(["-ex", command]);
    }
    gdb.stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let Ok(mut gdb) = gdb.spawn() else {
        println!("NOT TESTED: no timeout(1)");
        return;
    };
    let mut said = String::new();
    for line in BufReader::new(gdb.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        said += &line;
        said.push('\n');
        // It has its breakpoint and lets the program run next.
        if line.starts_with("Breakpoint 1 at") {
            program.send("private");
        }
    }
    let mut errors = String::new();
    std::io::Read::read_to_string(&mut gdb.stderr.take().unwrap(), &mut errors).unwrap();
    gdb.wait().unwrap();
    if !said.contains("attached") || errors.contains("ptrace") {
        println!("NOT TESTED: no gdb, or it does not trace here: {errors}");
        return;
    }
    let all = format!("{said}\n{errors}");
    let at = |line: usize| format!("app::code::private (n=1) at app/src/code.rs:{line}");
    assert!(said.contains(&at(line)), "{all}");
    assert!(said.contains(&at(line + 1)), "{all}");
    assert!(said.contains("$1 = 3"), "{all}");
    assert!(said.contains("in app::code::State::answer"), "{all}");
    assert!(said.contains("in app::main ()"), "{all}");
    assert_eq!(program.line(), "4");
    assert_eq!(program.ask("private"), "4");
    assert_eq!(program.end(), 0);
}
