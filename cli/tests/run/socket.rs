//! A client of the control socket.

use serde_json::Value;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// Longer than a build takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

pub(crate) struct Client(BufReader<UnixStream>);

impl Client {
    pub(crate) fn connect(socket: &Path) -> Self {
        let stream = UnixStream::connect(socket).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(BufReader::new(stream))
    }

    /// The first line of the answer to a line.
    pub(crate) fn ask(&mut self, line: &str) -> String {
        writeln!(self.0.get_mut(), "{line}").unwrap();
        self.line()
    }

    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        line.trim_end_matches('\n').to_owned()
    }

    /// The answer to a command, as an editor gets it.
    pub(crate) fn command(&mut self, words: &[&str]) -> Value {
        let request = serde_json::json!({"id": 1, "command": words[0], "args": words[1..]});
        serde_json::from_str(&self.ask(&request.to_string())).unwrap()
    }
}
