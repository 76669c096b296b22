//! When two mangled names are those of the same function.
//!
//! A function that is generic or may be inlined is compiled by each crate that
//! uses it. In v0 names the crate that compiled it stands behind the path; the
//! rest is equal in all copies. Legacy names end with a hash that the compiling
//! crate goes into, and the types of generic functions are in nothing but that
//! hash: equal hashes are the same function, different ones may be.

use crate::symbols::names::without_llvm_suffix;

/// What a function's linker name says about which function it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Instance {
    /// A v0 name up to the crate that compiled it.
    V0(String),
    /// A legacy name: the path, and the hash.
    Legacy(String, String),
    /// The name of a function of another language: that one function.
    Other(String),
}

/// How two functions relate, by their names alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Relation {
    Same,
    Other,
    /// Legacy names with the same path.
    PerhapsSame,
}

impl Instance {
    pub(super) fn of(raw: &str) -> Instance {
        let raw = without_llvm_suffix(raw);
        if raw.starts_with("_R") {
            let is_whole = |cut: &str| rustc_demangle::try_demangle(cut).is_ok();
            let mut path = None;
            compiled_by(raw.as_bytes(), |end| {
                path = path.or(raw.get(..end).filter(|cut| is_whole(cut)));
            });
            let path = path.unwrap_or(raw);
            return Instance::V0(path.to_owned());
        }
        match legacy_path(raw.as_bytes()).and_then(|end| raw.split_at_checked(end)) {
            Some((path, hash)) => Instance::Legacy(path.to_owned(), hash.to_owned()),
            None => Instance::Other(raw.to_owned()),
        }
    }

    pub(super) fn relation(&self, other: &Instance) -> Relation {
        match (self, other) {
            _ if self == other => Relation::Same,
            (Instance::Legacy(own, _), Instance::Legacy(its, _)) if own == its => {
                Relation::PerhapsSame
            }
            _ => Relation::Other,
        }
    }

    /// What [`hashes`] makes of every name of this function, and more.
    pub(super) fn hashes(&self) -> Vec<u32> {
        match self {
            Instance::V0(path) => {
                // The path may itself look as if a crate stood behind it.
                let mut all = vec![mix(SEED, path.as_bytes())];
                hashes(Some(path.as_bytes()), None, |hash| all.push(hash));
                all.sort_unstable();
                all.dedup();
                all
            }
            Instance::Legacy(path, _) => vec![mix(SEED, path.as_bytes())],
            Instance::Other(raw) => vec![mix(SEED, raw.as_bytes())],
        }
    }
}

/// Numbers by which a function is found, made of what debug information calls
/// it. All copies of a function have one in common, and others may have it too:
/// all instances of a generic function with a legacy name have the same.
pub(super) fn hashes(linkage_name: Option<&[u8]>, name: Option<&[u8]>, mut each: impl FnMut(u32)) {
    let Some(linkage_name) = linkage_name else {
        if let Some(name) = name {
            each(hash_of_bare(name));
        }
        return;
    };
    if linkage_name.starts_with(b"_R") {
        let mut is_cut = false;
        compiled_by(linkage_name, |end| {
            is_cut = true;
            each(mix(SEED, &linkage_name[..end]));
        });
        if !is_cut {
            each(mix(SEED, linkage_name));
        }
        return;
    }
    let end = legacy_path(linkage_name).unwrap_or(linkage_name.len());
    each(mix(SEED, &linkage_name[..end]));
}

/// The same for a function whose linker name is not told: `name` is the last
/// part of its path.
pub(super) fn hash_of_bare(name: &[u8]) -> u32 {
    mix(SEED, without_arguments(name))
}

/// `gene` of `gene<u8>`.
pub(super) fn without_arguments(name: &[u8]) -> &[u8] {
    let end = memchr::memchr(b'<', name).unwrap_or(name.len());
    &name[..end]
}

const SEED: u32 = 0x9e37_79b9;

/// Eight bytes at a time: the walk is not always optimised.
fn mix(seed: u32, bytes: &[u8]) -> u32 {
    const FACTOR: u64 = 0x9fb2_1c65_1e98_df25;
    let mut state = seed as u64 ^ bytes.len() as u64;
    let (words, rest) = bytes.as_chunks::<8>();
    let mut at = 0;
    while at < words.len() {
        state = (state ^ u64::from_le_bytes(words[at])).wrapping_mul(FACTOR);
        state ^= state >> 29;
        at += 1;
    }
    at = 0;
    while at < rest.len() {
        state = (state ^ rest[at] as u64).wrapping_mul(FACTOR);
        at += 1;
    }
    (state ^ state >> 32) as u32
}

/// Where the path of a v0 name may end and the crate that compiled it begin.
/// That crate is `C…` (its root) or `B…_` (a reference to where it stood before).
/// Plain loops, for this is most of the walk's work where it is not optimised.
fn compiled_by(name: &[u8], mut each: impl FnMut(usize)) {
    const LONGEST: usize = 120;
    let first = name.len().saturating_sub(LONGEST).max(2);
    let mut at = name.len();
    while at > first {
        at -= 1;
        let is_end = match name[at] {
            b'B' => is_reference(&name[at + 1..]),
            b'C' => is_crate(&name[at + 1..]),
            _ => false,
        };
        if is_end {
            each(at);
        }
    }
}

