//! Paths that mean the same before and after an edit.
//!
//! rustc numbers the impls of a module, and the numbers stand in the paths of
//! what is inside: `a::{impl#1}::new::{closure_env#0}`. An impl that is added
//! above shifts them, and then the same path means another closure. So
//! `{impl#1}` is replaced by what the symbols of its methods say it is:
//! `{impl a::Stack}`. Where no symbol says it, the number stays. That is safe:
//! the unit that has the methods names the impls too, so it is among the
//! changed ones whenever the numbers have shifted.

use super::unit::{ScopeId, Text, TypeId, Unit};
use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};

const IMPL: &[u8] = b"{impl#";

/// Where in a name an impl is numbered.
pub(super) fn numbered(name: &[u8]) -> Option<usize> {
    // Most names have no brace at all.
    let brace = memchr::memchr(b'{', name)?;
    memchr::memmem::find(&name[brace..], IMPL).map(|at| at + brace)
}

/// The hash of a path: of the scope's and of the name, without the numbers.
pub(super) fn hash(scope: u64, name: &[u8]) -> u64 {
    if numbered(name).is_none() {
        return mix(scope, name);
    }
    let mut hash = scope;
    let mut rest = name;
    while let Some(at) = numbered(rest) {
        hash = mix(hash, &rest[..at]);
        let after = &rest[at + IMPL.len()..];
        let digits = after.iter().take_while(|b| b.is_ascii_digit()).count();
        rest = &after[digits..];
    }
    mix(hash, rest)
}

fn mix(seed: u64, bytes: &[u8]) -> u64 {
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
    let step = |hash: u64, word: u64| (hash.rotate_left(5) ^ word).wrapping_mul(FACTOR);
    let mut chunks = bytes.chunks_exact(8);
    let mut hash = step(seed, bytes.len() as u64);
    for chunk in &mut chunks {
        hash = step(
            hash,
            u64::from_le_bytes(chunk.try_into().unwrap_or_default()),
        );
    }
    let mut last = [0; 8];
    let rest = chunks.remainder();
    last[..rest.len()].copy_from_slice(rest);
    hash = step(hash, u64::from_le_bytes(last));
    hash ^ (hash >> 29)
}

/// The old or the new code: its changed units.
pub(super) struct Side<'a> {
    pub(super) units: Vec<&'a Unit>,
    /// The functions inside of an impl, by its path: the unit, the function,
    /// and how many segments its path has below the impl.
    inside: HashMap<Vec<u8>, Vec<(u32, u32, usize)>>,
    /// What an impl is, as far as it was asked.
    impls: RefCell<HashMap<Vec<u8>, Option<Vec<u8>>>>,
}

impl<'a> Side<'a> {
    pub(super) fn new(units: Vec<&'a Unit>) -> Self {
        let mut inside: HashMap<_, Vec<_>> = HashMap::new();
        for (index, unit) in units.iter().enumerate() {
            let above = impls(unit);
            let mut of_scope: HashMap<ScopeId, Vec<_>> = HashMap::new();
            for (number, function) in unit.functions.iter().enumerate() {
                let around = function.scope.and_then(|scope| above[scope as usize]);
                if let Some((scope, depth)) = around {
                    let entry = (index as u32, number as u32, depth + 1);
                    of_scope.entry(scope).or_default().push(entry);
                }
            }
            for (scope, mut functions) in of_scope {
                let path = scope_path(unit, scope);
                inside.entry(path).or_default().append(&mut functions);
            }
        }
        Self {
            units,
            inside,
            impls: RefCell::default(),
        }
    }

