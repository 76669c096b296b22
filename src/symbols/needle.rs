//! An identifier of a query that must be in every raw name it matches.
//!
//! Demangling all names of a large file takes a quarter of a second; looking
//! for a few literal bytes takes milliseconds. Both Rust manglings carry
//! identifiers literally (`3foo`), but not everything that a demangled name
//! shows is one: not `{closure#0}`, `impl`, `u8`, numbers, hashes, nor names
//! that are not ASCII. Where it is not certain, there is no needle and every
//! name is looked at.

use super::glob;

/// Shorter ones are found everywhere and save nothing.
const SHORTEST: usize = 3;

/// Words that demangled names show and mangled ones do not spell.
const NOT_LITERAL: &str = "as async await bool c_variadic char closure const constant constructor \
    dyn extern f128 f16 f32 f64 false fn for i128 i16 i32 i64 i8 impl invalid isize limit mut once \
    pattern reached recursion reify shim size str syntax true u128 u16 u32 u64 u8 unsafe usize \
    vtable where";

/// The longest such identifier of `query`.
pub(super) fn find(query: &str) -> Option<&str> {
    // A version is in another table.
    let query = query.split('@').next()?;
    let is_glob = glob::is_glob(query);
    // A raw Rust name is compared as it is; only LLVM's suffix may be missing.
    if !is_glob && (query.starts_with("_R") || query.starts_with("_ZN")) {
        return query
            .split('.')
            .next()
            .filter(|name| name.len() >= SHORTEST);
    }
    let mut best: Option<&str> = None;
    let mut depth = 0usize;
    let mut start = 0;
    while let Some(rest) = query.get(start..).filter(|rest| !rest.is_empty()) {
        let length = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
        if length == 0 {
            let next = rest.chars().next()?;
            match next {
                '{' | '[' | '(' | '"' | '\'' => depth += 1,
                '}' | ']' | ')' => depth = depth.saturating_sub(1),
                _ => {}
            }
            start += next.len_utf8();
            continue;
        }
        let end = start + length;
        let word = rest.get(..length)?;
        let before = query.get(..start)?;
        let after = query.get(end..)?;
        let certain = depth == 0 && is_certain(word, before, after);
        if certain && best.is_none_or(|best| best.len() < word.len()) {
            best = Some(word);
        }
        start = end;
    }
    best
}

fn is_word(character: char) -> bool {
    character == '_' || !character.is_ascii() || character.is_ascii_alphanumeric()
}

fn is_certain(word: &str, before: &str, after: &str) -> bool {
    if word.len() < SHORTEST || !word.is_ascii() || word.starts_with(|c: char| c.is_ascii_digit()) {
        return false;
    }
    let in_path = |text: &str, touches: bool| text.is_empty() || touches;
    let left = in_path(before, before.ends_with("::"));
    let right = in_path(after, after.starts_with("::"));
    let cut = before.ends_with(['*', '?']) || after.starts_with(['*', '?']);
    if cut {
        // Part of a word: it could be part of one that is not literal.
        let is_hex = word.chars().all(|c| c.is_ascii_hexdigit());
        return !is_hex && !not_literal().any(|other| other.contains(word));
    }
    (left || right) && !not_literal().any(|other| other == word)
}

fn not_literal() -> impl Iterator<Item = &'static str> {
    NOT_LITERAL.split_ascii_whitespace()
}

#[cfg(test)]
mod tests {
    use super::find;

    #[test]
    fn only_identifiers_that_are_spelled_in_mangled_names_are_chosen() {
        for (query, needle) in [
            ("malloc", Some("malloc")),
            ("demo::parse_line", Some("parse_line")),
            ("demo::parse::{closure#0}", Some("parse")),
            ("<demo::Thing as core::fmt::Display>::fmt", Some("Display")),
            ("core::str::from", Some("core")),
            ("demo[0123456789abcdef]::run", Some("demo")),
            ("demo::{closure#0}::inner_one", Some("inner_one")),
            ("a::größe", None),
            ("*closure*", None),
            ("*osur*", None),
            ("*parse*", Some("parse")),
            ("*dead*", None),
            ("*::parse_*", Some("parse_")),
            ("*", None),
            ("<u8>::*", None),
            ("memcpy@GLIBC_2.14", Some("memcpy")),
            ("_ZN4demo3runE.llvm.12", Some("_ZN4demo3runE")),
        ] {
            assert_eq!(find(query), needle, "{query}");
        }
    }
}
