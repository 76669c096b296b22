//! `repl`: lines with history and completion, by rustyline.
//!
//! Completion asks the program, over a connection of its own. A definition for `eval` may
//! have several lines: it goes on while a bracket is open, until an empty line. The history is that of
//! all programs, in `$XDG_STATE_HOME/midair/history` or
//! `~/.local/state/midair/history`.

use super::attach::with_end;
use super::choose::choose;
use super::talk::Connection;
use crate::args::Repl;
use crate::error::Error;
use crate::output;
use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::history::DefaultHistory;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{CompletionType, Config, Context, Editor, Helper, Highlighter, Hinter};
use std::cell::RefCell;
use std::path::PathBuf;
use std::process::ExitCode;

/// Knows how a line could go on.
#[derive(Helper, Highlighter, Hinter)]
struct Asks(RefCell<Connection>);

impl Completer for Asks {
    type Candidate = String;

    fn complete(
        &self,
        line: &str,
        at: usize,
        _: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<String>)> {
        let before = &line[..at];
        let word = before
            .rsplit(char::is_whitespace)
            .next()
            .map_or(0, |word| at - word.len());
        let request = ["complete", before].map(str::to_owned);
        // A program that is gone is noticed by the next line; there is no way to say
        // so here.
        let said = self.0.borrow_mut().words(&request);
        let found = match said {
            Ok(Ok(said)) => serde_json::from_value(said.data).unwrap_or_default(),
            _ => Vec::new(),
        };
        Ok((word, found))
    }
}

impl Validator for Asks {
    fn validate(&self, context: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        Ok(match goes_on(context.input()) {
            true => ValidationResult::Incomplete,
            false => ValidationResult::Valid(None),
        })
    }
}

/// Whether a definition has not come to its end.
fn goes_on(typed: &str) -> bool {
    let Some(definition) = typed.trim_start().strip_prefix("eval ") else {
        return false;
    };
    let count = |bracket| definition.matches(bracket).count();
    let is_open = |(open, close)| count(open) > count(close);
    // Those in strings and comments do not count for who knows Rust.
    !definition.ends_with('\n')
        && [('{', '}'), ('(', ')'), ('[', ']')]
            .into_iter()
            .any(is_open)
        && definition.parse::<proc_macro2::TokenStream>().is_err()
}

pub(crate) fn run(args: &Repl) -> Result<ExitCode, Error> {
    let terminal = |error: ReadlineError| Error::Terminal {
        why: error.to_string(),
    };
    let socket = choose(args.program.as_deref())?;
    let mut connection = Connection::open(&socket.path)?;
    let config = Config::builder()
        .completion_type(CompletionType::List)
        .completion_show_all_if_ambiguous(true)
        .auto_add_history(true)
        .build();
    let mut editor: Editor<Asks, DefaultHistory> = Editor::with_config(config).map_err(terminal)?;
    editor.set_helper(Some(Asks(RefCell::new(Connection::open(&socket.path)?))));
    let history = history();
    if let Some(history) = history.as_ref().filter(|history| history.exists()) {
        editor.load_history(history).map_err(terminal)?;
    }
    let prompt = format!("{}> ", socket.name);
    loop {
        let line = match editor.readline(&prompt) {
            Ok(line) => line,
            Err(ReadlineError::Interrupted) => continue,
            Err(ReadlineError::Eof) => break,
            Err(error) => return Err(terminal(error)),
        };
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if ["exit", "quit"].contains(&line) {
            break;
        }
        match connection.line(line)? {
            Ok(said) => output::print(&with_end(said.text))?,
            Err(why) => output::print(&format!(
                "{}: {why}\n",
                output::styled(output::BAD, "error")
            ))?,
        }
    }
    if let Some(history) = history {
        if let Some(folder) = history.parent() {
            std::fs::create_dir_all(folder).map_err(|e| terminal(e.into()))?;
        }
        editor.save_history(&history).map_err(terminal)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Where the history is; nowhere for a user without a home.
fn history() -> Option<PathBuf> {
    let absolute = |name| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|p| p.is_absolute())
    };
    let state = absolute("XDG_STATE_HOME").or_else(|| Some(absolute("HOME")?.join(".local/state")));
    Some(state?.join("midair/history"))
}

#[cfg(test)]
mod tests {
    use super::goes_on;

    #[test]
    fn a_definition_goes_on_while_a_bracket_is_open() {
        assert!(goes_on("eval fn a("));
        assert!(goes_on("eval fn a(\n    b: [u8; 2],"));
        assert!(goes_on("eval fn a() {"));
        assert!(goes_on(" eval --write fn a() {\n    if b { 1"));
        assert!(!goes_on("eval fn a() {\n    1\n}"));
        assert!(!goes_on("eval fn a() { println!(\"{{ {\") }"));
        assert!(!goes_on("eval fn a() {\n"), "an empty line ends it");
        assert!(!goes_on("eval fn a() }"));
        assert!(!goes_on("set MESSAGE {"));
    }
}
