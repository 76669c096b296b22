//! Vtables: how many methods a trait object's has, and which is in which slot.
//!
//! The types of pointers to trait objects and of vtables have the length.
//! The order is in no type, so the tables themselves are read: the
//! methods' symbols at the address of `<Type as Trait>::{vtable}`. Neither is whether
//! such an object is to be dropped at all: the first slot is empty if not.
//!
//! What a method takes and returns is in no type either. An object that lives leads new
//! callers to the old method, so there must not be two versions of one.

use super::compare::{Comparison, Located};
use super::elf::Elf;
use super::names::{Side, last_segment, method_path};
use super::pairs::Pairs;
use super::unit::{Kind, Part, Role, Static, TypeId, Unit};
use super::verdict::{Reason, Refusal, Verdict};
use std::collections::HashMap;

/// Drop, size and alignment.
const HEADER: u64 = 3;
const WORD: u64 = 8;

/// If the types are pointers to trait objects or vtables, and of different
/// lengths: that.
pub(super) fn length(pairs: &Pairs<'_>, old: TypeId, new: TypeId) -> Option<Refusal> {
    let (before, after) = (methods(pairs.old, old)?, methods(pairs.new, new)?);
    let name = String::from_utf8_lossy(&pairs.sides.1.type_path(pairs.new, new)).into_owned();
    let name = trait_of(&name)?;
    (before != after).then_some(Refusal::VtableLength {
        name,
        old: before,
        new: after,
    })
}

fn methods(unit: &Unit, id: TypeId) -> Option<u64> {
    let ty = unit.ty(id);
    if unit.text(ty.name).ends_with(b"::{vtable_type}") {
        return (ty.size? / WORD).checked_sub(HEADER);
    }
    let mut parts = unit.parts(ty.parts);
    let table = parts.find(|part| unit.text(part.name) == b"vtable")?;
    let pointer = unit.ty(table.of?);
    let array = unit.ty(pointer.target?);
    if pointer.kind != Kind::Pointer || array.kind != Kind::Array {
        return None;
    }
    let length = |part: &Part| part.value.filter(|_| part.role == Role::Length);
    let length = unit.parts(array.parts).find_map(length)?;
    u64::try_from(length).ok()?.checked_sub(HEADER)
}

/// The trait in `&dyn a::T`, `alloc::boxed::Box<dyn a::T, …>` or
/// `<a::S as a::T>::{vtable_type}`.
fn trait_of(name: &str) -> Option<String> {
    if let Some(inner) = name.strip_suffix(">::{vtable_type}") {
        return Some(inner.rsplit_once(" as ")?.1.to_owned());
    }
    let from = name.find("dyn ")? + "dyn ".len();
    let name = &name[from..];
    let mut depth = 0_usize;
    let end = name.find(|c| {
        match c {
            '<' | '(' => depth += 1,
            '>' | ')' if depth > 0 => depth -= 1,
            '>' | ')' | ',' | '+' if depth == 0 => return true,
            _ => {}
        }
        false
    });
    Some(name[..end.unwrap_or(name.len())].trim().to_owned())
}

