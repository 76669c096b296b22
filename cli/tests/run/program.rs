//! The running program: questions, answers, edits and what is said of them.

use crate::workspace::Workspace;
use serde_json::Value;
use snapbox::cmd::cargo_bin;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// The first build takes longest, and with it that of the agent for another machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(400);
/// What is said of an edit comes sooner.
const SOON: Duration = Duration::from_secs(120);
/// How long it may take to end when it is asked to.
const GRACE: Duration = Duration::from_secs(5);
/// How often is looked whether it has ended.
const STEP: Duration = Duration::from_millis(2);

/// A program that nobody reloads any more.
pub(crate) struct Orphan {
    input: ChildStdin,
    answers: Receiver<String>,
}

impl Orphan {
    pub(crate) fn ask(&mut self, question: &str) -> String {
        writeln!(self.input, "{question}").unwrap();
        self.answers.recv_timeout(PATIENCE).unwrap()
    }

    /// Closes its input and waits for its end.
    pub(crate) fn end(self) {
        drop(self.input);
        while self.answers.recv_timeout(PATIENCE).is_ok() {}
    }
}

/// `cargo midair run`, which does not outlive its test: the next one has the same
/// workspace.
pub(crate) struct Running(pub(crate) Child);

impl Running {
    /// Waits until it ends by itself.
    pub(crate) fn ended(&mut self) -> ExitStatus {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.0.try_wait().unwrap() {
                return status;
            }
            assert!(begun.elapsed() < SOON, "it does not end");
            std::thread::sleep(STEP);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It ends with its program, which is sent the same, unless one of them hangs.
        for signal in ["-TERM", "-KILL"] {
            let Ok(None) = self.0.try_wait() else {
                return;
            };
            let id = self.0.id().to_string();
            let _ = Command::new("kill").args([signal, &id]).status();
            let begun = Instant::now();
            while matches!(self.0.try_wait(), Ok(None)) && begun.elapsed() < GRACE {
                std::thread::sleep(STEP);
            }
        }
    }
}

pub(crate) struct Program {
    // In this order: what runs has ended when the workspace is another test's.
    child: Running,
    pub(crate) workspace: Workspace,
    input: ChildStdin,
    answers: Receiver<String>,
    said: Receiver<String>,
}

impl Program {
    /// Starts the fixture's program and waits until edits are watched.
    pub(crate) fn start() -> Self {
        let program = Self::with(Workspace::fresh(), &[]);
        program.wait_until_watched();
        program
    }

    /// The same, and where its control socket is.
    pub(crate) fn start_and_tell_socket() -> (Self, PathBuf) {
        let program = Self::with(Workspace::fresh(), &[]);
        let socket = program.socket();
        program.wait_until_watched();
        (program, socket)
    }

    /// Ends it and starts it again, with the sources as they are.
    pub(crate) fn again(mut self) -> Self {
        drop(self.input);
        assert_eq!(self.child.ended().code(), Some(0));
        let program = Self::with(self.workspace, &[]);
        program.wait_until_watched();
        program
    }

    /// Waits until edits are watched.
    pub(crate) fn wait_until_watched(&self) {
        self.wait_as_long_as(PATIENCE, |line| {
            line["message"]
                .as_str()
                .is_some_and(|m| m.contains("watching"))
        });
    }

    /// The path of its control socket, as it is shown.
    pub(crate) fn socket(&self) -> PathBuf {
        let shown = |line: &Value| {
            let text = line["message"].as_str()?.strip_prefix("control socket ")?;
            Some(PathBuf::from(text.split(';').next()?))
        };
        let line = self.wait_as_long_as(PATIENCE, |line| shown(line).is_some());
        shown(&line).unwrap()
    }

    /// All lines from now on are this one, for a while.
    pub(crate) fn prints_only(&self, text: &str) {
        while self.line() != text {}
        for _ in 0..20 {
            assert_eq!(self.line(), text);
        }
    }

    /// The next line of the program's.
    pub(crate) fn line(&self) -> String {
        self.answers.recv_timeout(PATIENCE).unwrap()
    }

    /// Ends it as Ctrl-C in another terminal would not: by a signal for the
    /// program that was started.
    pub(crate) fn terminate(mut self) -> i32 {
        let id = self.child.0.id().to_string();
        assert!(Command::new("kill").arg(id).status().unwrap().success());
        self.child.ended().code().unwrap()
    }

    /// Starts it, whatever comes of it.
    pub(crate) fn with(workspace: Workspace, args: &[&str]) -> Self {
        Self::spawn(workspace, args, &[])
    }

    /// The same with a variable in the environment.
    pub(crate) fn with_variable(workspace: Workspace, name: &str, value: &str) -> Self {
        Self::with_variables(workspace, &[(name, value)])
    }

    /// The same with several.
    pub(crate) fn with_variables(workspace: Workspace, variables: &[(&str, &str)]) -> Self {
        Self::spawn(workspace, &[], variables)
    }

