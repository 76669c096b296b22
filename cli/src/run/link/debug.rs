//! What debuggers and backtraces need: the debug information of the units that
//! the image's functions are from.
//!
//! Addresses count from the start of the image.
//!
//! A unit's sections are taken whole. Functions of it that are not in the image
//! get the address zero, as linkers do with functions that they drop.

use super::apply::Resolver;
use super::plan::{Base, Plan};
use crate::run::names::{Names, Place};
use crate::run::object::reference::Reference;
use crate::run::object::{Kind, Object};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Sections of debug information by their names.
pub(crate) type Sections = BTreeMap<String, Vec<u8>>;

/// The debug information for `plan`.
pub(crate) fn sections(plan: &Plan, resolver: &Resolver<'_>, names: &Names) -> Sections {
    let own = plan.pieces.iter().filter(|piece| piece.object.is_own);
    let with_code = own.filter(|piece| piece.kind() == Kind::Text);
    let mut objects: Vec<&Arc<Object>> = with_code.map(|piece| &piece.object).collect();
    objects.sort_by_key(|object| Arc::as_ptr(object) as usize);
    objects.dedup_by_key(|object| Arc::as_ptr(object) as usize);
    let mut all = Sections::new();
    for object in objects {
        let wanted = |section: &usize| {
            let name = object.section_name(*section);
            name.starts_with(".debug_") && !name.starts_with(".debug_gdb")
        };
        let sections: Vec<usize> = (1..object.sections.len()).filter(wanted).collect();
        let starts: BTreeMap<usize, usize> = sections
            .iter()
            .map(|section| {
                let bytes = all
                    .entry(object.section_name(*section).to_owned())
                    .or_default();
                bytes.resize(
                    bytes
                        .len()
                        .next_multiple_of(object.sections[*section].align as usize),
                    0,
                );
                let start = bytes.len();
                bytes.extend(object.content(*section));
                (*section, start)
            })
            .collect();
        for section in sections {
            let name = object.section_name(section);
            // A pair of zeros would end these lists.
            let nowhere = u64::from(matches!(name, ".debug_ranges" | ".debug_loc"));
            let Some(bytes) = all.get_mut(name) else {
                continue;
            };
            for relocation in object.relocations(section) {
                let symbol = &object.symbols[relocation.symbol];
                let start = symbol.section.and_then(|section| starts.get(&section));
                let value = match start {
                    Some(start) => *start as u64 + symbol.value,
                    None => match address(object, section, &relocation, plan, resolver, names) {
                        Some(address) => address.wrapping_sub(resolver.start),
                        None => nowhere.wrapping_sub(relocation.addend as u64),
                    },
                };
                let value = value.wrapping_add_signed(relocation.addend);
                let at = starts[&section] + relocation.offset as usize;
                let len = object.machine.width(relocation.kind);
                if let Some(field) = bytes.get_mut(at..at + len) {
                    field.copy_from_slice(&value.to_le_bytes()[..len]);
                }
            }
        }
    }
    all
}

fn address(
    object: &Arc<Object>,
    from: usize,
    relocation: &crate::run::object::Relocation,
    plan: &Plan,
    resolver: &Resolver<'_>,
    names: &Names,
) -> Option<u64> {
    let symbol = &object.symbols[relocation.symbol];
    if let Some(piece) = symbol
        .section
        .and_then(|section| plan.piece_of(object, section))
    {
        return Some(resolver.value(Base::In(piece, symbol.value as i64)));
    }
    let is_code = symbol
        .section
        .is_some_and(|section| object.sections[section].kind == Kind::Text);
    // Code that is elsewhere is described by the executable.
    if is_code {
        return None;
    }
    match object.reference(from, relocation) {
        Reference::Named { symbol: named } => match names.find(object, named)? {
            Place::At(at) => Some(at - object.symbols[named].value + symbol.value),
            Place::Thread(_) => None,
        },
        Reference::Private { .. } => None,
    }
}
