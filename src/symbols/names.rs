//! The forms a name has: as the linker knows it, and as people write it.
//!
//! rustc-demangle reads legacy (`_ZN…17h<hash>E`) and v0 (`_R…`) names. Names
//! of C++ are left as they are.

use std::borrow::Cow;
use std::fmt::Write;

/// A name of a symbol table, its version cut off.
#[derive(Clone, Debug)]
pub(super) struct RawName<'a> {
    /// What `dlsym` would take.
    pub(super) base: Cow<'a, str>,
    /// The version, if the table tells it.
    pub(super) version: Option<Cow<'a, str>>,
    /// Kept for old programs only: not what the plain name means.
    pub(super) is_old: bool,
}

impl<'a> RawName<'a> {
    /// `old` is the version of an entry of `.dynsym` that is not the default.
    pub(super) fn new(name: &'a [u8], old: Option<&'a [u8]>) -> RawName<'a> {
        if let Some(version) = old {
            return RawName {
                base: String::from_utf8_lossy(name),
                version: Some(String::from_utf8_lossy(version)),
                is_old: true,
            };
        }
        // `.symtab` has `name@@VERSION` for the default and `name@VERSION`.
        let at = memchr::memchr(b'@', name).filter(|at| *at > 0);
        let (base, version) = name.split_at(at.unwrap_or(name.len()));
        let default = version.strip_prefix(b"@@");
        let version = default.or(version.strip_prefix(b"@"));
        RawName {
            base: String::from_utf8_lossy(base),
            is_old: version.is_some() && default.is_none(),
            version: version.map(String::from_utf8_lossy),
        }
    }

    /// The name to show as the raw one: with its version only if the plain
    /// name means another function.
    pub(super) fn raw(&self) -> String {
        match &self.version {
            Some(version) if self.is_old => format!("{}@{version}", self.base),
            _ => self.base.clone().into_owned(),
        }
    }

    /// The name for people: demangled, without hash, or the raw one.
    pub(super) fn display(&self) -> String {
        match rustc_demangle::try_demangle(&self.base) {
            Ok(name) => format!("{name:#}"),
            Err(_) => self.raw(),
        }
    }
}

/// Demangles `base` into `out`, with or without the hash; false if it is not a
/// mangled Rust name.
pub(super) fn demangle_into(base: &str, with_hash: bool, out: &mut String) -> bool {
    out.clear();
    let Ok(name) = rustc_demangle::try_demangle(base) else {
        return false;
    };
    let written = if with_hash {
        write!(out, "{name}")
    } else {
        write!(out, "{name:#}")
    };
    written.is_ok()
}

/// Cuts what LLVM adds to names it had to make unique (`.llvm.1234`).
pub(super) fn without_llvm_suffix(base: &str) -> &str {
    base.find(".llvm.")
        .map_or(base, |at| base.get(..at).unwrap_or(base))
}

/// Whether a raw name is that of a part of a function which was moved away and
/// is never called: `foo.cold`, `foo.cold.1`, `foo.warm`.
pub(super) fn is_fragment(raw: &str) -> bool {
    [".cold", ".warm"].iter().any(|part| {
        let after = raw.find(part).and_then(|at| raw.get(at + part.len()..));
        after.is_some_and(|after| after.is_empty() || after.starts_with(['.', '/']))
    })
}

/// The name without generic arguments and without the brackets around a plain
/// type: `<alloc::vec::Vec<u8>>::push` is `alloc::vec::Vec::push`, and
/// `foo::bar::<u8>` is `foo::bar`. Of `<A<B> as C<D>>::e`, `<A as C>::e` is left.
pub(super) fn without_generics(name: &str) -> Cow<'_, str> {
    if !name.contains('<') {
        return Cow::Borrowed(name);
    }
    let mut out = String::with_capacity(name.len());
    // One for each open `<`: where its text begins in `out`, and whether it
    // holds generic arguments (which are dropped) or a type.
    let mut open: Vec<(usize, bool)> = Vec::new();
    let mut before = None;
    for character in name.chars() {
        match character {
            '<' => {
                let is_arguments = out.ends_with(|last: char| {
                    last == ':' || last == '_' || last == '}' || last.is_alphanumeric()
                });
                open.push((out.len(), is_arguments));
                if !is_arguments {
                    out.push('<');
                }
            }
            // The arrow of a function's type closes nothing.
            '>' if before == Some('-') => out.push('>'),
            '>' => match open.pop() {
                Some((start, true)) => {
                    out.truncate(start);
                    let kept = out.trim_end_matches(':').len();
                    out.truncate(kept);
                }
                Some((start, false)) => close_type(&mut out, start),
                None => out.push('>'),
            },
            _ => out.push(character),
        }
        before = Some(character);
    }
    Cow::Owned(out)
}

/// Ends a `<type>` that begins at `start`: without its brackets if it is a path.
fn close_type(out: &mut String, start: usize) {
    let is_path = |inner: &str| {
        let plain = |c: char| c == ':' || c == '_' || c.is_alphanumeric();
        !inner.is_empty() && inner.chars().all(plain)
    };
    if out.get(start + 1..).is_some_and(is_path) {
        out.remove(start);
    } else {
        out.push('>');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generic_arguments_are_cut_and_trait_paths_kept() {
        for (name, plain) in [
            ("foo::bar", "foo::bar"),
            ("foo::bar::<u8>", "foo::bar"),
            ("foo::bar::<u8>::{closure#0}", "foo::bar::{closure#0}"),
            ("<alloc::vec::Vec<u8>>::push", "alloc::vec::Vec::push"),
            (
                "<alloc::vec::Vec<u8> as a::B<c::D>>::e",
                "<alloc::vec::Vec as a::B>::e",
            ),
            ("a::b::<fn(u8) -> u16>", "a::b"),
            ("<[u8]>::len", "<[u8]>::len"),
            ("a<b", "ab"),
        ] {
            assert_eq!(without_generics(name), plain, "{name}");
        }
    }

    #[test]
    fn versions_are_cut_and_old_ones_remembered() {
        let default = RawName::new(b"memcpy@@GLIBC_2.14", None);
        assert_eq!((&*default.base, default.is_old), ("memcpy", false));
        assert_eq!(default.raw(), "memcpy");
        let old = RawName::new(b"memcpy", Some(b"GLIBC_2.2.5"));
        assert_eq!((&*old.base, old.is_old), ("memcpy", true));
        assert_eq!(old.raw(), "memcpy@GLIBC_2.2.5");
        assert_eq!(RawName::new(b"@odd", None).base, "@odd");
    }

    #[test]
    fn parts_that_were_moved_away_are_told_from_functions() {
        assert!(is_fragment("foo.cold"));
        assert!(is_fragment("foo.cold.12"));
        assert!(!is_fragment("foo.coldest"));
        assert!(!is_fragment("cold"));
        assert!(!is_fragment("foo.part.0"));
    }
}
