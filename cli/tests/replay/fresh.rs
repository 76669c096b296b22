//! A fresh start: cargo builds what is on disk, and the program is asked once.

use std::collections::HashMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::tree::Tree;

/// What a question or an answer looks like in a pipe.
pub(crate) fn line(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Builds of the workspace in `root`, apart from those that midair runs.
pub(crate) struct Fresh {
    root: PathBuf,
    target: PathBuf,
    questions: String,
    known: HashMap<String, Vec<String>>,
}

impl Fresh {
    pub(crate) fn new(root: &Path, questions: &[String]) -> Self {
        Self {
            root: root.to_owned(),
            target: root.join("target/fresh"),
            questions: questions.join("\n") + "\n",
            known: HashMap::new(),
        }
    }

    /// The answers of the program with `tree`, which is what is on disk.
    pub(crate) fn answers(&mut self, tree: &Tree) -> &[String] {
        let key = format!("{:?}", tree.0);
        if !self.known.contains_key(&key) {
            let answers = self.build_and_ask();
            self.known.insert(key.clone(), answers);
        }
        &self.known[&key]
    }

    fn build_and_ask(&self) -> Vec<String> {
        let mut build = Command::new("cargo");
        build
            .args(["build", "--quiet", "--locked", "--target-dir"])
            .arg(&self.target);
        build.current_dir(&self.root).env("RUSTFLAGS", "-Awarnings");
        build.env_remove("CARGO_INCREMENTAL");
        assert!(build.status().unwrap().success());
        // Some versions do not come to an end with some questions.
        let mut program = Command::new("timeout")
            .arg("100")
            .arg(self.target.join("debug/driver"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = program.stdin.take().unwrap();
        let output = std::thread::scope(|scope| {
            scope.spawn(move || input.write_all(self.questions.as_bytes()).unwrap());
            program.wait_with_output().unwrap()
        });
        assert!(output.status.success());
        let answers = String::from_utf8(output.stdout).unwrap();
        answers.lines().map(str::to_owned).collect()
    }
}
