//! Names of types in debug information against those of [`std::any::type_name`].
//!
//! Both write full paths. They differ in lifetimes (which debug information has
//! not), in generic arguments that are defaults (which `type_name` leaves out),
//! and in how closures, futures, `dyn` types and function pointers are written.

use super::signature::Comparison;

/// Arguments that are defaults, and where they are the last of their list.
const DEFAULTS: [&str; 2] = ["alloc::alloc::Global", "std::hash::random::RandomState"];

/// Whether `described`, a name of debug information, is the type `type_name`.
pub(super) fn compare(described: &str, type_name: &str) -> Comparison {
    let (own, its) = (normal(described), normal(type_name));
    if own == its {
        // All closures of a function, and all its futures, are called alike.
        return if its.contains('{') {
            Comparison::NotComparable
        } else {
            Comparison::Equal
        };
    }
    // Where one may write more or other things than the other.
    let is_unclear = |name: &str| {
        ["{", "dyn ", "fn(", "?", "impl "]
            .iter()
            .any(|p| name.contains(p))
    };
    if is_unclear(&own) || is_unclear(&its) || differ_in_number(&own, &its) {
        Comparison::NotComparable
    } else {
        Comparison::Different
    }
}

/// Whether the names have the same first path, and lists of arguments of other
/// lengths: some may be defaults.
fn differ_in_number(own: &str, its: &str) -> bool {
    let path = |name: &str| name.split('<').next().unwrap_or(name).to_owned();
    path(own) == path(its) && commas(own) != commas(its)
}

fn commas(name: &str) -> usize {
    name.bytes().filter(|byte| *byte == b',').count()
}

/// A name without spaces that need not be, lifetimes and known defaults.
fn normal(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    let mut rest = without_binders(name);
    loop {
        let rest_of = rest.as_str();
        let Some(first) = rest_of.chars().next() else {
            break;
        };
        let after = &rest_of[first.len_utf8()..];
        let next = match first {
            '\'' if !is_character(after) => {
                // With the space or the comma that separates it.
                let end = after.find(|c: char| c != '_' && !c.is_alphanumeric());
                let after = &after[end.unwrap_or(after.len())..];
                after.trim_start_matches([' ', ','])
            }
            ' ' if !between_words(&out, after) => after,
            _ => {
                out.push(first);
                after
            }
        };
        rest = next.to_owned();
    }
    for default in DEFAULTS {
        out = out.replace(&format!(",{default}>"), ">");
    }
    // A tuple of one is `(u32,)` or `(u32)`.
    out.replace("<>", "").replace(",>", ">").replace(",)", ")")
}

/// Whether a quote begins a character (`'a'`) and no lifetime.
fn is_character(after: &str) -> bool {
    let mut characters = after.chars();
    characters.next() == Some('\\') || characters.next() == Some('\'')
}

/// Whether the space separates two words, as in `*mut u8`.
fn between_words(before: &str, after: &str) -> bool {
    let is_word = |c: char| c == '_' || c.is_alphanumeric();
    let begins = after
        .chars()
        .next()
        .is_some_and(|c| is_word(c) || "&*([<{\"".contains(c));
    before.ends_with(is_word) && begins
}

/// Without `for<'a>`.
fn without_binders(name: &str) -> String {
    let mut out = String::new();
    let mut rest = name;
    while let Some(start) = rest.find("for<'") {
        let end = rest[start..]
            .find('>')
            .map_or(rest.len(), |end| start + end + 1);
        out.push_str(&rest[..start]);
        rest = rest[end..].trim_start();
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::{Comparison, compare};

    #[test]
    fn names_agree_where_they_mean_the_same() {
        for (described, type_name) in [
            ("u32", "u32"),
            ("&str", "&str"),
            ("(u32, u32)", "(u32, u32)"),
            ("*mut u8", "*mut u8"),
            (
                "core::option::Option<&mut u8>",
                "core::option::Option<&mut u8>",
            ),
            (
                "alloc::vec::Vec<u8, alloc::alloc::Global>",
                "alloc::vec::Vec<u8>",
            ),
            ("core::fmt::Formatter", "core::fmt::Formatter<'_>"),
            ("&core::fmt::Formatter", "&'a core::fmt::Formatter<'_>"),
            ("alloc::borrow::Cow<str>", "alloc::borrow::Cow<'_, str>"),
            ("fn(&u8) -> u8", "for<'a> fn(&'a u8) -> u8"),
        ] {
            assert_eq!(
                compare(described, type_name),
                Comparison::Equal,
                "{described}"
            );
        }
    }

    #[test]
    fn what_cannot_be_known_is_neither_equal_nor_different() {
        for (described, type_name) in [
            ("demo::f::{closure_env#0}", "demo::f::{{closure}}"),
            (
                "&dyn core::any::Any",
                "&(dyn core::any::Any + core::marker::Send)",
            ),
            ("demo::Held<u8, demo::Default>", "demo::Held<u8>"),
        ] {
            assert_eq!(compare(described, type_name), Comparison::NotComparable);
        }
        assert_eq!(compare("u32", "i32"), Comparison::Different);
        assert_eq!(compare("&str", "&mut str"), Comparison::Different);
        assert_eq!(
            compare("core::option::Option<u8>", "core::option::Option<i8>"),
            Comparison::Different
        );
    }
}