    /// A name with its impls called by what they are.
    pub(super) fn canonical<'n>(&self, name: &'n [u8]) -> Cow<'n, [u8]> {
        if numbered(name).is_none() {
            return Cow::Borrowed(name);
        }
        let mut out = Vec::with_capacity(name.len() + 32);
        let mut done = 0;
        while let Some(at) = numbered(&name[done..]) {
            let at = done + at;
            let digits = name[at + IMPL.len()..].iter();
            let end = at + IMPL.len() + digits.take_while(|b| b.is_ascii_digit()).count() + 1;
            let end = end.min(name.len());
            out.extend_from_slice(&name[done..at]);
            match self.what(&name[path_start(name, at)..end]) {
                None => out.extend_from_slice(&name[at..end]),
                Some(what) => {
                    out.extend_from_slice(b"{impl ");
                    out.extend_from_slice(&what);
                    out.push(b'}');
                }
            }
            done = end;
        }
        out.extend_from_slice(&name[done..]);
        Cow::Owned(out)
    }

    /// What the impl of that path is, if the symbols of its methods say it.
    fn what(&self, path: &[u8]) -> Option<Vec<u8>> {
        if let Some(known) = self.impls.borrow().get(path) {
            return known.clone();
        }
        let functions = self.inside.get(path).map_or(&[][..], Vec::as_slice);
        let names: BTreeSet<Vec<u8>> = functions
            .iter()
            .filter_map(|&(unit, function, depth)| {
                let unit = self.units[unit as usize];
                let symbol = unit.symbol(&unit.functions[function as usize]);
                above(std::str::from_utf8(symbol).ok()?, depth)
            })
            .collect();
        let what = names.into_iter().next();
        self.impls.borrow_mut().insert(path.to_vec(), what.clone());
        what
    }

    /// The path of a name in a scope.
    pub(super) fn path(&self, unit: &Unit, scope: Option<ScopeId>, name: Text) -> Vec<u8> {
        self.canonical(&raw_path(unit, scope, name)).into_owned()
    }

    /// The path of a type; what it is if it has no name.
    pub(super) fn type_path(&self, unit: &Unit, id: TypeId) -> Vec<u8> {
        let ty = unit.ty(id);
        if ty.name.len > 0 {
            return self.path(unit, ty.scope, ty.name);
        }
        let of = ty
            .target
            .map_or_else(|| b"()".to_vec(), |id| self.type_path(unit, id));
        let lengths = unit.parts(ty.parts).filter_map(|part| part.value);
        let lengths: Vec<_> = lengths.map(|n| n.to_string()).collect();
        let mut path = b"[".to_vec();
        path.extend_from_slice(&of);
        path.extend_from_slice(b"; ");
        path.extend_from_slice(lengths.join(", ").as_bytes());
        path.push(b']');
        path
    }
}

/// The path as rustc writes it.
pub(super) fn raw_path(unit: &Unit, scope: Option<ScopeId>, name: Text) -> Vec<u8> {
    let mut path = scope.map_or_else(Vec::new, |scope| scope_path(unit, scope));
    if !path.is_empty() {
        path.extend_from_slice(b"::");
    }
    path.extend_from_slice(unit.text(name));
    path
}

pub(super) fn scope_path(unit: &Unit, scope: ScopeId) -> Vec<u8> {
    let scope = &unit.scopes[scope as usize];
    raw_path(unit, scope.parent, scope.name)
}

/// For each scope the innermost impl around it, and how deep it is in there.
fn impls(unit: &Unit) -> Vec<Option<(ScopeId, usize)>> {
    let mut above: Vec<Option<(ScopeId, usize)>> = Vec::with_capacity(unit.scopes.len());
    for (index, scope) in unit.scopes.iter().enumerate() {
        above.push(if unit.text(scope.name).starts_with(IMPL) {
            Some((index as ScopeId, 0))
        } else {
            let parent = scope.parent.and_then(|parent| above[parent as usize]);
            parent.map(|(scope, depth)| (scope, depth + 1))
        });
    }
    above
}

/// Where the path begins that has a segment at `at`: after what cannot be in one.
fn path_start(name: &[u8], at: usize) -> usize {
    let in_path =
        |byte: &u8| byte.is_ascii_alphanumeric() || b"_:{}#".contains(byte) || *byte >= 128;
    let before = name[..at].iter().rposition(|byte| !in_path(byte));
    before.map_or(0, |at| at + 1)
}

/// The demangled path without its last segments and without generic arguments.
fn above(symbol: &str, segments: usize) -> Option<Vec<u8>> {
    let demangled = format!("{:#}", rustc_demangle::try_demangle(symbol).ok()?);
    let mut path = without_arguments(demangled.as_bytes());
    for _ in 0..segments {
        let end = last_separator(&path)?;
        path.truncate(end);
    }
    Some(path)
}

