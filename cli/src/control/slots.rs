//! All `Slot`s of a program, restarted by a key of `cargo midair run`.

use super::talk::Connection;
use crate::error::Error;
use std::path::Path;

/// Stops and starts them one after the other; how it went, in words.
pub(crate) fn restart(socket: &Path) -> Result<String, Error> {
    let mut connection = Connection::open(socket)?;
    let words = |words: &[&str]| -> Vec<String> { words.iter().map(|w| (*w).to_owned()).collect() };
    let listed = match connection.words(&words(&["slots"]))? {
        Ok(said) => said,
        Err(why) => return Ok(why),
    };
    let all = listed.data.as_array().into_iter().flatten();
    let names: Vec<&str> = all.filter_map(|slot| slot["name"].as_str()).collect();
    if names.is_empty() {
        return Ok(listed.text.trim_end().to_owned());
    }
    let mut texts = Vec::new();
    for name in names {
        let restarted = connection.words(&words(&["restart", name]))?;
        let text = restarted.map_or_else(|why| why, |said| said.text);
        texts.push(text.trim_end().replace('\n', ", "));
    }
    Ok(texts.join("; "))
}
