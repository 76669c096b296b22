//! What an edit has changed: functions and statics, old against new.

use super::link::plan::Piece;
use super::names::{Names, Place};
use super::object::meaning::{Lines, meaning};
use super::object::{Kind, Object};
use super::units::{Objects, Unit};
use std::collections::HashMap;
use std::sync::Arc;

/// A changed function.
pub(crate) struct Function {
    pub(crate) object: Arc<Object>,
    pub(crate) symbol: usize,
    pub(crate) section: usize,
    /// Where the process has it.
    pub(crate) target: u64,
    /// Only lines in its panics' locations are different.
    pub(crate) is_moved: bool,
    /// Why old callers keep the old one.
    pub(crate) versioned: Option<String>,
}

/// A constant that has another value and is as long as it was.
pub(crate) struct Constant {
    pub(crate) name: String,
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
    /// several: weak symbols are.
    pub(crate) fn add(&mut self, old: &[&Unit], new: &[&Unit], running: &Objects, names: &Names) {
        let mut before: HashMap<Key<'_>, (&Arc<Object>, usize)> = HashMap::new();
        for object in old.iter().map(|unit| &unit.object) {
            let all = 0..object.symbols.len();
            let named = all.filter(|symbol| named_section(object, *symbol).is_some());
            before.extend(named.map(|symbol| (key(object, symbol), (object, symbol))));
        }
        for object in new.iter().map(|unit| &unit.object) {
            for symbol in 0..object.symbols.len() {
                let Some(section) = named_section(object, symbol) else {
                    continue;
                };
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
                self.compare(old, object, (symbol, section), place, names);
            }
        }
    }

    fn compare(
        &mut self,
        old: Option<(&Arc<Object>, usize)>,
        object: &Arc<Object>,
        (symbol, section): (usize, usize),
        place: Place,
        names: &Names,
    ) {
        let same = |lines| {
            old.and_then(|(old, symbol)| Some((old, named_section(old, symbol)?)))
                .is_some_and(|(old, before)| {
                    meaning(old, before, lines) == meaning(object, section, lines)
                })
        };
        if same(Lines::Kept) {
            return;
        }
        let found = &object.symbols[symbol];
        let name = object.symbol_name(symbol);
        let kind = object.sections[section].kind;
        match (kind, place) {
            (Kind::Text, Place::At(target)) => self.functions.push(Function {
                object: Arc::clone(object),
                symbol,
                section,
                target,
                is_moved: same(Lines::LeftOut),
                versioned: None,
            }),
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
                piece: Piece {
                    object: Arc::clone(object),
                    section,
                },
                address: address - found.value,
            }),
            _ => self.kept.push(name.to_owned()),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.functions.is_empty() && self.constants.is_empty()
    }
}

/// The section of a symbol with a name.
fn named_section(object: &Object, symbol: usize) -> Option<usize> {
    let found = &object.symbols[symbol];
    let section = found.section.filter(|_| !found.is_private)?;
    let is_whole = object.sections[section].named.len() == 1 || found.value == 0;
    let is_known = object.sections[section].kind != Kind::Other;
    (is_whole && is_known && !object.symbol_name(symbol).is_empty()).then_some(section)
}