/// `<a::Own<u8> as a::Trait<T>>::f::<u8>` as `<a::Own as a::Trait>::f`.
fn without_arguments(path: &[u8]) -> Vec<u8> {
    let mut out: Vec<u8> = Vec::with_capacity(path.len());
    let mut depth = 0_usize;
    for (index, &byte) in path.iter().enumerate() {
        let arrow = index > 0 && path[index - 1] == b'-';
        let follows = out
            .last()
            .is_some_and(|&last| last.is_ascii_alphanumeric() || last == b'_' || last == b':');
        match byte {
            b'<' if depth > 0 || follows => depth += 1,
            b'>' if depth > 0 && !arrow => {
                depth -= 1;
                // The `::` of `f::<u8>`.
                if depth == 0 && out.ends_with(b"::") {
                    out.truncate(out.len() - 2);
                }
            }
            _ if depth > 0 => {}
            _ => out.push(byte),
        }
    }
    out
}

/// Where the last segment's `::` is, outside of brackets.
fn last_separator(path: &[u8]) -> Option<usize> {
    let mut depth = 0_usize;
    for at in (1..path.len()).rev() {
        match path[at] {
            b'>' | b'}' | b')' | b']' => depth += 1,
            b'<' | b'{' | b'(' | b'[' => depth = depth.saturating_sub(1),
            b':' if depth == 0 && path[at - 1] == b':' => return Some(at - 1),
            _ => {}
        }
    }
    None
}

/// A symbol's path, without hash.
pub(super) fn path(symbol: &[u8]) -> Vec<u8> {
    let demangled = std::str::from_utf8(symbol)
        .ok()
        .and_then(|symbol| rustc_demangle::try_demangle(symbol).ok());
    demangled.map_or_else(
        || symbol.to_vec(),
        |demangled| format!("{demangled:#}").into_bytes(),
    )
}

/// The same of a method in a table; if it is the trait's own, as `a::Trait::f`. The newer
/// symbols have one path for that and for an impl's.
pub(super) fn method_path(symbol: &[u8]) -> Vec<u8> {
    let path = path(symbol);
    let is_default = symbol.starts_with(b"_RNvY") || symbol.starts_with(b"_RINvY");
    let own = || {
        let text = std::str::from_utf8(&path).ok()?;
        let (of, name) = text.rsplit_once(" as ")?.1.rsplit_once(">::")?;
        Some(format!("{of}::{name}").into_bytes())
    };
    is_default.then(own).flatten().unwrap_or(path)
}

/// The last segment of a symbol's path, without hash and generic arguments.
pub(super) fn last_segment(symbol: &[u8]) -> Vec<u8> {
    let path = without_arguments(&path(symbol));
    match last_separator(&path) {
        Some(at) => path[at + 2..].to_vec(),
        None => path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_impl_is_what_stands_before_the_method() {
        let names = [
            ("_ZN1b5Inner4meth17h72fcfd3307554440E", 1, "b::Inner"),
            (
                "_ZN33_$LT$b..Inner$u20$as$u20$b..T$GT$3one17h2771b6ccfaec2791E",
                1,
                "<b::Inner as b::T>",
            ),
            (
                "_ZN1b5Inner2cl28_$u7b$$u7b$closure$u7d$$u7d$17h0123456789abcdefE",
                2,
                "b::Inner",
            ),
        ];
        for (symbol, segments, what) in names {
            let found = above(symbol, segments).map(|w| String::from_utf8_lossy(&w).into_owned());
            assert_eq!(found.as_deref(), Some(what));
        }
    }

    #[test]
    fn generic_arguments_are_left_out() {
        let path = without_arguments(b"<a::Own<fn(u8) -> b::C<u8>> as a::Trait<T>>::f::<u8>");
        assert_eq!(path, b"<a::Own as a::Trait>::f");
    }

    #[test]
    fn the_number_of_an_impl_is_not_in_the_hash() {
        assert_eq!(hash(1, b"{impl#1}"), hash(1, b"{impl#12}"));
        assert_ne!(hash(1, b"{closure_env#1}"), hash(1, b"{closure_env#2}"));
        assert_ne!(hash(1, b"ab"), hash(hash(1, b"a"), b"b"));
    }
}
