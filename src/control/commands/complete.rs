//! How a line could go on.

use super::{Answer, COMMANDS, Takes, Words, live, names};
use crate::control::socket::json::Json;
use crate::control::{copies, named};
use crate::symbols::Symbol;

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
    // Some spaces are longer than a byte.
    let last = text.rsplit(char::is_whitespace).next().unwrap_or(text);
    let before = &text[..text.len() - last.len()];
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
        Takes::Symbols => symbols(last).map(|symbol| symbol.name).collect(),
        Takes::Definitions => symbols(last)
            .filter(is_defined)
            .map(|symbol| symbol.name)
            .collect(),
        Takes::Vars => {
            let own = named::vars().into_iter().map(|var| var.name().to_owned());
            either_name(own.chain(copies::names("vars")), last)
        }
        Takes::Slots => {
            let own = named::slots()
                .into_iter()
                .map(|slot| slot.name().to_owned());
            either_name(own.chain(copies::names("slots")), last)
        }
        Takes::Sources => live::sources(last),
    }
}

fn with_prefix<'a>(names: impl IntoIterator<Item = &'a str>, prefix: &str) -> Vec<String> {
    let names = names.into_iter().filter(|name| name.starts_with(prefix));
    names.map(str::to_owned).collect()
}

/// Each name as it can be written: with its path and without.
fn either_name(names: impl Iterator<Item = String>, prefix: &str) -> Vec<String> {
    let all: Vec<String> = names
        .flat_map(|name| {
            let last = name.rsplit("::").next().unwrap_or(&name).to_owned();
            [name, last]
        })
        .collect();
    with_prefix(all.iter().map(String::as_str), prefix)
}

/// Functions whose path begins so, or a later part of whose path does. What has to be
/// quoted is left out.
fn symbols(prefix: &str) -> impl Iterator<Item = Symbol> {
    let is_plain = |name: &str| !name.contains(char::is_whitespace) && !name.contains('"');
    let found = match prefix.is_empty() || prefix.contains(['*', '?']) {
        true => Vec::new(),
        false => crate::symbols(&format!("{prefix}*")).unwrap_or_default(),
    };
    let found = found.into_iter();
    found.filter(move |it| it.name.starts_with(prefix) && is_plain(&it.name))
}

/// Whether it is Rust, and has a name in its source: no closure, nothing in a `const _`.
fn is_defined(symbol: &Symbol) -> bool {
    let is_name = |part: &str| part != "_" && !part.contains(['{', '<', '>', '#', '.']);
    symbol.name != symbol.raw_name
        && symbol.name.contains("::")
        && symbol.name.split("::").all(is_name)
}
