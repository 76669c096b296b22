//! What has another symbol after an edit and is still the same.
//!
//! rustc numbers impls, and the numbers are hashed into the symbols of the methods
//! and closures in them: an impl that is added above renames what is below. Old
//! objects, pointers and closures have the old addresses, so that the two have to be
//! known as one. They are told by the path that the symbol stands for, where just one
//! symbol of that path is gone and just one has appeared. The older symbols do not say which
//! instance of a generic they are: of several of one path, the debug information does. (Whether
//! old callers fit is for the gate to say, as it is for all others.)

use super::changes::{Named, key, named_section};
use super::object::{Kind, Object};
use super::units::{Objects, Unit};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// A symbol of an object.
type In<'a> = (&'a Arc<Object>, usize);

/// An old and a new symbol.
pub(crate) struct Renamed<'a> {
    pub(crate) old: In<'a>,
    pub(crate) new: In<'a>,
}

#[derive(Default)]
pub(crate) struct Pairs<'a> {
    /// Functions, and statics whose symbols do not say their types.
    pub(crate) renamed: Vec<Renamed<'a>>,
    /// Paths of statics that never change and are of another type now.
    pub(crate) replaced: HashSet<String>,
    /// Paths of functions that are gone.
    pub(crate) removed: Vec<String>,
}

/// The pairs among what was in the `old` units and what is in the new ones.
pub(crate) fn pairs<'a>(
    before: &Named<'a>,
    after: &Named<'a>,
    (old, new): (&[&Unit], &[&Unit]),
    running: &Objects,
) -> Pairs<'a> {
    let mut pairs = Pairs::default();
    let mut appeared: HashMap<(String, Kind), Vec<In<'a>>> = HashMap::new();
    for (_, one) in after.iter().filter(|(key, _)| !before.contains_key(*key)) {
        if let Some(what) = identity(*one, new) {
            appeared.entry(what).or_default().push(*one);
        }
    }
    let mut gone: HashMap<(String, Kind), Vec<In<'a>>> = HashMap::new();
    for (_, one) in before.iter().filter(|(key, _)| !after.contains_key(*key)) {
        if let Some(what) = identity(*one, old) {
            gone.entry(what).or_default().push(*one);
        }
    }
    // Instances of generics are in several units, which need not all be new.
    let elsewhere = |(object, symbol): In<'_>| {
        let stays = |unit: &&Unit| {
            old.iter()
                .all(|one| !Arc::ptr_eq(&one.object, &unit.object))
        };
        let mut others = running.values().filter(stays).map(|unit| &unit.object);
        others.any(|other| {
            (0..other.symbols.len()).any(|at| {
                named_section(other, at).is_some() && key(other, at) == key(object, symbol)
            })
        })
    };
    for ((path, kind), gone_of) in gone {
        let appeared = appeared.get(&(path.clone(), kind));
        let appeared = appeared.map_or(&[][..], Vec::as_slice);
        if gone_of.len().max(appeared.len()) > 1 {
            if kind == Kind::Text {
                let found = instances((&gone_of, old), (appeared, new));
                let both = |pair: &Renamed<'_>| !elsewhere(pair.old) && !elsewhere(pair.new);
                pairs.renamed.extend(found.into_iter().filter(both));
            }
            continue;
        }
        let (&[old], new) = (&gone_of[..], appeared) else {
            continue;
        };
        if elsewhere(old) {
            continue;
        }
        let new = match new {
            [new] if !elsewhere(*new) => new,
            [] if kind == Kind::Text => {
                pairs.removed.push(path);
                continue;
            }
            _ => continue,
        };
        // The older symbols have the type of a static in their hash.
        let is_by_type = !old.0.symbol_name(old.1).starts_with("_R");
        match kind {
            Kind::Text => pairs.renamed.push(Renamed { old, new: *new }),
            Kind::Constant if is_by_type => drop(pairs.replaced.insert(path)),
            _ if is_by_type => {}
            _ => pairs.renamed.push(Renamed { old, new: *new }),
        }
    }
    pairs
}