/// `_`, `3_`, `1aZ_`.
fn is_reference(rest: &[u8]) -> bool {
    match rest {
        [digits @ .., b'_'] => digits.iter().all(u8::is_ascii_alphanumeric),
        _ => false,
    }
}

/// `scAEuU5ehQ2G_3app`, `3app`.
fn is_crate(rest: &[u8]) -> bool {
    let mut rest = rest;
    if let [b's', disambiguated @ ..] = rest {
        let Some(end) = disambiguated.iter().position(|byte| *byte == b'_') else {
            return false;
        };
        if !is_reference(&disambiguated[..=end]) {
            return false;
        }
        rest = &disambiguated[end + 1..];
    }
    // A name that is not ASCII is marked.
    if let [b'u', coded @ ..] = rest {
        rest = coded;
    }
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let number = rest.get(..digits).and_then(|n| str::from_utf8(n).ok());
    let Some(length) = number.and_then(|number| number.parse::<usize>().ok()) else {
        return false;
    };
    // An underscore separates a name that begins like a number.
    let after = &rest[digits..];
    after.len() == length || after.len() == length + 1 && after.first() == Some(&b'_')
}

/// Where the hash of a legacy name begins: `17h<16 digits>E`.
fn legacy_path(name: &[u8]) -> Option<usize> {
    const HASH: usize = "17h0123456789abcdefE".len();
    let end = name.len().checked_sub(HASH)?;
    let is_legacy = name.starts_with(b"_ZN")
        && name[end..].starts_with(b"17h")
        && name.last() == Some(&b'E')
        && name[end + 3..name.len() - 1]
            .iter()
            .all(u8::is_ascii_hexdigit);
    is_legacy.then_some(end)
}

#[cfg(test)]
mod tests {
    use super::{Instance, Relation};

    fn is_found(instance: &str, by: &str) -> bool {
        let hashes = Instance::of(instance).hashes();
        let mut is_found = false;
        super::hashes(Some(by.as_bytes()), None, |hash| {
            is_found |= hashes.contains(&hash);
        });
        is_found
    }

    fn relation(one: &str, other: &str) -> Relation {
        Instance::of(one).relation(&Instance::of(other))
    }

    #[test]
    fn copies_of_other_crates_are_the_same_and_other_instances_are_not() {
        // Made by rustc 1.95.
        let own = "_RNvNtCsdavWBDw0Y6x_3dep5inner5smallB3_";
        let its = "_RNvNtCsdavWBDw0Y6x_3dep5inner5smallCscAEuU5ehQ2G_3app";
        let inlined = "_RNvNtCsdavWBDw0Y6x_3dep5inner5small";
        for (one, other) in [(own, its), (own, inlined), (its, inlined)] {
            assert_eq!(relation(one, other), Relation::Same);
            assert!(is_found(one, other) && is_found(other, one));
        }
        let u8s = "_RINvNtCsdavWBDw0Y6x_3dep5inner4genehEB4_";
        let u32s = "_RINvNtCsdavWBDw0Y6x_3dep5inner4genemECscAEuU5ehQ2G_3app";
        assert_eq!(relation(u8s, u32s), Relation::Other);
        let other_version = "_RNvNtCsaaaaaaaaaaa_3dep5inner5smallB3_";
        assert_eq!(relation(own, other_version), Relation::Other);
        assert_eq!(relation(&format!("{its}.llvm.123"), its), Relation::Same);
    }

    #[test]
    fn a_name_that_looks_like_a_crate_is_not_cut() {
        // `dep::aB3_`, `dep::xCs3_3abc`, `dep::C3app`.
        for path in [
            "_RNvCsdavWBDw0Y6x_3dep4aB3_",
            "_RNvCsdavWBDw0Y6x_3dep9xCs3_3abc",
            "_RNvCsdavWBDw0Y6x_3dep5C3app",
            "_RNvCsdavWBDw0Y6x_3dep4aBcd",
        ] {
            assert_eq!(Instance::of(path), Instance::V0(path.to_owned()));
            for compiled in ["B2_", "BB_", "CscAEuU5ehQ2G_3app", "CscAEuC8Q2G_3app"] {
                let copy = format!("{path}{compiled}");
                assert_eq!(relation(path, &copy), Relation::Same, "{copy}");
                assert!(is_found(path, &copy) && is_found(&copy, path));
            }
        }
    }

    #[test]
    fn legacy_names_agree_by_hash_and_perhaps_by_path() {
        let one = "_ZN3dep5inner4gene17hf6ba155abc0c9a47E";
        let other = "_ZN3dep5inner4gene17hfb4fb0ff01e544f5E";
        assert_eq!(relation(one, one), Relation::Same);
        assert_eq!(relation(one, other), Relation::PerhapsSame);
        assert_eq!(
            relation(one, "_ZN3dep5inner5small17hfb4fb0ff01e544f5E"),
            Relation::Other
        );
        assert_eq!(relation("open", "open"), Relation::Same);
        assert_eq!(relation("open", "open64"), Relation::Other);
        assert_eq!(
            Instance::of("_ZN3foo3barEv"),
            Instance::Other("_ZN3foo3barEv".into())
        );
    }
}
