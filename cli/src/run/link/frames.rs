//! What unwinders need: the call frame information of the functions that are
//! taken in, and the table by which it is found.

use super::apply::{Resolver, fill};
use super::plan::{Base, Plan};
use crate::run::machine::Machine;
use crate::run::object::reference::Reference;
use crate::run::object::{Object, Relocation};
use std::collections::HashMap;
use std::sync::Arc;

/// The exception tables (`.gcc_except_table`) of the functions in an object, by section.
pub(crate) fn exception_tables(object: &Object) -> HashMap<usize, usize> {
    let Some(frames) = object.section_called(".eh_frame") else {
        return HashMap::new();
    };
    let table = |entry: Entry| {
        let mut relocations = entry.relocations.iter().skip(1);
        let table = relocations.find_map(|relocation| target(object, frames, relocation))?;
        Some((entry.function?, table))
    };
    entries(object, frames)
        .into_iter()
        .filter_map(table)
        .collect()
}

struct Entry {
    start: usize,
    end: usize,
    /// Where the common information stands; none if this is one.
    common: Option<usize>,
    /// The section of the function that it is about.
    function: Option<usize>,
    relocations: Vec<Relocation>,
}

fn target(object: &Object, frames: usize, relocation: &Relocation) -> Option<usize> {
    match object.reference(frames, relocation) {
        Reference::Private { section, .. } => Some(section),
        Reference::Named { symbol } => object.symbols[symbol].section,
    }
}

/// The entries of `.eh_frame`.
fn entries(object: &Object, frames: usize) -> Vec<Entry> {
    let bytes = object.content(frames);
    let mut relocations: Vec<Relocation> = object.relocations(frames).collect();
    relocations.sort_by_key(|relocation| relocation.offset);
    let word = |at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    let mut entries = Vec::new();
    let mut start = 0;
    while let (Some(len), Some(id)) = (word(start), word(start + 4)) {
        let end = start + 4 + len as usize;
        if len == 0 || end > bytes.len() {
            break;
        }
        let first = relocations.partition_point(|relocation| (relocation.offset as usize) < start);
        let own = relocations[first..].iter();
        let own: Vec<_> = own
            .take_while(|own| (own.offset as usize) < end)
            .copied()
            .collect();
        let common = (id != 0).then(|| (start + 4).wrapping_sub(id as usize));
        let function = common
            .and(own.first())
            .and_then(|first| target(object, frames, first));
        entries.push(Entry {
            start,
            end,
            common,
            function,
            relocations: own,
        });
        start = end;
    }
    entries
}

/// The call frame information of an image.
#[derive(Default)]
pub(crate) struct Frames {
    pub(crate) bytes: Vec<u8>,
    /// What is filled in: where, and what is referred to.
    fields: Vec<(Machine, Relocation, Base)>,
    /// Where the entries of functions stand, and whose they are.
    functions: Vec<(usize, usize)>,
}

impl Frames {
    /// That of all functions in `plan`. References lead to pieces; the personality
    /// is found by its name.
    pub(crate) fn new(
        plan: &Plan,
        mut named: impl FnMut(&Arc<Object>, usize) -> Option<Base>,
    ) -> Result<Self, String> {
        let mut made = Self::default();
        let mut objects: Vec<&Arc<Object>> =
            plan.pieces.iter().map(|piece| &piece.object).collect();
        objects.sort_by_key(|object| Arc::as_ptr(object) as usize);
        objects.dedup_by_key(|object| Arc::as_ptr(object) as usize);
        for object in objects {
            let Some(frames) = object.section_called(".eh_frame") else {
                continue;
            };
            let all = entries(object, frames);
            let mut commons: HashMap<usize, usize> = HashMap::new();
            for entry in &all {
                let piece = entry
                    .function
                    .and_then(|section| plan.piece_of(object, section));
                let (Some(piece), Some(common)) = (piece, entry.common) else {
                    continue;
                };
                let copied = match commons.get(&common) {
                    Some(at) => *at,
                    None => {
                        let found = all.iter().find(|entry| entry.start == common);
                        let found = found.ok_or("call frame information without its head")?;
                        let at = made.copy(object, frames, found, plan, &mut named)?;
                        commons.insert(common, at);
                        at
                    }
                };
                let at = made.copy(object, frames, entry, plan, &mut named)?;
                let back = (at + 4 - copied) as u32;
                made.bytes[at + 4..at + 8].copy_from_slice(&back.to_le_bytes());
                made.functions.push((at, piece));
            }
        }
        made.bytes.extend([0; 4]);
        Ok(made)
    }

    fn copy(
        &mut self,
        object: &Arc<Object>,
        frames: usize,
        entry: &Entry,
        plan: &Plan,
        named: &mut impl FnMut(&Arc<Object>, usize) -> Option<Base>,
    ) -> Result<usize, String> {
        let at = self.bytes.len();
        self.bytes
            .extend(&object.content(frames)[entry.start..entry.end]);
        for relocation in &entry.relocations {
            let symbol = &object.symbols[relocation.symbol];
            let in_image = symbol
                .section
                .and_then(|section| plan.piece_of(object, section));
            let base = match in_image {
                Some(piece) => Some(Base::In(piece, symbol.value as i64)),
                None => named(object, relocation.symbol),
            };
            let base = base.ok_or_else(|| {
                let name = object.symbol_name(relocation.symbol);
                format!("`{name}`, which unwinders need, is not in the program")
            })?;
            let offset = relocation.offset as usize - entry.start + at;
            let moved = Relocation {
                offset: offset as u64,
                ..*relocation
            };
            self.fields.push((object.machine, moved, base));
        }
        Ok(at)
    }

    /// How long the table is by which entries are found.
    pub(crate) fn table_len(&self) -> usize {
        12 + 8 * self.functions.len()
    }

    /// Fills in all references, for a section at `at`.
    pub(crate) fn relocate(&mut self, at: u64, resolver: &Resolver<'_>) -> Result<(), String> {
        for (machine, relocation, base) in std::mem::take(&mut self.fields) {
            fill(machine, &mut self.bytes, at, &relocation, base, resolver)?;
        }
        Ok(())
    }

    /// The section `.eh_frame_hdr` at `table`, for frames at `at`.
    pub(crate) fn table(&self, table: u64, at: u64, resolver: &Resolver<'_>) -> Vec<u8> {
        let mut bytes = vec![1, 0x1b, 0x03, 0x3b];
        bytes.extend((at.wrapping_sub(table + 4) as i32).to_le_bytes());
        bytes.extend((self.functions.len() as u32).to_le_bytes());
        let entries = self.functions.iter();
        let mut entries: Vec<(i32, i32)> = entries
            .map(|(entry, piece)| {
                let function = resolver.pieces[*piece];
                let entry = at + *entry as u64;
                (
                    function.wrapping_sub(table) as i32,
                    entry.wrapping_sub(table) as i32,
                )
            })
            .collect();
        entries.sort_unstable();
        for (function, entry) in entries {
            bytes.extend(function.to_le_bytes());
            bytes.extend(entry.to_le_bytes());
        }
        bytes
    }
}
