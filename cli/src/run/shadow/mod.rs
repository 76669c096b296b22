//! A shadow of the sources, in which nothing moves.
//!
//! An edit that adds a line moves all functions behind it, and rustc compiles them again
//! for their debug information; one that adds a character does the same to those whose
//! places it remembers. Here the edit is kept away from them: rustc reads
//! the source as it was when it was last built, with `include!` in the place of each body
//! that is different, and is given the new bodies by another name of the same
//! file (`src/../src/main.rs`). There they stand where they stand in the new source, so
//! lines and columns are true. What rustc reads is changed by the library that is
//! preloaded into it (package `midair-overlay`); its arguments stay as they are.
//!
//! Only bodies: if anything else is different ([`bodies`]), there is no shadow, and
//! rustc reads the files. Whether other crates see of an edit is asked of the same
//! bodies ([`private`]).
//!
//! What is not true in a shadow: `file!()`, and the places of functions that
//! have moved, which are those of the last build. Both are put right when cargo has
//! built the program in the background (`session::settle`).

mod bodies;
mod private;

use super::replay;
use bodies::{Body, Source};
use std::collections::{BTreeSet, HashMap};
use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

/// More than that is no source that somebody edits.
const LARGEST: u64 = 4 << 20;

/// What the sources of a crate are, or were: the bytes of each file.
pub(crate) type Texts = HashMap<PathBuf, Arc<[u8]>>;

/// The sources as they are; none if one of them cannot be read, or is too large.
pub(crate) fn read(sources: &[PathBuf]) -> Option<Texts> {
    let text = |path: &PathBuf| {
        let len = path.metadata().ok()?.len();
        let bytes = std::fs::read(path).ok().filter(|_| len <= LARGEST)?;
        Some((path.clone(), bytes.into()))
    };
    sources.iter().map(text).collect()
}

/// What rustc is to read in place of files.
#[derive(Debug)]
pub(crate) struct Shadow {
    /// Files, and what is read in their place.
    pub(crate) files: Vec<(PathBuf, String)>,
    /// Ends of names that no file has, and what is read by these names.
    pub(crate) named: Vec<(String, String)>,
    /// Other crates see nothing of what is different.
    pub(crate) is_private: bool,
}

/// Whether all that is in `after` was so before.
pub(crate) fn is_part(after: &Texts, before: Option<&Texts>) -> bool {
    let same = |(path, text): (&PathBuf, &Arc<[u8]>)| {
        before.is_some_and(|before| before.get(path) == Some(text))
    };
    after.iter().all(same)
}

/// Whether nothing has moved from the one to the other: what is different is as long,
/// and has its line breaks at the same places.
pub(crate) fn is_in_place(built: &Texts, now: &Texts) -> bool {
    let same = |(old, new): (&u8, &u8)| (*old == b'\n') == (*new == b'\n');
    built.len() == now.len()
        && now.iter().all(|(path, new)| {
            let old = built.get(path);
            old.is_some_and(|old| old.len() == new.len() && old.iter().zip(&**new).all(same))
        })
}

/// The shadow for an edit, if it changes bodies, and nothing else.
pub(crate) fn of(built: &Texts, now: &Texts) -> Option<Shadow> {
    let shadow = find(built, now);
    // Else every text that was ever read would be kept for its spans.
    proc_macro2::extra::invalidate_current_thread_spans();
    shadow
}

fn find(built: &Texts, now: &Texts) -> Option<Shadow> {
    if built.len() != now.len() {
        return None;
    }
    let mut shadow = Shadow {
        files: Vec::new(),
        named: Vec::new(),
        is_private: true,
    };
    let mut macros = BTreeSet::new();
    let mut names: HashMap<String, usize> = HashMap::new();
    let mut paths: Vec<&PathBuf> = now.keys().collect();
    paths.sort();
    for path in paths {
        let (old, new) = (built.get(path)?, &now[path]);
        if old == new {
            continue;
        }
        let (old, new) = (
            std::str::from_utf8(old).ok()?,
            std::str::from_utf8(new).ok()?,
        );
        let (before, after) = (Source::of(old)?, Source::of(new)?);
        let mut text = old.to_owned();
        // Backwards, so that places stay.
        for n in before.changed(&after)?.into_iter().rev() {
            let (was, is) = (&before.bodies[n], &after.bodies[n]);
            let name = name(path, &mut names)?;
            text.replace_range(
                was.bytes.clone(),
                &including(&name, &old[was.bytes.clone()]),
            );
            shadow.named.push((name, alone(new, is)));
            shadow.is_private &= was.is_private && is.is_private;
            macros.extend(was.macros.iter().chain(&is.macros).cloned());
        }
        shadow.files.push((path.clone(), text));
    }
    // What has only moved is no use to hide.
    if shadow.named.is_empty() || shadow.files.len() + shadow.named.len() > replay::MOST {
        return None;
    }
    // Who looks for a name from its end finds the longest first.
    shadow
        .named
        .sort_by_key(|(name, _)| std::cmp::Reverse(name.len()));
    shadow.is_private = shadow.is_private && define_nothing(&macros, now);
    Some(shadow)
}