/// Compares the methods in the slots of vtables that are in both, and looks for those of
/// which there are two versions, by their old symbols.
pub(super) fn compare(
    comparison: &mut Comparison<'_>,
    versioned: &HashMap<&str, &Reason>,
    refuse: &mut dyn FnMut(Refusal),
) {
    let (old, new) = comparison.sides;
    let before = tables(old);
    if before.is_empty() {
        return;
    }
    let of_method = |name: &[u8], symbol: &[u8], reason: Reason| Refusal::VtableMethod {
        name: shown(name),
        method: String::from_utf8_lossy(&last_segment(symbol)).into_owned(),
        reason,
    };
    let is_asked = |(name, _): &(&Vec<u8>, _)| !versioned.is_empty() && !is_of_std(name);
    for (name, (unit, table)) in before.iter().filter(is_asked) {
        let methods = slots(unit, table).unwrap_or_default();
        let found = methods.iter().flatten().find_map(|symbol| {
            let reason = versioned.get(std::str::from_utf8(symbol).ok()?)?;
            let reason = Some(*reason).filter(|reason| is_signature(reason))?;
            Some((symbol, reason.clone()))
        });
        if let Some((symbol, reason)) = found {
            refuse(of_method(name, symbol, reason));
        }
    }
    for (name, (new_unit, table)) in tables(new) {
        let Some((old_unit, old_table)) = before.get(&name) else {
            continue;
        };
        let (was, is) = (drops(old_unit, old_table), drops(new_unit, table));
        if let (Some(was), Some(is)) = (was, is)
            && was != is
            && !is_of_closure(&name)
        {
            let name = shown(&name);
            refuse(Refusal::VtableDrop { name, new: is });
            continue;
        }
        let (Some(a), Some(b)) = (slots(old_unit, old_table), slots(new_unit, table)) else {
            continue;
        };
        if a.len() != b.len() {
            // Said with the types.
            continue;
        }
        // Of several instances of one path it is not known which became which.
        let renamed = a
            .iter()
            .zip(&b)
            .filter(|(a, b)| a != b && !is_of_std(&name));
        for (a, b) in renamed.filter_map(|(a, b)| Some((a.as_ref()?, b.as_ref()?))) {
            let found = (method(old, a), method(new, b));
            if let (Some(_), Some(_)) = found
                && let Verdict::Versioned { reason } = comparison.function(&found)
                && is_signature(&reason)
            {
                refuse(of_method(&name, a, reason));
            }
        }
        if is_of_closure(&name) {
            continue;
        }
        let differs = a.iter().zip(&b).enumerate();
        let differs = differs
            .filter(|(_, (a, b))| a != b)
            .find_map(|(slot, both)| {
                let both = [both.0, both.1].map(Option::as_deref);
                let (short, long) = (
                    both.map(|s| s.map(last_segment)),
                    both.map(|s| s.map(method_path)),
                );
                if short[0] != short[1] {
                    Some((slot, short))
                } else {
                    (long[0] != long[1]).then_some((slot, long))
                }
            });
        if let Some((slot, [a, b])) = differs {
            let text = |name: Option<Vec<u8>>| Some(String::from_utf8_lossy(&name?).into_owned());
            refuse(Refusal::VtableSlot {
                name: shown(&name),
                slot,
                old: text(a),
                new: text(b),
            });
        }
    }
}

fn method<'a>(side: &Side<'a>, symbol: &[u8]) -> Option<Located<'a>> {
    let symbol = std::str::from_utf8(symbol).ok()?;
    side.units.iter().find_map(|unit| {
        let unit: &'a Unit = unit;
        let function = unit.function(symbol)?;
        Some(Located { unit, function })
    })
}

/// What of it a caller would notice.
fn is_signature(reason: &Reason) -> bool {
    matches!(
        reason,
        Reason::ParameterCount { .. } | Reason::Parameter { .. } | Reason::Return { .. }
    )
}

/// `<Type as Trait>` of a table's name.
fn shown(name: &[u8]) -> String {
    let name = String::from_utf8_lossy(name);
    name.trim_end_matches("::{vtable}").to_owned()
}

/// A closure, and what has one in it: another one may have got its number.
fn is_of_closure(name: &[u8]) -> bool {
    memchr::memmem::find(name, b"_env#").is_some()
}

/// Nobody edits the methods of these traits. What they take and return changes with
/// types that the types of their objects name, as in `dyn Fn() -> u8`.
fn is_of_std(name: &[u8]) -> bool {
    let name = shown(name);
    let of = name.rsplit_once(" as ").map_or("", |(_, of)| of);
    ["core::", "alloc::", "std::"]
        .iter()
        .any(|krate| of.starts_with(krate))
}

fn tables<'a>(side: &Side<'a>) -> HashMap<Vec<u8>, (&'a Unit, &'a Static)> {
    let mut found = HashMap::new();
    for unit in &side.units {
        for item in &unit.statics {
            let name = unit.text(item.name);
            if name.ends_with(b"::{vtable}") {
                found.insert(side.canonical(name).into_owned(), (*unit, item));
            }
        }
    }
    found
}

/// Whether a drop of such an object does anything.
fn drops(unit: &Unit, table: &Static) -> Option<bool> {
    let elf = Elf::parse(&unit.bytes).ok()?;
    elf.is_filled(table.address?)
}

/// The symbols of a table's methods.
fn slots(unit: &Unit, table: &Static) -> Option<Vec<Option<Vec<u8>>>> {
    let ty = unit.ty(table.of?);
    let count = ty.size? / WORD;
    if count <= HEADER {
        return None;
    }
    let elf = Elf::parse(&unit.bytes).ok()?;
    let slots = elf.slots(table.address?, count)?;
    let methods = slots.into_iter().skip(HEADER as usize);
    Some(methods.map(|slot| slot.map(<[u8]>::to_vec)).collect())
}
