//! A shadow of the sources, in which nothing moves.
//!
//! An edit that adds a line moves all functions behind it, and rustc compiles them again
//! for their debug information; one that adds a character does the same to those whose
//! places it remembers. Here the edit is kept away from them: rustc reads
//! the source as it was when it was last built, with `include!` in the place of each body
//! that is different, and is given the new bodies by names that no file has
//! ([`called`]). There they stand where they stand in the new source, so
//! lines and columns are true, and rustc writes the names that the files have.
//! What rustc reads is changed by the library that is
//! preloaded into it (package `midair-overlay`); its arguments stay as they are.
//!
//! Only bodies: if anything else is different ([`bodies`]), there is no shadow, and
//! rustc reads the files. Nor is there one where somebody would notice: where code asks for
//! lines that have moved, or a macro reads sources by itself, which is noticed then.
//! Whether other crates see of an edit is asked of the same bodies ([`private`]).
//!
//! What is not true in a shadow are the places of functions that
//! have moved, which are those of the last build. They are put right when the crate has
//! been built in the background (`session::settle`).

mod bodies;
pub(crate) mod called;
mod private;

use super::capture::Capture;
use super::{crates, replay};
use bodies::{Body, Source};
use called::Called;
use std::collections::{BTreeSet, HashMap};
use std::ffi::OsString;
use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

/// A file that tells that sources were read as they are.
const MARK: &str = "shadow-seen";
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
    /// Names that no file has, and what is read by these names.
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
pub(crate) fn of(built: &Texts, now: &Texts, called: &Called, known: &mut Known) -> Option<Shadow> {
    let shadow = find(built, now, called, known);
    // They keep the texts of all that was parsed.
    proc_macro2::extra::invalidate_current_thread_spans();
    shadow
}

fn find(built: &Texts, now: &Texts, called: &Called, known: &mut Known) -> Option<Shadow> {
    if built.len() != now.len() {
        return None;
    }
    let mut shadow = Shadow {
        files: Vec::new(),
        named: Vec::new(),
        is_private: true,
    };
    let mut macros = BTreeSet::new();
    let mut has_moved = false;
    let includes = Includes::of(now, known);
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
        let changed = before.changed(&after)?;
        let pair = |n: &usize| (&before.bodies[*n], &after.bodies[*n]);
        has_moved |= moves(old, new, changed.iter().map(pair));
        let mut text = old.to_owned();
        // Backwards, so that places stay.
        for (number, n) in changed.iter().rev().enumerate() {
            let (was, is) = pair(n);
            let name = called.name(path, number + 1)?;
            let including = includes.put(&name, old, was)?;
            text.replace_range(was.bytes.clone(), &including);
            shadow.named.push((name, alone(new, is)?));
            shadow.is_private &= was.is_private && is.is_private;
            macros.extend(was.macros.iter().chain(&is.macros).cloned());
        }
        shadow.files.push((path.clone(), text));
    }
    // What has only moved is no use to hide.
    if shadow.named.is_empty() || shadow.files.len() + shadow.named.len() > replay::MOST {
        return None;
    }
    let sources = now.iter().filter(|(path, _)| is_rust(path));
    for text in sources.map(|(_, text)| std::str::from_utf8(text).ok()) {
        if has_moved && asks_for_lines(text?) {
            return None;
        }
    }
    shadow.is_private = shadow.is_private && define_nothing(&macros, now, known);
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
        let mark = folder.join(MARK);
        match std::fs::remove_file(&mark) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                Err(format!("{}: {e}", mark.display()))
            }
            _ => replay::read_instead(command, library, &mark, &list),
        }
    }

    /// Whether rustc has read it in the build that has just been made. (That a library
    /// cannot be preloaded is none of rustc's business.)
    pub(crate) fn was_read(&self, capture: &Capture) -> bool {
        let read = crates::read(capture);
        let was_read = |name: &String| read.iter().any(|(read, _)| read == name);
        self.named.iter().all(|(name, _)| was_read(name))
    }

    /// Whether somebody else has read the files meanwhile.
    pub(crate) fn was_seen(folder: &Path) -> bool {
        folder.join(MARK).exists()
    }
}

/// How wide rustc takes a line to be: to it a tab has four columns, and a character may
/// have none or two.
#[derive(PartialEq, Eq)]
enum Width {
    Columns(usize),
    OfText(String),
}

impl Width {
    fn of(line: &str) -> Self {
        let columns = line.len() + 3 * line.matches('\t').count();
        match line.is_ascii() {
            true => Self::Columns(columns),
            false => Self::OfText(line.to_owned()),
        }
    }
}

/// Whether code that is no part of these bodies, old and new, has other lines or columns.
fn moves<'a>(old: &str, new: &str, bodies: impl Iterator<Item = (&'a Body, &'a Body)>) -> bool {
    let (mut from, mut to) = (0, 0);
    for (was, is) in bodies {
        let shape = |text: &str| {
            let last = text.rsplit('\n').next().unwrap_or_default();
            (text.matches('\n').count(), Width::of(last))
        };
        let (before, after) = (&old[was.bytes.clone()], &new[is.bytes.clone()]);
        if old[from..was.bytes.start] != new[to..is.bytes.start] || shape(before) != shape(after) {
            return true;
        }
        (from, to) = (was.bytes.end, is.bytes.end);
    }
    old[from..] != new[to..]
}

