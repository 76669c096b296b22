//! The example as one works on it without midair: `cargo build`, and start it again.

use super::{Copy, Edit, client::Client, milliseconds, wait_for};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

pub(crate) struct Restarted {
    copy: Copy,
    running: Child,
}

/// Without what cargo has set for this bench.
pub(crate) fn is_started_by_hand(command: &mut Command) {
    let own = std::env::vars_os().map(|(name, _)| name);
    for name in own.filter(|name| name.to_string_lossy().starts_with("CARGO")) {
        if name != "CARGO_HOME" {
            command.env_remove(name);
        }
    }
    command.env_remove("RUSTFLAGS").env_remove("RUSTC_WRAPPER");
}

impl Restarted {
    pub(crate) fn start(copy: Copy) -> Self {
        build(&copy);
        let (running, mut client) = run(&copy);
        assert_eq!(client.post("/notes", "note"), (200, "1".to_owned()));
        Self { copy, running }
    }

    pub(crate) fn edit(&mut self, edit: Edit) -> f64 {
        let begun = Instant::now();
        let answer = self.copy.edit(edit);
        build(&self.copy);
        self.end();
        let (running, mut client) = run(&self.copy);
        self.running = running;
        wait_for(&mut client, &answer);
        milliseconds(begun.elapsed())
    }

    fn end(&mut self) {
        self.running.kill().unwrap();
        self.running.wait().unwrap();
    }
}

impl Drop for Restarted {
    fn drop(&mut self) {
        self.end();
    }
}

fn build(copy: &Copy) {
    let mut command = Command::new("cargo");
    is_started_by_hand(&mut command);
    command.args(["build", "--quiet"]).current_dir(&copy.root);
    assert!(command.status().unwrap().success());
}

fn run(copy: &Copy) -> (Child, Client) {
    let mut command = Command::new(copy.root.join("target/debug/notes"));
    command.arg("notes.db").current_dir(&copy.root);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut address = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut address)
        .unwrap();
    (child, Client::new(address.trim()))
}