    /// Starts it with a target folder that has a disk of its own, if the system lets us
    /// mount one; else says so.
    pub(crate) fn on_a_small_disk(workspace: Workspace) -> Option<Self> {
        let mount = "mkdir -p target && mount -t tmpfs -o size=300m none target";
        let mut command = Command::new("unshare");
        command.args(["-rm", "sh", "-c"]);
        let root = workspace.root();
        let status = Command::new("unshare")
            .args(["-rm", "sh", "-c", mount])
            .current_dir(root)
            .status();
        if !status.as_ref().is_ok_and(|status| status.success()) {
            eprintln!("NOT TESTED: no disk can be mounted here ({status:?})");
            return None;
        }
        command.arg(format!("{mount} && exec \"$0\" \"$@\""));
        command.arg(cargo_bin!("cargo-midair"));
        Some(Self::launch(command, workspace, &[], &[]))
    }

    fn spawn(workspace: Workspace, args: &[&str], variables: &[(&str, &str)]) -> Self {
        let command = Command::new(cargo_bin!("cargo-midair"));
        Self::launch(command, workspace, args, variables)
    }

    fn launch(
        mut command: Command,
        workspace: Workspace,
        args: &[&str],
        variables: &[(&str, &str)],
    ) -> Self {
        command
            .args(["midair", "run", "--message-format", "json"])
            .current_dir(workspace.root());
        for_workspaces(&mut command);
        command.args(args);
        command.envs(variables.iter().copied());
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        Self {
            workspace,
            input: child.stdin.take().unwrap(),
            answers: lines(child.stdout.take().unwrap()),
            said: lines(child.stderr.take().unwrap()),
            child: Running(child),
        }
    }

    /// Asks it, and does not wait for an answer.
    pub(crate) fn send(&mut self, question: &str) {
        writeln!(self.input, "{question}").unwrap();
    }

    /// What the program answers.
    pub(crate) fn ask(&mut self, question: &str) -> String {
        self.send(question);
        let answer = self.answers.recv_timeout(PATIENCE);
        answer.unwrap_or_else(|e| panic!("{question}: {e}; {:#?}", self.rest()))
    }

    /// Replaces one place in one file and waits for the report.
    pub(crate) fn edit(&mut self, file: &str, from: &str, to: &str) -> Value {
        let text = self.workspace.replaced(file, from, to);
        self.workspace.write(file, &text);
        self.report()
    }

    /// The next report.
    pub(crate) fn report(&self) -> Value {
        let mut report = self.wait_for(|line| line.get("reload").is_some());
        report["reload"].take()
    }

    /// What has come of an edit: a report, or why there is none.
    #[allow(dead_code, reason = "for tests/replay.rs")]
    pub(crate) fn outcome(&self) -> Result<Value, String> {
        let failed = |line: &Value| {
            let text = line["message"].as_str()?;
            text.strip_suffix("; the old code keeps running")
                .map(str::to_owned)
        };
        let mut line = self.wait_for(|line| line.get("reload").is_some() || failed(line).is_some());
        match failed(&line) {
            Some(why) => Err(why),
            None => Ok(line["reload"].take()),
        }
    }

    /// The next message about something else.
    pub(crate) fn message(&self) -> String {
        let message = self.wait_for(|line| line.get("message").is_some());
        message["message"].as_str().unwrap().to_owned()
    }

    /// The next line of midair's that is wanted.
    pub(crate) fn wait_for(&self, wanted: impl Fn(&Value) -> bool) -> Value {
        self.wait_as_long_as(SOON, wanted)
    }

    fn wait_as_long_as(&self, patience: Duration, wanted: impl Fn(&Value) -> bool) -> Value {
        let mut seen = Vec::new();
        loop {
            match self.said.recv_timeout(patience) {
                Ok(line) => match serde_json::from_str(&line) {
                    Ok(value) if wanted(&value) => return value,
                    _ => seen.push(line),
                },
                Err(e) => panic!("{e}: {seen:#?}"),
            }
        }
    }

    /// The error that it ends with.
    pub(crate) fn error(&self) -> String {
        loop {
            match self.said.recv_timeout(PATIENCE) {
                Ok(line) if line.starts_with("error: ") => return line,
                Ok(line)
                    if ["watching", "not become live"]
                        .iter()
                        .any(|w| line.contains(w)) =>
                {
                    panic!("no error, it runs: {line}")
                }
                Ok(_) => {}
                Err(e) => panic!("no error: {e}"),
            }
        }
    }

    /// What was said on stderr and nobody has waited for.
    pub(crate) fn rest(&self) -> Vec<String> {
        self.said.try_iter().collect()
    }

    /// The next report of what was put right in the background.
    pub(crate) fn settled(&self) -> Value {
        let mut report = self.wait_for(|line| line.get("settled").is_some());
        report["settled"].take()
    }

