//! The index of a file's debug information, made once by one walk.
//!
//! It says at which offsets of `.debug_info` the functions are, by address and
//! by name, and which entries are copies of which. The walk is shared among the
//! processors; the index takes 8 bytes for each name and each inlined copy.

use std::num::NonZero;
use std::thread;

use super::scan::{self, Found, Sections, Unit};
use super::table::Table;

/// Where what is in a file's debug information.
#[derive(Debug)]
pub(super) struct DebugIndex {
    units: Vec<Unit>,
    functions: Table,
    names: Table,
    links: Table,
    /// Units whose entries are in other files.
    pub(super) split: u32,
    /// Units that could not be read.
    pub(super) damaged: u32,
}

/// The most threads that walk at once.
const THREADS: usize = 8;
/// Less than this is walked by one thread.
const ALONE: u64 = 4 << 20;

impl DebugIndex {
    /// Of these sections; none if the units do not follow one another.
    pub(super) fn of(sections: &Sections<'_>) -> Option<DebugIndex> {
        let units = scan::units(sections.info)?;
        let found = walk(sections, &units);
        let table = |part: fn(&Found) -> &[(u32, u32)]| {
            let parts: Vec<_> = found.iter().map(part).collect();
            Table::of(&parts)
        };
        Some(DebugIndex {
            functions: table(|found| &found.functions),
            names: table(|found| &found.names),
            links: table(|found| &found.links),
            split: found.iter().map(|found| found.split).sum(),
            damaged: found.iter().map(|found| found.damaged).sum(),
            units,
        })
    }

    /// The unit that the entry at `offset` is in.
    pub(super) fn unit(&self, offset: u32) -> Option<&Unit> {
        let after = self.units.partition_point(|unit| unit.offset <= offset);
        self.units.get(after.checked_sub(1)?)
    }

    /// The functions whose code begins at `address` of the file, and some that
    /// begin 4 GB before or behind it.
    pub(super) fn at(&self, address: u64) -> impl Iterator<Item = u32> {
        self.functions.get(address as u32)
    }

    /// The functions whose names have that hash, and others.
    pub(super) fn called(&self, hash: u32) -> impl Iterator<Item = u32> {
        self.names.get(hash)
    }

    /// What refers to the entry at `offset`: inlined copies of it, and functions
    /// that leave their names to it.
    pub(super) fn from(&self, offset: u32) -> impl Iterator<Item = u32> {
        self.links.get(offset)
    }
}

fn walk(sections: &Sections<'_>, units: &[Unit]) -> Vec<Found> {
    let total = sections.info.len() as u64;
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    let threads = if total < ALONE {
        1
    } else {
        threads.min(THREADS)
    };
    if threads == 1 {
        return vec![scan::walk(sections, units)];
    }
    let share = total.div_ceil(threads as u64);
    let of_thread = |unit: &Unit| u64::from(unit.offset) / share;
    let parts: Vec<&[Unit]> = units
        .chunk_by(|a, b| of_thread(a) == of_thread(b))
        .collect();
    thread::scope(|scope| {
        let walks: Vec<_> = parts
            .iter()
            .map(|part| {
                let walk = || scan::walk(sections, part);
                (thread::Builder::new().spawn_scoped(scope, walk).ok(), part)
            })
            .collect();
        let join = |(thread, part): (Option<thread::ScopedJoinHandle<'_, Found>>, &&[Unit])| {
            // Where no thread can be had, this one does the work.
            let found = thread.and_then(|thread| thread.join().ok());
            found.unwrap_or_else(|| scan::walk(sections, part))
        };
        walks.into_iter().map(join).collect()
    })
}
