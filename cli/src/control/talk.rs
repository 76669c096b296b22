//! Requests and answers as lines of JSON.

use crate::error::Error;
use serde::Deserialize;
use serde_json::{Value, json};
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

pub(super) struct Connection {
    path: PathBuf,
    stream: BufReader<UnixStream>,
    requests: u64,
}

/// What the program says.
#[derive(Deserialize)]
struct Answer {
    id: Value,
    ok: bool,
    #[serde(default)]
    text: String,
    #[serde(default)]
    data: Value,
    #[serde(default)]
    error: String,
}

/// A good answer: what people read, and the same for programs.
pub(super) struct Said {
    pub(super) text: String,
    pub(super) data: Value,
}

impl Connection {
    pub(super) fn open(path: &Path) -> Result<Self, Error> {
        let path = path.to_owned();
        match UnixStream::connect(&path) {
            Ok(stream) => Ok(Self {
                path,
                stream: BufReader::new(stream),
                requests: 0,
            }),
            Err(source) => Err(Error::Talk { path, source }),
        }
    }

    /// Asks for a line that a person wrote.
    pub(super) fn line(&mut self, line: &str) -> Result<Result<Said, String>, Error> {
        self.ask(json!({ "line": line }))
    }

    /// Asks for a command and its words.
    pub(super) fn words(&mut self, words: &[String]) -> Result<Result<Said, String>, Error> {
        let (command, args) = words.split_first().unzip();
        self.ask(json!({ "command": command, "args": args.unwrap_or_default() }))
    }

    fn ask(&mut self, mut request: Value) -> Result<Result<Said, String>, Error> {
        self.requests += 1;
        request["id"] = self.requests.into();
        let answer = self.exchange(&request).map_err(|source| Error::Talk {
            path: self.path.clone(),
            source,
        })?;
        if answer.ok {
            let Answer { text, data, .. } = answer;
            return Ok(Ok(Said { text, data }));
        }
        Ok(Err(answer.error))
    }

    fn exchange(&mut self, request: &Value) -> io::Result<Answer> {
        let mut line = request.to_string();
        line.push('\n');
        self.stream.get_mut().write_all(line.as_bytes())?;
        let mut line = String::new();
        if self.stream.read_line(&mut line)? == 0 {
            return Err(io::Error::other(
                "the program has ended, or closed the connection",
            ));
        }
        // Why a connection is closed is said before anything is asked.
        let answer: Answer =
            serde_json::from_str(&line).map_err(|_| io::Error::other(line.trim().to_owned()))?;
        if answer.id != request["id"] {
            return Err(io::Error::other("the answer is to another request"));
        }
        Ok(answer)
    }
}
