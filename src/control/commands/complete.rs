//! How a line could go on.

use super::{Answer, COMMANDS, Takes, Words, names};
use crate::control::named;
use crate::control::socket::json::Json;

/// So many ways are told.
const TOLD: usize = 100;

/// The words that could stand in the place of the last word of the text, which is
/// empty if the text ends with a space.
pub(super) fn complete(words: &Words) -> Result<Answer, String> {
    let text = words.rest(1);
    // `rest` has no spaces at its end, but the last word of JSON's `args` may.
    let text = match words.get(1) {
        Some(only) if words.len() == 2 => only,
        _ => text,
    };
    let (before, last) = match text.rfind(char::is_whitespace) {
        Some(at) => text.split_at(at + 1),
        None => ("", text),
    };
    let mut found = match before.split_whitespace().next() {
        None => with_prefix(names(), last),
        Some(command) => {
            let takes = COMMANDS.iter().find(|c| c.name == command);
            arguments(takes.map_or(Takes::Nothing, |c| c.takes), last)
        }
    };
    found.sort_unstable();
    found.dedup();
    found.truncate(TOLD);
    Ok(Answer::new(found.join("\n"), Json::texts(found)))
}

fn arguments(takes: Takes, last: &str) -> Vec<String> {
    match takes {
        Takes::Nothing => Vec::new(),
        Takes::Commands => with_prefix(names(), last),
        Takes::Symbols => symbols(last),
        Takes::Vars => with_prefix(all_names(named::vars().iter().map(|v| v.name())), last),
        Takes::Slots => with_prefix(all_names(named::slots().iter().map(|s| s.name())), last),
    }
}

fn with_prefix<'a>(names: impl IntoIterator<Item = &'a str>, prefix: &str) -> Vec<String> {
    let names = names.into_iter().filter(|name| name.starts_with(prefix));
    names.map(str::to_owned).collect()
}

/// Each name as it can be written: with its path and without.
fn all_names(names: impl Iterator<Item = &'static str>) -> Vec<&'static str> {
    names
        .flat_map(|name| [name, name.rsplit("::").next().unwrap_or(name)])
        .collect()
}

/// Functions whose path begins so, or a later part of whose path does. What has to be
/// quoted is left out.
fn symbols(prefix: &str) -> Vec<String> {
    let is_plain = |name: &str| !name.contains(char::is_whitespace) && !name.contains('"');
    if prefix.is_empty() || prefix.contains(['*', '?']) {
        return Vec::new();
    }
    let found = crate::symbols(&format!("{prefix}*")).unwrap_or_default();
    let names = found.into_iter().map(|symbol| symbol.name);
    names
        .filter(|name| name.starts_with(prefix) && is_plain(name))
        .collect()
}