/// Whether the places of code may be values in a crate with this source.
fn asks_for_lines(text: &str) -> bool {
    let words = ["line!", "column!", "Location", "track_caller"];
    words.iter().any(|word| text.contains(word))
}

fn is_rust(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "rs")
}

/// How a body is included.
struct Includes {
    /// A macro of the crate's own may have the short name.
    is_long: bool,
}

impl Includes {
    fn of(sources: &Texts, known: &mut Known) -> Self {
        Self {
            is_long: known.may_rename_macros(sources),
        }
    }

    /// `include!` in the place of a body of `text`, with the same line breaks at the same
    /// places if there is room, else with as many; and then nothing may follow on its line.
    fn put(&self, name: &str, text: &str, body: &Body) -> Option<String> {
        let rest = text[body.bytes.end..].lines().next().unwrap_or_default();
        let rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == '}');
        let is_last = rest.is_empty() || rest.starts_with("//");
        let body = &text[body.bytes.clone()];
        let last = body.rsplit('\n').next().unwrap_or_default();
        let path = match self.is_long {
            true => &["::", "core", "::", "include", "!"][..],
            false => &["include", "!"],
        };
        let quoted = format!("\"{name}\"");
        let tokens: Vec<&str> = path.iter().copied().chain(["(", &quoted, ")"]).collect();
        if (last.is_ascii() || is_last)
            && let Some(text) = fitted(&tokens, body)
        {
            return Some(text);
        }
        if !is_last {
            return None;
        }
        let mut text = format!("{{{}", tokens.concat());
        text.extend(body.matches(['\n', '\r']));
        if body.contains('\n') {
            // Nothing can be done about a string that does not grow.
            let _ = write!(text, "{:width$}", "", width = last.chars().count() - 1);
        }
        text.push('}');
        Some(text)
    }
}

/// These tokens in braces, where the body has no line breaks and tabs; none if there is no
/// room.
fn fitted(tokens: &[&str], body: &str) -> Option<String> {
    let stays = |byte: u8| matches!(byte, b'\n' | b'\r' | b'\t');
    let blank = |byte| if stays(byte) { byte } else { b' ' };
    let mut bytes: Vec<u8> = body.bytes().map(blank).collect();
    let end = bytes.len().checked_sub(1)?;
    let mut at = 1;
    for token in tokens {
        let mut starts = at..=end.checked_sub(token.len())?;
        let is_free = |from: &usize| bytes[*from..*from + token.len()].iter().all(|b| *b == b' ');
        let from = starts.find(is_free)?;
        at = from + token.len();
        bytes[from..at].copy_from_slice(token.as_bytes());
    }
    *bytes.first_mut()? = b'{';
    *bytes.last_mut()? = b'}';
    String::from_utf8(bytes).ok()
}

/// A body at its place in a source without anything else. None if it would be in another
/// column.
fn alone(text: &str, body: &Body) -> Option<String> {
    let before = &text[..body.bytes.start];
    if !before.rsplit('\n').next().unwrap_or_default().is_ascii() {
        return None;
    }
    let blank = |c: char| {
        if matches!(c, '\n' | '\r' | '\t') {
            c
        } else {
            ' '
        }
    };
    let mut alone: String = before.chars().map(blank).collect();
    alone.push_str(&text[body.bytes.clone()]);
    alone.push('\n');
    Some(alone)
}

/// Whether macros with these names define nothing in a crate with these sources.
fn define_nothing(names: &BTreeSet<String>, sources: &Texts, known: &mut Known) -> bool {
    names.is_empty()
        || names.iter().all(|name| private::is_plain(name)) && !known.may_rename_macros(sources)
}

/// What is known of texts, by their hashes: to parse all sources for each edit takes long.
#[derive(Default)]
pub(crate) struct Known {
    may_rename: HashMap<u64, bool>,
}

impl Known {
    /// Whether a macro with a name of the standard library's may be another one.
    fn may_rename_macros(&mut self, sources: &Texts) -> bool {
        let sources = sources.iter().filter(|(path, _)| is_rust(path));
        let mut seen = HashMap::new();
        let mut may = false;
        for (_, text) in sources {
            let mut hasher = DefaultHasher::new();
            text.hash(&mut hasher);
            let hash = hasher.finish();
            let answer = self.may_rename.get(&hash).copied().unwrap_or_else(|| {
                let text = std::str::from_utf8(text);
                text.map_or(true, private::may_rename_macros)
            });
            seen.insert(hash, answer);
            may |= answer;
        }
        // Those that are no more are forgotten.
        self.may_rename = seen;
        may
    }
}

#[cfg(test)]
mod tests;
