//! Vtables: how many methods a trait object's has, and which is in which slot.
//!
//! The types of pointers to trait objects and of vtables have the length.
//! The order is in no type, so the tables themselves are read: the
//! methods' symbols at the address of `<Type as Trait>::{vtable}`. Neither is whether
//! such an object is to be dropped at all: the first slot is empty if not.

use super::compare::Comparison;
use super::elf::Elf;
use super::names::{Side, last_segment};
use super::pairs::Pairs;
use super::unit::{Kind, Part, Role, Static, TypeId, Unit};
use super::verdict::Refusal;
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

/// Compares the methods in the slots of vtables that are in both.
pub(super) fn compare(comparison: &Comparison<'_>, refuse: &mut dyn FnMut(Refusal)) {
    let (old, new) = comparison.sides;
    let before = tables(old);
    if before.is_empty() {
        return;
    }
    for (name, (new_unit, table)) in tables(new) {
        let Some((old_unit, old_table)) = before.get(&name) else {
            continue;
        };
        let (was, is) = (drops(old_unit, old_table), drops(new_unit, table));
        if let (Some(was), Some(is)) = (was, is)
            && was != is
        {
            let name = String::from_utf8_lossy(&name);
            let name = name.trim_end_matches("::{vtable}").to_owned();
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
        let differs = a.iter().zip(&b).position(|(a, b)| a != b);
        if let Some(slot) = differs {
            let text = |name: &Option<Vec<u8>>| {
                let name = name.as_ref()?;
                Some(String::from_utf8_lossy(name).into_owned())
            };
            let name = String::from_utf8_lossy(&name).into_owned();
            refuse(Refusal::VtableSlot {
                name: name.trim_end_matches("::{vtable}").to_owned(),
                slot,
                old: text(&a[slot]),
                new: text(&b[slot]),
            });
        }
    }
}

fn tables<'a>(side: &Side<'a>) -> HashMap<Vec<u8>, (&'a Unit, &'a Static)> {
    let mut found = HashMap::new();
    for unit in &side.units {
        for item in &unit.statics {
            let name = unit.text(item.name);
            // Those of closures have one method.
            if name.ends_with(b"::{vtable}") && memchr::memmem::find(name, b"_env#").is_none() {
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

/// The methods of a table by their names, without what they are of.
fn slots(unit: &Unit, table: &Static) -> Option<Vec<Option<Vec<u8>>>> {
    let ty = unit.ty(table.of?);
    let count = ty.size? / WORD;
    // Most tables have one method or none.
    if count < HEADER + 2 {
        return None;
    }
    let elf = Elf::parse(&unit.bytes).ok()?;
    let slots = elf.slots(table.address?, count)?;
    let methods = slots.into_iter().skip(HEADER as usize);
    Some(methods.map(|slot| slot.map(last_segment)).collect())
}
