//! What an edit has changed: functions and statics, old against new.
//!
//! What has another symbol than before, but the same path, is a pair of
//! [`renamed`](super::renamed). What has not changed, but refers to something that
//! has a newer version beside the old one, is linked anew: [`Changes::relink`].

use super::link::plan::Piece;
use super::names::{Names, Place};
use super::object::meaning::{Lines, meaning};
use super::object::reference::Reference;
use super::object::{Kind, Object};
use super::renamed::{self, Namesakes, Renamed};
use super::units::{Objects, Unit};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// How a function differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Difference {
    /// It does something else.
    Code,
    /// Only lines in its panics' locations are different.
    Lines,
    /// Only its symbol is another one.
    Symbol,
    /// It does not, but something that it refers to has a newer version.
    Referred,
}

/// A changed function.
pub(crate) struct Function {
    pub(crate) object: Arc<Object>,
    pub(crate) symbol: usize,
    pub(crate) section: usize,
    /// Where the process has it.
    pub(crate) target: u64,
    pub(crate) difference: Difference,
    /// The symbol that it had, if that was another one.
    pub(crate) was: Option<String>,
    /// Why old callers keep the old one.
    pub(crate) versioned: Option<String>,
    /// It is not the one that had the old symbol.
    pub(crate) is_other: bool,
}

impl Function {
    /// Whether it becomes part of an image.
    pub(crate) fn is_linked(&self) -> bool {
        self.difference != Difference::Symbol || self.versioned.is_some()
    }
}

/// A constant that has another value and is as long as it was.
pub(crate) struct Constant {
    pub(crate) name: String,
    pub(crate) symbol: usize,
    pub(crate) piece: Piece,
    pub(crate) address: u64,
}

/// All that an edit has changed.
#[derive(Default)]
pub(crate) struct Changes {
    pub(crate) functions: Vec<Function>,
    pub(crate) constants: Vec<Constant>,
    /// Statics whose first value is another one: their value stays.
    pub(crate) kept: Vec<String>,
    /// Functions of which there is no new one.
    pub(crate) removed: Vec<String>,
    /// Statics that never change, of another type: old code keeps the old one.
    pub(crate) replaced: HashSet<String>,
    /// Old symbols of what was renamed, by the new ones.
    renamed: HashMap<String, String>,
    /// What cannot be done, and why.
    pub(crate) refused: Vec<String>,
}

/// A symbol's name, and for local ones the file that they are from.
pub(crate) type Key<'a> = (&'a str, &'a str);

pub(crate) fn key(object: &Object, symbol: usize) -> Key<'_> {
    let is_local = object.symbols[symbol].is_local;
    let file = if is_local { object.file.as_str() } else { "" };
    (file, object.symbol_name(symbol))
}

