//! What a query matches.
//!
//! A name without wildcards matches a symbol if it is its raw name, or its
//! demangled name with or without hash. Written without generic arguments it
//! matches every instance of a generic function too. A glob matches the raw
//! name and the demangled one.

use memchr::memmem::Finder;

use super::names::{self, RawName};
use super::{glob, needle};

/// How well a name matches; the first is the best.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    /// It is the raw name.
    Raw,
    /// It is the demangled name.
    Demangled,
    /// It is the raw name, but of a version kept for old programs.
    OldVersion,
}

/// A query, ready to be compared with many names.
#[derive(Debug)]
pub(super) struct Pattern {
    text: String,
    is_glob: bool,
    /// The text without generic arguments, if it has none: matches instances.
    generic: Option<String>,
    /// Whether it could be a name that shows its hash.
    shows_hash: bool,
    needle: Option<Finder<'static>>,
}

impl Pattern {
    pub(super) fn new(text: &str) -> Pattern {
        let plain = names::without_generics(text);
        // `<T>::m` loses its brackets only; `T::<u8>` loses more. In a glob a
        // bracket may be closed by what a star stands for.
        let count = |text: &str, wanted: char| text.chars().filter(|c| *c == wanted).count();
        let letters = |text: &str| text.len() - count(text, '<') - count(text, '>');
        let is_glob = glob::is_glob(text);
        let has_arguments = letters(&plain) != letters(text)
            || count(text, '<') != count(text, '>')
            || is_glob && text.contains('<');
        Pattern {
            text: text.to_owned(),
            is_glob,
            generic: (!has_arguments).then(|| plain.into_owned()),
            shows_hash: text.contains('[') || text.contains("::h"),
            needle: needle::find(text).map(|needle| Finder::new(needle.as_bytes()).into_owned()),
        }
    }

    /// Bytes that every matching raw name contains.
    pub(super) fn needle(&self) -> Option<&Finder<'static>> {
        self.needle.as_ref()
    }

    /// How `name` matches, if it does. `buffer` is scratch space.
    pub(super) fn rank(&self, name: &RawName<'_>, buffer: &mut String) -> Option<Rank> {
        if self.matches_raw(name) {
            let is_old = name.is_old && !self.text.contains('@');
            return Some(if is_old { Rank::OldVersion } else { Rank::Raw });
        }
        // Both manglings begin so; saves trying on every name of C.
        if !name.base.starts_with('_') {
            return None;
        }
        if !names::demangle_into(&name.base, false, buffer) {
            return None;
        }
        let matches = self.is(buffer)
            || self.generic.as_ref().is_some_and(|generic| {
                let plain = names::without_generics(buffer);
                if self.is_glob {
                    glob::matches(generic, &plain)
                } else {
                    *generic == plain
                }
            })
            || self.shows_hash && names::demangle_into(&name.base, true, buffer) && self.is(buffer);
        matches.then_some(Rank::Demangled)
    }

    fn is(&self, name: &str) -> bool {
        if self.is_glob {
            glob::matches(&self.text, name)
        } else {
            self.text == name
        }
    }

    fn matches_raw(&self, name: &RawName<'_>) -> bool {
        if self.is(&name.base) {
            return true;
        }
        if let Some((base, version)) = self.text.split_once('@') {
            let version = version.strip_prefix('@').unwrap_or(version);
            return base == name.base && name.version.as_deref() == Some(version);
        }
        let short = names::without_llvm_suffix(&name.base);
        short.len() < name.base.len() && self.is(short)
    }
}
