//! `Var`s.

use super::{Answer, Words, usage};
use crate::control::named;
use crate::control::socket::json::Json;
use crate::control::var::Variable;
use std::fmt::Write as _;

fn of_var(var: &dyn Variable) -> Json {
    Json::object([
        ("name", Json::text(var.name())),
        ("type", Json::text(var.type_name())),
        ("value", Json::Text(var.text())),
    ])
}

fn said(var: &dyn Variable) -> Answer {
    Answer::new(format!("{} = {}", var.name(), var.text()), of_var(var))
}

pub(super) fn get(words: &Words) -> Result<Answer, String> {
    let (Some(name), 2) = (words.get(1), words.len()) else {
        return Err(usage(words));
    };
    Ok(said(named::var(name)?))
}

pub(super) fn set(words: &Words) -> Result<Answer, String> {
    let (Some(name), true) = (words.get(1), words.len() > 2) else {
        return Err(usage(words));
    };
    let var = named::var(name)?;
    let text = words.value(2);
    var.set(text).map_err(|why| {
        format!(
            "`{text}` is no {}: {why}; {} is still {}",
            var.type_name(),
            var.name(),
            var.text()
        )
    })?;
    Ok(said(var))
}

pub(super) fn vars(words: &Words) -> Result<Answer, String> {
    if words.len() != 1 {
        return Err(usage(words));
    }
    let mut all = named::vars();
    all.sort_by_key(|var| var.name());
    let mut text = String::new();
    for var in &all {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{}: {} = {}", var.name(), var.type_name(), var.text());
    }
    if all.is_empty() {
        text.push_str("there is no Var in this program\n");
    }
    let data = Json::List(all.iter().map(|var| of_var(*var)).collect());
    Ok(Answer::new(text, data))
}