impl Changes {
    /// Adds what is different between objects that were and objects that are.
    ///
    /// What was not in any of the old ones may have been in one that stays, or in
    /// several: weak symbols are. What is `forced` counts as different.
    pub(crate) fn add(
        &mut self,
        crate_name: &str,
        old: &[&Unit],
        new: &[&Unit],
        running: &Objects,
        names: &Names,
        forced: &dyn Fn(Key<'_>) -> bool,
    ) {
        let before = named(old);
        let after = named(new);
        let pairs = renamed::pairs(&before, &after, (old, new), running);
        let first = self.functions.len();
        self.replaced.extend(pairs.replaced);
        let is_own = |path: &&String| {
            let path = path.trim_start_matches('<');
            path.strip_prefix(crate_name)
                .is_some_and(|rest| rest.starts_with("::"))
                && !path.contains('{')
        };
        self.removed
            .extend(pairs.removed.iter().filter(is_own).cloned());
        for Renamed { old, new } in &pairs.renamed {
            let was = old.0.symbol_name(old.1).to_owned();
            self.renamed
                .insert(new.0.symbol_name(new.1).to_owned(), was);
        }
        for object in new.iter().map(|unit| &unit.object) {
            for symbol in 0..object.symbols.len() {
                let Some(section) = named_section(object, symbol) else {
                    continue;
                };
                let is_new =
                    |pair: &&Renamed<'_>| Arc::ptr_eq(pair.new.0, object) && pair.new.1 == symbol;
                if let Some(pair) = pairs.renamed.iter().find(is_new) {
                    if let Some(place) = names.find(pair.old.0, pair.old.1) {
                        let what = (symbol, section, forced(key(object, symbol)));
                        self.compare(Some(pair.old), object, what, place, names);
                    }
                    continue;
                }
                let Some(place) = names.find(object, symbol) else {
                    continue; // new: taken in where something refers to it
                };
                let wanted = key(object, symbol);
                let old = before.get(&wanted).copied();
                let old = old.or_else(|| {
                    let others = running.values().map(|unit| &unit.object);
                    others.into_iter().find_map(|other| {
                        let mut all = 0..other.symbols.len();
                        let found = all.find(|symbol| {
                            named_section(other, *symbol).is_some() && key(other, *symbol) == wanted
                        });
                        found.map(|symbol| (other, symbol))
                    })
                });
                // The unit of a static may be called otherwise by now.
                let old = old.or_else(|| {
                    let is_it = |(key, (at, was)): &(&Key<'_>, &(&Arc<Object>, usize))| {
                        key.1 == wanted.1 && !at.symbols[*was].is_function
                    };
                    before.iter().find(is_it).map(|(_, found)| *found)
                });
                let what = (symbol, section, forced(wanted));
                self.compare(old, object, what, place, names);
            }
        }
        let (before, after) = (Namesakes::new(&before, old), Namesakes::new(&after, new));
        for function in &mut self.functions[first..] {
            let is = (&function.object, function.symbol);
            if function.difference == Difference::Code
                && let Some((was, is)) = after.renumbered(is, &before)
            {
                let why = format!(
                    "it may be another one of that name, of which there are {is} now and were {was}"
                );
                function.versioned = Some(why);
            }
        }
    }

    fn compare(
        &mut self,
        old: Option<(&Arc<Object>, usize)>,
        object: &Arc<Object>,
        (symbol, section, is_forced): (usize, usize, bool),
        place: Place,
        names: &Names,
    ) {
        let same = |lines| {
            old.and_then(|(old, symbol)| Some((old, named_section(old, symbol)?)))
                .is_some_and(|(old, before)| {
                    !is_forced
                        && meaning(old, before, lines, &HashMap::new())
                            == meaning(object, section, lines, &self.renamed)
                })
        };
        let found = &object.symbols[symbol];
        let was = old.map(|(old, symbol)| old.symbol_name(symbol).to_owned());
        let was = was.filter(|was| was != object.symbol_name(symbol));
        let is_same = same(Lines::Kept);
        let name = object.symbol_name(symbol);
        let kind = object.sections[section].kind;
        if matches!(kind, Kind::Data | Kind::Zeroed) && names.is_constant(object, symbol) {
            let name = super::report::path(name);
            let why =
                format!("static `{name}` is written to now, and the one that lives cannot be");
            self.refused.push(why);
            return;
        }
        let difference = match () {
            () if is_same && was.is_none() => return,
            () if is_same => Difference::Symbol,
            () if same(Lines::LeftOut) => Difference::Lines,
            () => Difference::Code,
        };
        if kind == Kind::Text && difference == Difference::Code && shares(object, section) {
            let all = object.sections[section].named.iter();
            let all = all.map(|at| super::report::path(object.symbol_name(*at)));
            let why = format!(
                "{} changed, and cannot be told apart in section `{}`",
                all.collect::<Vec<_>>().join(", "),
                object.section_name(section)
            );
            self.refused.push(why);
            return;
        }
        match (kind, place) {
            (Kind::Text, Place::At(target)) => self.functions.push(Function {
                object: Arc::clone(object),
                symbol,
                section,
                target,
                difference,
                was,
                versioned: None,
                is_other: false,
            }),
            _ if difference == Difference::Symbol => {}
            (
                Kind::Constant | Kind::Data | Kind::Zeroed | Kind::ThreadLocal | Kind::ThreadZeroed,
                _,
            ) if names.size(object, symbol) != Some(found.size) => {
                let was = names.size(object, symbol).unwrap_or_default();
                let name = super::report::path(name);
                let why = format!("{name} had {was} bytes and has {} now", found.size);
                self.refused.push(why);
            }
            (Kind::Constant, Place::At(address)) => self.constants.push(Constant {
                name: name.to_owned(),
                symbol,
                piece: Piece {
                    object: Arc::clone(object),
                    section,
                },
                address: address - found.value,
            }),
            _ => self.kept.push(name.to_owned()),
        }
    }

    /// File and name of all that becomes live.
    pub(crate) fn keys(&self) -> impl Iterator<Item = (String, String)> {
        let functions = self.functions.iter().map(|one| (&one.object, one.symbol));
        let constants = self
            .constants
            .iter()
            .map(|one| (&one.piece.object, one.symbol));
        functions.chain(constants).map(|(object, symbol)| {
            let (file, name) = key(object, symbol);
            (file.to_owned(), name.to_owned())
        })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.functions.is_empty() && self.constants.is_empty()
    }

    /// What the process has under these names is not what new code means.
    pub(crate) fn newer(&self) -> HashSet<(String, String)> {
        let functions = self.functions.iter();
        let versioned = functions.filter(|function| function.versioned.is_some());
        versioned
            .map(|function| key(&function.object, function.symbol))
            .map(|(file, name)| (file.to_owned(), name.to_owned()))
            .collect()
    }

    /// Adds what is the same but refers to something of which there is a newer
    /// version: it has to be linked anew, to refer to that. Whether there was any.
    pub(crate) fn relink(&mut self, all: &[&Unit], names: &Names) -> bool {
        let newer = self.newer();
        if newer.is_empty() {
            return false;
        }
        let before = self.functions.len() + self.constants.len();
        for object in all.iter().map(|unit| &unit.object) {
            let listed = self.functions.iter();
            let listed = listed.filter(|function| Arc::ptr_eq(&function.object, object));
            let mut known: HashSet<usize> = listed.map(|function| function.section).collect();
            let listed = self.constants.iter().map(|constant| &constant.piece);
            let listed = listed.filter(|piece| Arc::ptr_eq(&piece.object, object));
            known.extend(listed.map(|piece| piece.section));
            for symbol in 0..object.symbols.len() {
                let section = named_section(object, symbol);
                let Some(section) = section.filter(|section| !known.contains(section)) else {
                    continue;
                };
                let kind = object.sections[section].kind;
                if !matches!(kind, Kind::Text | Kind::Constant)
                    || !refers(object, section, &newer, &mut HashSet::new())
                {
                    continue;
                }
                match (kind, names.find(object, symbol)) {
                    (Kind::Text, Some(Place::At(target))) => self.functions.push(Function {
                        object: Arc::clone(object),
                        symbol,
                        section,
                        target,
                        difference: Difference::Referred,
                        was: None,
                        versioned: None,
                        is_other: false,
                    }),
                    (Kind::Constant, Some(Place::At(address))) => self.constants.push(Constant {
                        name: object.symbol_name(symbol).to_owned(),
                        symbol,
                        piece: Piece {
                            object: Arc::clone(object),
                            section,
                        },
                        address: address - object.symbols[symbol].value,
                    }),
                    _ => {} // not in the process
                }
            }
        }
        self.functions.len() + self.constants.len() > before
    }
}

/// Whether a section refers to one of these names, itself or by what is private.
pub(crate) fn refers(
    object: &Object,
    section: usize,
    names: &HashSet<(String, String)>,
    seen: &mut HashSet<usize>,
) -> bool {
    seen.insert(section)
        && object.relocations(section).any(|relocation| {
            match object.reference(section, &relocation) {
                Reference::Named { symbol } => {
                    let (file, name) = key(object, symbol);
                    names.iter().any(|(f, n)| f == file && n == name)
                }
                Reference::Private { section, .. } => refers(object, section, names, seen),
            }
        })
}

/// Everything with a name in some units.
pub(crate) type Named<'a> = HashMap<Key<'a>, (&'a Arc<Object>, usize)>;

fn named<'a>(units: &[&'a Unit]) -> Named<'a> {
    let mut found = Named::new();
    for object in units.iter().map(|unit| &unit.object) {
        let all = 0..object.symbols.len();
        let named = all.filter(|symbol| named_section(object, *symbol).is_some());
        found.extend(named.map(|symbol| (key(object, symbol), (object, symbol))));
    }
    found
}

/// Whether several functions stand in a section: the second is nowhere led to a new one.
fn shares(object: &Object, section: usize) -> bool {
    let named = object.sections[section].named.iter();
    named
        .clone()
        .any(|symbol| object.symbols[*symbol].value != 0)
}

/// The section of a symbol with a name.
pub(crate) fn named_section(object: &Object, symbol: usize) -> Option<usize> {
    let found = &object.symbols[symbol];
    let section = found.section.filter(|_| !found.is_private)?;
    let is_whole = object.sections[section].named.len() == 1 || found.value == 0;
    let is_known = object.sections[section].kind != Kind::Other;
    (is_whole && is_known && !object.symbol_name(symbol).is_empty()).then_some(section)
}
