//! One connection: a line in, an answer out, until the client goes.
//!
//! A line is a command and its words; `"…"` makes one word of several. The answer is
//! text, and begins with `error:` if there is no good one. An empty line and one that
//! begins with `#` have no answer. A line that begins with `{` is a request in JSON,
//! and its answer is one line of JSON:
//!
//! ```text
//! {"id":1,"command":"set","args":["MESSAGE","hi"]}    or    {"id":1,"line":"set MESSAGE hi"}
//! {"id":1,"ok":true,"text":"MESSAGE = hi","data":{…}}
//! {"id":2,"ok":false,"error":"no Var is called `MESAGE`; there is greeting::MESSAGE"}
//! ```

use super::json::Json;
use super::lines::{Line, Lines};
use crate::control::commands::{self, Answer, Words};
use std::io::{self, Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Bytes of a line.
pub(super) const LONGEST: usize = 1 << 20;

pub(super) fn talk(input: impl Read, mut output: impl Write) -> io::Result<()> {
    let mut lines = Lines::new(input, LONGEST);
    loop {
        let answer = match lines.next()? {
            Line::Whole(line) => answer(&line),
            Line::TooLong => Some(said(Err(format!("a line has more than {LONGEST} bytes")))),
            Line::Unfinished => Some(said(Err(
                "the last line has no end; it was not executed".to_owned()
            ))),
            Line::End => return Ok(()),
        };
        if let Some(answer) = answer {
            output.write_all(answer.as_bytes())?;
            output.flush()?;
        }
    }
}

/// What is said to one line.
pub(in crate::control) fn answer(line: &[u8]) -> Option<String> {
    let Ok(line) = std::str::from_utf8(line) else {
        return Some(said(Err("a line is not UTF-8".to_owned())));
    };
    let line = line.trim();
    if line.starts_with('{') {
        return Some(format!("{}\n", request(line)));
    }
    if line.is_empty() || line.starts_with('#') {
        return None;
    }
    Some(said(run(|| commands::run(&Words::parse(line)?))))
}

/// For people.
fn said(answer: Result<Answer, String>) -> String {
    let mut text = match answer {
        Ok(answer) => answer.text,
        Err(why) => format!("error: {why}"),
    };
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text
}

/// For programs.
fn request(line: &str) -> Json {
    let (id, answer) = match Json::parse(line) {
        Ok(request) => {
            let id = request.field("id").cloned().unwrap_or(Json::Null);
            (id, run(|| commands::run(&words(&request)?)))
        }
        Err(why) => (Json::Null, Err(why)),
    };
    match answer {
        Ok(answer) => Json::object([
            ("id", id),
            ("ok", Json::Bool(true)),
            ("text", Json::Text(answer.text)),
            ("data", answer.data),
        ]),
        Err(why) => Json::object([
            ("id", id),
            ("ok", Json::Bool(false)),
            ("error", Json::Text(why)),
        ]),
    }
}

fn words(request: &Json) -> Result<Words, String> {
    let usage = || {
        "a request is {\"id\":…,\"command\":\"…\",\"args\":[\"…\"]} or {\"id\":…,\"line\":\"…\"}"
            .to_owned()
    };
    if let Some(line) = request.field("line") {
        return Words::parse(line.as_text().ok_or_else(usage)?);
    }
    let command = request.field("command").and_then(Json::as_text);
    let mut words = vec![command.ok_or_else(usage)?.to_owned()];
    match request.field("args") {
        None => {}
        Some(Json::List(args)) => {
            for arg in args {
                words.push(arg.as_text().ok_or_else(usage)?.to_owned());
            }
        }
        Some(_) => return Err(usage()),
    }
    Ok(Words::of(words))
}

/// A panic (in a `FromStr` or a `Display` of the program, say) is an answer too.
fn run(command: impl FnOnce() -> Result<Answer, String>) -> Result<Answer, String> {
    catch_unwind(AssertUnwindSafe(command)).unwrap_or_else(|panic| {
        let what = panic
            .downcast_ref::<&str>()
            .map(|text| (*text).to_owned())
            .or_else(|| panic.downcast_ref::<String>().cloned());
        let what = what.unwrap_or_else(|| "something".to_owned());
        Err(format!("the command panicked: {what}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt;
    use std::str::FromStr;

    struct Panics;

    impl FromStr for Panics {
        type Err = String;
        fn from_str(text: &str) -> Result<Self, String> {
            panic!("{text} is too much");
        }
    }

    impl fmt::Display for Panics {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("as it was")
        }
    }

    crate::var! { static PANICKING: Panics = Panics }

    #[test]
    fn a_panic_of_the_programs_is_answered() {
        let ask = |line: &str| answer(line.as_bytes()).unwrap();
        let said = ask("set PANICKING this");
        assert_eq!(said, "error: the command panicked: this is too much\n");
        let said = ask(r#"{"id":1,"command":"set","args":["PANICKING","that"]}"#);
        assert!(
            said.contains(r#""ok":false"#) && said.contains("that is too much"),
            "{said}"
        );
        assert!(ask("get PANICKING").ends_with("PANICKING = as it was\n"));
    }
}
