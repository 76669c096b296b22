//! Whether a file's debug information is about all of its code.
//!
//! A release build has, unless told otherwise, debug information of the standard
//! library and of nothing else. That nothing is said there to be inlined is no
//! answer. So each function of Rust must be in the range of a unit; those of
//! the standard library, which inlines no function of others but where it is
//! instantiated in their units, are not asked for.

use std::ops::Range;

use super::reader::Reader;
use crate::symbols::address::FileAddress;
use crate::symbols::extents::ExtentSource;
use crate::symbols::image::Image;
use crate::symbols::names;
use crate::symbols::tables::RawKind;

/// The crates that need not be described: the standard library, and what is
/// part of it, which is distributed without debug information.
const STANDARD: [&str; 20] = [
    "std",
    "core",
    "alloc",
    "compiler_builtins",
    "__rustc",
    "addr2line",
    "adler2",
    "cfg_if",
    "gimli",
    "hashbrown",
    "libc",
    "memchr",
    "miniz_oxide",
    "object",
    "panic_abort",
    "panic_unwind",
    "rustc_demangle",
    "rustc_literal_escaper",
    "std_detect",
    "unwind",
];

/// Functions of Rust of which no unit says anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Undescribed {
    pub(super) functions: usize,
    /// The name of one of them.
    pub(super) example: String,
}

/// Whether rustc made a part of the file: a function has a name of Rust or, where
/// names were stripped, the compiler has left its own. Found out once.
pub(super) fn is_rust(image: &Image) -> bool {
    image.debug_index().is_rust(|| {
        let comment = image.headers().section(".comment");
        let comment = comment.and_then(|section| section.bytes(image.data()));
        let is_rust = |raw: &str| rustc_demangle::try_demangle(raw).is_ok();
        memchr::memmem::find(comment.unwrap_or_default(), b"rustc version").is_some()
            || image
                .names()
                .iter(image)
                .any(|named| is_rust(&named.name.base))
    })
}

/// What `reader`'s file has beside what is described; none if nothing.
pub(super) fn undescribed(reader: &Reader<'_>) -> Option<Undescribed> {
    let covered = covered(reader);
    let is_covered = |address: u64| {
        let after = covered.partition_point(|range| range.start <= address);
        let range = after.checked_sub(1).and_then(|before| covered.get(before));
        range.is_some_and(|range| address < range.end)
    };
    let mut undescribed: Option<Undescribed> = None;
    let mut last = None;
    for named in reader.image.names().iter(reader.image) {
        let address = named.symbol.address;
        if last == Some(address) || is_covered(address) {
            continue;
        }
        // What is written in assembly is never described, and inlines nothing.
        let functions = reader.image.functions();
        let extent = functions.extent(FileAddress(address));
        let is_code = named.symbol.kind == RawKind::Function
            && extent.is_some_and(|extent| extent.source == ExtentSource::Unwind);
        let base = &named.name.base;
        let Ok(name) = rustc_demangle::try_demangle(base) else {
            continue;
        };
        if !is_code || names::is_fragment(base) {
            continue;
        }
        let name = format!("{name:#}");
        if is_standard(&name) || is_own_assembly(&name) {
            continue;
        }
        last = Some(address);
        match &mut undescribed {
            Some(known) => known.functions += 1,
            None => {
                undescribed = Some(Undescribed {
                    functions: 1,
                    example: name,
                });
            }
        }
    }
    undescribed
}

/// Whether a function is of the standard library: by the type or, where that
/// is, by the trait (`<&[u8] as object::read::ReadRef>::read`).
fn is_standard(name: &str) -> bool {
    let is_part = |c: char| c == '_' || c.is_alphanumeric();
    let is_standard = |path: &str| {
        let path = path.trim_start_matches(|c| !is_part(c));
        let path = path.strip_prefix("mut ").unwrap_or(path);
        let first = path.split(|c| !is_part(c)).next().unwrap_or(path);
        // What has no path is a type of the language.
        STANDARD.contains(&first) || !path.starts_with(&format!("{first}::"))
    };
    match name
        .strip_prefix('<')
        .and_then(|rest| rest.split_once(" as "))
    {
        Some((own, of_trait)) => is_standard(own) && is_standard(of_trait),
        None => is_standard(name),
    }
}

/// What midair itself has written in assembly, with call frame information.
fn is_own_assembly(name: &str) -> bool {
    name.starts_with("midair::patch::") && name.ends_with("::dispatch")
}

/// Where the units have code, joined and by address.
fn covered(reader: &Reader<'_>) -> Vec<Range<u64>> {
    let mut ranges = reader.unit_ranges();
    ranges.sort_by_key(|range| (range.start, range.end));
    let mut joined: Vec<Range<u64>> = Vec::new();
    for range in ranges {
        match joined.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => joined.push(range),
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::is_standard;

    #[test]
    fn functions_of_the_standard_library_are_known_by_type_or_trait() {
        for (name, standard) in [
            ("alloc::vec::Vec::new", true),
            ("<alloc::vec::Vec<demo::A>>::new", true),
            ("<[u8]>::starts_with", true),
            ("<&[u8] as object::read::ReadRef>::read", true),
            ("<&mut str as demo::Trait>::f", false),
            ("<demo::A as core::fmt::Debug>::fmt", false),
            ("demo::f", false),
        ] {
            assert_eq!(is_standard(name), standard, "{name}");
        }
    }
}
