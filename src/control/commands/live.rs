//! Code that goes live: `reload`, `undo`, `eval`.
//!
//! What these need, sources and a compiler, `cargo midair run` has: it is asked.

use super::{Answer, Words, usage};
use crate::control::socket::json::Json;
use crate::reload::developer;
use crate::reload::protocol::Question;

pub(super) fn reload(words: &Words) -> Result<Answer, String> {
    match (words.get(1), words.len()) {
        (file, 1..=2) => ask(&Question::Reload(file.unwrap_or_default().to_owned())),
        _ => Err(usage(words)),
    }
}

pub(super) fn undo(words: &Words) -> Result<Answer, String> {
    match words.len() {
        1 => ask(&Question::Undo),
        _ => Err(usage(words)),
    }
}

pub(super) fn eval(words: &Words) -> Result<Answer, String> {
    let is_written = words.get(1) == Some("--write");
    let definition = words.rest(if is_written { 2 } else { 1 });
    if definition.is_empty() {
        return Err(usage(words));
    }
    ask(&Question::Eval {
        definition: definition.to_owned(),
        is_written,
    })
}

/// The sources whose names end so, for completion.
pub(super) fn sources(prefix: &str) -> Vec<String> {
    // Nobody asks why there is nothing to choose from.
    let Ok(answer) = ask(&Question::Sources) else {
        return Vec::new();
    };
    let names = answer.text.lines().map(str::to_owned);
    names.filter(|name| name.starts_with(prefix)).collect()
}

fn ask(question: &Question) -> Result<Answer, String> {
    let told = developer::ask(question).map_err(|unheard| unheard.to_string())?;
    if !told.is_done {
        return Err(told.text);
    }
    let data = match told.data.as_str() {
        "" => Json::Null,
        data => Json::parse(data)?,
    };
    Ok(Answer::new(told.text, data))
}