/// Which of several instances became which.
fn instances<'a>(
    (gone, old): (&[In<'a>], &[&Unit]),
    (appeared, new): (&[In<'a>], &[&Unit]),
) -> Vec<Renamed<'a>> {
    let named = |all: &[In<'a>], units: &[&Unit]| {
        let mut found: HashMap<String, Vec<In<'a>>> = HashMap::new();
        for &one in all {
            if let Some(name) = path_of(one, units) {
                found.entry(without_numbers(&name)).or_default().push(one);
            }
        }
        found
    };
    let appeared = named(appeared, new);
    let gone = named(gone, old).into_iter();
    let pairs = gone.filter_map(|(name, old)| match (&old[..], &appeared.get(&name)?[..]) {
        (&[old], &[new]) => Some(Renamed { old, new }),
        _ => None,
    });
    pairs.collect()
}

/// Functions by their names without what tells those of one name apart.
pub(super) struct Namesakes<'a> {
    all: HashMap<String, Vec<In<'a>>>,
    units: &'a [&'a Unit],
}

impl<'a> Namesakes<'a> {
    pub(super) fn new(named: &Named<'a>, units: &'a [&'a Unit]) -> Self {
        let mut all: HashMap<String, Vec<In<'a>>> = HashMap::new();
        // Units have copies of what is inlined.
        let mut seen = HashSet::new();
        for &(object, symbol) in named.values() {
            let section = object.symbols[symbol].section;
            let name = object.symbol_name(symbol);
            if section.is_some_and(|at| object.sections[at].kind == Kind::Text) && seen.insert(name)
            {
                let own = (object, symbol);
                all.entry(without_hash(name)).or_default().push(own);
            }
        }
        Self { all, units }
    }

    /// How many have the name and the generic arguments of that function.
    fn count(&self, name: &str, path: &str) -> usize {
        let all = self.all.get(name).into_iter().flatten();
        all.filter(|one| path_of(**one, self.units).is_some_and(|one| one == path))
            .count()
    }

    /// Functions of one name in several blocks of another function have numbers only. How
    /// many there were and are, if that is not the same: then it may be another one.
    pub(super) fn renumbered(
        &self,
        function: (&Arc<Object>, usize),
        before: &Self,
    ) -> Option<(usize, usize)> {
        let symbol = function.0.symbol_name(function.1);
        let name = without_hash(symbol);
        let all = |side: &Self| side.all.get(&name).map_or(0, Vec::len);
        if all(self) == all(before) || all(self).max(all(before)) < 2 {
            return None;
        }
        let path = path_of(function, self.units)?;
        let (was, is) = (before.count(&name, &path), self.count(&name, &path));
        (was != is && was > 0 && was.max(is) > 1).then_some((was, is))
    }
}

/// `_ZN1a1f17h…E` without the hash, or the path of a newer symbol.
fn without_hash(symbol: &str) -> String {
    const HASH: usize = "17h0123456789abcdefE".len();
    match symbol.strip_prefix("_ZN") {
        Some(rest) => rest
            .get(..rest.len().saturating_sub(HASH))
            .unwrap_or(rest)
            .to_owned(),
        None => match rustc_demangle::try_demangle(symbol) {
            Ok(path) => format!("{path:#}"),
            Err(_) => symbol.to_owned(),
        },
    }
}

/// The path of a function with its generic arguments.
fn path_of((object, symbol): (&Arc<Object>, usize), units: &[&Unit]) -> Option<String> {
    let unit = units
        .iter()
        .find(|unit| Arc::ptr_eq(&unit.object, object))?;
    unit.types.path_of(object.symbol_name(symbol))
}

/// `{impl#3}` as `{impl#}`.
fn without_numbers(path: &str) -> String {
    let mut parts = path.split("{impl#");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        out.push_str("{impl#");
        out.push_str(part.trim_start_matches(|c: char| c.is_ascii_digit()));
    }
    out
}

/// The path of a symbol, and what it is. Of those that say none (`#[no_mangle]`), the
/// debug information has it.
fn identity((object, symbol): In<'_>, units: &[&Unit]) -> Option<(String, Kind)> {
    let section = object.symbols[symbol].section?;
    let name = object.symbol_name(symbol);
    let path = match rustc_demangle::try_demangle(name) {
        Ok(demangled) => format!("{demangled:#}"),
        Err(_) => path_of((object, symbol), units)?,
    };
    Some((path, object.sections[section].kind))
}
