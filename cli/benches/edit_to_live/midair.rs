//! The example under `cargo midair run`.

use super::{Copy, Edit, client::Client, milliseconds, wait_for};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(300);

pub(crate) struct Live {
    copy: Copy,
    child: Child,
    said: Receiver<Value>,
    client: Client,
}

/// One edit.
pub(crate) struct Sample {
    /// Until a client has seen it.
    pub(crate) seen: f64,
    report: Value,
}

impl Sample {
    pub(crate) fn part(&self, name: &str) -> f64 {
        self.report["milliseconds"][name].as_f64().unwrap()
    }
}

impl Live {
    pub(crate) fn start(copy: Copy) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cargo-midair"));
        command.args([
            "midair",
            "run",
            "--message-format",
            "json",
            "--",
            "notes.db",
        ]);
        super::restart::is_started_by_hand(&mut command);
        command.current_dir(&copy.root).stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (tell, said) = channel();
        let errors = BufReader::new(child.stderr.take().unwrap());
        std::thread::spawn(move || {
            for line in errors.lines().map_while(Result::ok) {
                match serde_json::from_str(&line) {
                    Ok(value) => drop(tell.send(value)),
                    Err(_) => eprintln!("{line}"),
                }
            }
        });
        let mut address = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut address)
            .unwrap();
        let mut client = Client::new(address.trim());
        assert_eq!(client.post("/notes", "note"), (200, "1".to_owned()));
        let live = Self {
            copy,
            child,
            said,
            client,
        };
        live.wait_for(|line| {
            line["message"]
                .as_str()
                .is_some_and(|m| m.contains("watching"))
        });
        live
    }

    pub(crate) fn edit(&mut self, edit: Edit) -> Sample {
        let begun = Instant::now();
        let answer = self.copy.edit(edit);
        wait_for(&mut self.client, &answer);
        let seen = milliseconds(begun.elapsed());
        let mut report = self.wait_for(|line| line.get("reload").is_some());
        self.wait_for(|line| line.get("linked").is_some());
        // What is linked may be made live for its lines.
        std::thread::sleep(Duration::from_millis(100));
        let report = report["reload"].take();
        Sample { seen, report }
    }

    fn wait_for(&self, wanted: impl Fn(&Value) -> bool) -> Value {
        loop {
            let line = self.said.recv_timeout(PATIENCE).unwrap();
            if wanted(&line) {
                return line;
            }
        }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        let id = self.child.id().to_string();
        let _ = Command::new("kill").arg(id).status();
        let _ = self.child.wait();
    }
}