impl Shadow {
    /// Lets a call of rustc read it, from files in `folder`.
    pub(crate) fn apply(
        &self,
        command: &mut Command,
        library: &Path,
        folder: &Path,
    ) -> Result<(), String> {
        let files = self.files.iter().map(|(file, text)| (file.into(), text));
        let named = self.named.iter().map(|(name, text)| (name.into(), text));
        let mut list: Vec<(OsString, PathBuf)> = Vec::new();
        for (n, (name, text)) in files.chain(named).enumerate() {
            let instead = folder.join(format!("shadow-{n}.rs"));
            std::fs::write(&instead, text).map_err(|e| format!("{}: {e}", instead.display()))?;
            list.push((name, instead));
        }
        replay::read_instead(command, library, &list)
    }

    /// What rustc has said, with the names that files have.
    pub(crate) fn rename(&self, said: &str) -> String {
        let mut said = said.to_owned();
        for (name, _) in &self.named {
            let mut parts = name.rsplit('/');
            if let (Some(file), Some(folder)) = (parts.next(), parts.next()) {
                said = said.replace(&format!("{folder}/{name}"), &format!("{folder}/{file}"));
            }
        }
        said
    }
}

/// Another name of a file: through its folder, once more for each body.
fn name(path: &Path, taken: &mut HashMap<String, usize>) -> Option<String> {
    let (folder, file) = (
        path.parent()?.file_name()?.to_str()?,
        path.file_name()?.to_str()?,
    );
    if [folder, file]
        .iter()
        .any(|name| name.contains(['"', '\\', '\n']))
    {
        return None;
    }
    let times = taken.entry(format!("{folder}/{file}")).or_default();
    *times += 1;
    Some(format!("{}{file}", format!("../{folder}/").repeat(*times)))
}

/// `include!` in the place of a body, with the same line breaks at the same places if
/// there is room, else with as many.
fn including(name: &str, body: &str) -> String {
    let mut bytes: Vec<u8> = body
        .bytes()
        .map(|b| if b == b'\n' { b } else { b' ' })
        .collect();
    let pieces = [
        "include!(".to_owned(),
        format!("\"{name}\""),
        ")".to_owned(),
    ];
    let mut at = 1;
    let fits = pieces.iter().all(|piece| {
        let end = bytes.len() - 1;
        let is_free = |from: &usize| bytes[*from..*from + piece.len()].iter().all(|b| *b == b' ');
        let last = end.saturating_sub(piece.len());
        let Some(from) = (at..=last).find(is_free) else {
            return false;
        };
        bytes[from..from + piece.len()].copy_from_slice(piece.as_bytes());
        at = from + piece.len();
        true
    });
    if let (true, Some(first)) = (fits, bytes.first_mut()) {
        *first = b'{';
        if let Some(last) = bytes.last_mut() {
            *last = b'}';
        }
        if let Ok(text) = String::from_utf8(bytes) {
            return text;
        }
    }
    let mut text = format!("{{{}", pieces.concat());
    let last = body.rsplit('\n').next().unwrap_or_default();
    text.push_str(&"\n".repeat(body.matches('\n').count()));
    if body.contains('\n') {
        // Nothing can be done about a string that does not grow.
        let _ = write!(text, "{:width$}", "", width = last.chars().count() - 1);
    }
    text.push('}');
    text
}

/// A body at its place in a source without anything else.
fn alone(text: &str, body: &Body) -> String {
    let blank = |c: char| if c == '\n' { '\n' } else { ' ' };
    let mut alone: String = text[..body.bytes.start].chars().map(blank).collect();
    alone.push_str(&text[body.bytes.clone()]);
    alone.push('\n');
    alone
}

/// Whether macros with these names define nothing in a crate with these sources.
fn define_nothing(names: &BTreeSet<String>, sources: &Texts) -> bool {
    let may_rename =
        |text: &Arc<[u8]>| std::str::from_utf8(text).map_or(true, private::may_rename_macros);
    let sources = sources
        .iter()
        .filter(|(path, _)| path.extension().is_some_and(|e| e == "rs"));
    names.is_empty()
        || names.iter().all(|name| private::is_plain(name))
            && !sources.map(|(_, text)| text).any(may_rename)
}

#[cfg(test)]
mod tests;