    /// Types keys (`--interactive`).
    pub(crate) fn key(&mut self, keys: &str) {
        self.input.write_all(keys.as_bytes()).unwrap();
        self.input.flush().unwrap();
    }

    /// Waits for a message with these words.
    pub(crate) fn said(&self, words: &str) -> String {
        let has = |line: &Value| line["message"].as_str().is_some_and(|m| m.contains(words));
        self.wait_for(has)["message"].as_str().unwrap().to_owned()
    }

    /// Waits for a line on stderr with these words, which is no message of midair's.
    #[allow(dead_code, reason = "not for tests/replay.rs")]
    pub(crate) fn shown(&self, words: &str) {
        while !self.said.recv_timeout(PATIENCE).unwrap().contains(words) {}
    }

    /// Waits until the executable is linked anew.
    pub(crate) fn linked(&self) {
        self.wait_for(|line| line.get("linked").is_some());
    }

    /// Kills `cargo midair run` in a way that it cannot notice, and starts another one;
    /// the program that is an orphan now comes first.
    pub(crate) fn orphaned(mut self) -> (Orphan, Self) {
        self.child.0.kill().unwrap();
        self.child.0.wait().unwrap();
        let next = Self::with(self.workspace, &[]);
        let orphan = Orphan {
            input: self.input,
            answers: self.answers,
        };
        (orphan, next)
    }

    /// The number of `cargo midair run`.
    pub(crate) fn id(&self) -> u32 {
        self.child.0.id()
    }

    /// The number of the program that it has started.
    pub(crate) fn program_id(&self) -> u32 {
        let threads = std::fs::read_dir(format!("/proc/{}/task", self.id())).unwrap();
        let children: String = threads
            .map(|thread| std::fs::read_to_string(thread.unwrap().path().join("children")).unwrap())
            .collect();
        let mut children = children.split_whitespace();
        children.next().expect("a program").parse().unwrap()
    }

    /// Waits until it ends by itself.
    pub(crate) fn wait(mut self) -> i32 {
        self.child.ended().code().unwrap()
    }

    /// Closes the program's input and waits; its workspace.
    pub(crate) fn ended(mut self) -> Workspace {
        drop(self.input);
        assert_eq!(self.child.ended().code(), Some(0));
        self.workspace
    }

    /// Closes the program's input; its last line, and what it ends with.
    pub(crate) fn last_line(mut self) -> (String, i32) {
        drop(self.input);
        let line = self.answers.recv_timeout(PATIENCE).unwrap();
        (line, self.child.ended().code().unwrap())
    }

    /// Closes the program's input; what it ends with.
    pub(crate) fn end(mut self) -> i32 {
        drop(self.input);
        self.child.ended().code().unwrap()
    }
}

/// Gives `cargo midair …` the target and the environment that all tests use.
pub(crate) fn for_workspaces(command: &mut Command) {
    if let Some(target) = std::env::var_os("MIDAIR_RUN_TARGET") {
        command.arg("--target").arg(target);
    }
    // What cargo has set for this test is not meant for the program.
    let own = std::env::vars_os().map(|(name, _)| name);
    for name in own.filter(|name| name.to_string_lossy().starts_with("CARGO")) {
        if name != "CARGO_HOME" && !is_of_target(&name) {
            command.env_remove(name);
        }
    }
    if let Some(rustc) = std::env::var_os("MIDAIR_RUN_RUSTC") {
        command.env("RUSTC", rustc);
    }
    command
        .env_remove("RUSTFLAGS")
        .env_remove("RUSTC_WRAPPER")
        .env("NO_COLOR", "1")
        // Not among those that somebody who tests `attach` finds.
        .env("XDG_RUNTIME_DIR", runtime());
}

/// A folder for control sockets: one for all tests of this user, with a short name.
fn runtime() -> PathBuf {
    let user = std::fs::metadata("/proc/self").unwrap().uid();
    let folder = PathBuf::from(format!("/tmp/midair-tests-{user}"));
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// Whether it is a variable of cargo's about another target: its linker, its runner.
fn is_of_target(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    std::env::var("MIDAIR_RUN_TARGET").is_ok_and(|target| {
        let target = target.replace('-', "_").to_uppercase();
        name.strip_prefix("CARGO_TARGET_")
            .is_some_and(|rest| rest.starts_with(&target))
    })
}

pub(crate) fn lines(from: impl std::io::Read + Send + 'static) -> Receiver<String> {
    let (tell, lines) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            if tell.send(line).is_err() {
                return;
            }
        }
    });
    lines
}

/// The functions that are live, by the last part of their names.
pub(crate) fn redirected(report: &Value) -> Vec<String> {
    let names = report["redirected"].as_array().unwrap().iter();
    let mut names: Vec<String> = names
        .map(|name| {
            name.as_str()
                .unwrap()
                .rsplit("::")
                .next()
                .unwrap()
                .to_owned()
        })
        .collect();
    names.sort();
    names
}
