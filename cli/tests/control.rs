//! `attach` and `repl` with a program that runs: the example `greeting`, under a name that
//! no other test's program has, for all programs of this user are found.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

struct Program {
    child: Child,
    runtime: PathBuf,
    name: String,
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.runtime);
    }
}

fn folder(test: &str) -> PathBuf {
    // Short: the path of a socket has at most 107 bytes.
    let folder = PathBuf::from(format!("/tmp/mca-{}-{test}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::DirBuilder::new()
        .mode(0o700)
        .create(&folder)
        .unwrap();
    folder
}

/// The greeting example, once it has its socket.
fn greeting(runtime: &Path) -> Program {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "-p", "midair", "--example", "greeting"]);
    let built = cargo
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status()
        .unwrap();
    assert!(built.success());
    let mut path = std::env::current_exe().unwrap();
    path.pop();
    path.pop();
    let name = runtime.file_name().unwrap().to_str().unwrap().to_owned();
    let own = runtime.join(&name);
    if !own.exists() {
        // Not by this process: what it writes to cannot be started while another test forks.
        let mut copy = Command::new("cp");
        copy.arg(path.join("examples/greeting")).arg(&own);
        assert!(copy.status().unwrap().success());
    }
    let mut child = Command::new(own)
        .env("XDG_RUNTIME_DIR", runtime)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    stderr.read_line(&mut line).unwrap();
    assert!(line.contains("control socket"), "{line}");
    Program {
        child,
        runtime: runtime.to_owned(),
        name,
    }
}

fn midair(runtime: &Path, args: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_cargo-midair"))
        .arg("midair")
        .args(args)
        .env("XDG_RUNTIME_DIR", runtime)
        .env("XDG_STATE_HOME", runtime)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).unwrap();
    drop(stdin);
    child.wait_with_output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn attach_finds_a_program_by_number_and_name_and_runs_lines_or_one_command() {
    let runtime = folder("attach");
    let list = || {
        let output = midair(&runtime, &["attach", "--list"], "");
        text(&output.stdout).to_owned()
    };
    // There may be programs of other tests, or of whoever works here.
    let nobody = midair(&runtime, &["attach", "nobody"], "");
    assert!(!nobody.status.success());
    let said = text(&nobody.stderr);
    assert!(
        said.contains("no program nobody has a control socket"),
        "{said}"
    );

    let one = greeting(&runtime);
    let pid = one.child.id().to_string();
    let name = one.name.as_str();
    for program in [name, pid.as_str()] {
        let output = midair(&runtime, &["attach", program], "get PAUSE\nset PAUSE x\n");
        let expected = "greeting::PAUSE = 1000\n\
                        error: `x` is no u64: invalid digit found in string; \
                        greeting::PAUSE is still 1000\n";
        assert_eq!(text(&output.stdout), expected);
        assert!(output.status.success());
    }
    // The only one needs no name.
    let only = midair(&runtime, &["attach"], "get PAUSE\n");
    if only.status.success() {
        assert_eq!(text(&only.stdout), "greeting::PAUSE = 1000\n");
    } else {
        let said = text(&only.stderr);
        assert!(
            said.contains("several programs have a control socket"),
            "{said}"
        );
    }
    let set = |value: &str| {
        let args = ["attach", name, "--", "set", "MESSAGE", value];
        midair(&runtime, &args, "")
    };
    assert_eq!(
        text(&set("two  \"words\"").stdout),
        "greeting::greeting::MESSAGE = two  \"words\"\n"
    );
    let bad = midair(&runtime, &["attach", name, "--", "set", "PAUSE", "x"], "");
    assert_eq!(bad.status.code(), Some(1));
    assert!(text(&bad.stderr).starts_with("error: `x` is no u64"));

    let two = greeting(&runtime);
    let several = midair(&runtime, &["attach", name], "");
    let said = text(&several.stderr);
    assert!(
        said.contains(&format!("several programs are called {name}")),
        "{said}"
    );
    assert!(said.contains(&pid), "{said}");
    assert!(said.contains(&two.child.id().to_string()), "{said}");
    let count = || list().lines().filter(|line| line.contains(name)).count();
    assert_eq!(count(), 2);
    let other = midair(&runtime, &["attach", "shop"], "");
    let said = text(&other.stderr);
    assert!(
        said.contains("no program shop has a control socket; there is:"),
        "{said}"
    );
    // A killed program leaves its socket, and is not found.
    let mut two = two;
    two.child.kill().unwrap();
    two.child.wait().unwrap();
    assert_eq!(count(), 1);
}

#[test]
fn the_repl_answers_lines_of_a_pipe() {
    let runtime = folder("repl");
    let program = greeting(&runtime);
    let input = "get PAUSE\n\n# nothing\ndance\nset PAUSE 7\n";
    let output = midair(&runtime, &["repl", &program.name], input);
    let said = text(&output.stdout);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(
        said,
        "greeting::PAUSE = 1000\n\
         error: no command is called `dance`; `help` lists them\n\
         greeting::PAUSE = 7\n"
    );
}

/// In a terminal, made by Python's `pty`.
#[test]
fn the_repl_completes_commands_vars_and_symbols_and_keeps_a_history() {
    let runtime = folder("tab");
    let program = greeting(&runtime);
    let script = r#"
import os, pty, sys, select, time
prompt = sys.argv[-1].encode() + b"> "
pid, fd = pty.fork()
if pid == 0:
    os.environ["TERM"] = "xterm"
    os.execv(sys.argv[1], sys.argv[1:])
seen = b""
def until(wanted):
    global seen
    end = time.time() + 60
    while wanted not in seen:
        if time.time() > end or not select.select([fd], [], [], 60)[0]:
            sys.exit("never saw %r in %r" % (wanted, seen))
        seen += os.read(fd, 4096)
    seen = seen[seen.index(wanted) + len(wanted):]
until(prompt)
os.write(fd, b"hel\t get\r")
until(b"the value of a Var")
until(prompt)
os.write(fd, b"get PAU\t\r")
until(b"greeting::PAUSE = 1000")
until(prompt)
os.write(fd, b"inspect greeting::greeting::print_t\t\r")
until(b"type: fn(u32)")
until(prompt)
os.write(fd, b"set \t")
until(b"greeting::PAUSE")
os.write(fd, b"\x15")
os.write(fd, b"eval fn print_message() {\r")
os.write(fd, b"    1\r}\r")
until(b"not available: only `cargo midair run`")
until(prompt)
os.write(fd, b"\x1b[A\x1b[A\x1b[A\x1b[A\x1b[A\r")
until(b"greeting::PAUSE = 1000")
until(prompt)
os.write(fd, b"quit\r")
_, status = os.waitpid(pid, 0)
sys.exit(status)
"#;
    let output = Command::new("python3")
        .args(["-c", script, env!("CARGO_BIN_EXE_cargo-midair"), "repl"])
        .arg(&program.name)
        .env("XDG_RUNTIME_DIR", &runtime)
        .env("XDG_STATE_HOME", &runtime)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let history = std::fs::read_to_string(runtime.join("midair/history")).unwrap();
    assert!(history.contains("get PAUSE"), "{history}");
}
