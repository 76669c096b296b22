//! Memory that nothing leads to any more, but which a thread may still be in.
//!
//! An [`Item`] comes here when the last way into it is closed: the entry holds
//! the original bytes, slots lead elsewhere, traps are redirected past it. From
//! then on only a thread that is inside already can be: its PC, a register, a
//! word of its stack or a saved signal context points there. A *round* looks at
//! every thread once ([`crate::threads`]); a thread that was seen outside stays
//! outside, and one that starts later begins outside. When all have been seen,
//! what none of them was in is given back.
//!
//! A round may take several tries: threads that cannot be seen now are looked at
//! again by the next one. Nobody is stopped.

use crate::memory::arena::{Arena, Slot};
use crate::memory::process;
use crate::memory::write::Writer;
use crate::threads::live::Change;
use crate::threads::trap;
use std::collections::HashSet;
use std::ops::Range;

/// Memory of one patch, or of a part of it.
#[derive(Default)]
pub(super) struct Item {
    /// Code of the arena: where it is, and how long.
    pub(super) code: Vec<(usize, usize)>,
    pub(super) slots: Vec<Slot>,
    /// What else no thread may point to: not given back.
    pub(super) watched: Vec<Range<usize>>,
    /// Addresses that redirect to themselves, as the original bytes are back.
    pub(super) traps: Vec<usize>,
    /// A jump in padding, and what stood there.
    pub(super) padding: Option<Change>,
    /// Something of the layer above, such as a closure's context.
    pub(super) other: Option<Box<dyn Other>>,
}

/// What else may be given back with an item.
pub(super) trait Other: Send {
    /// Whether nobody counts on it any more, so that it may go.
    fn is_unused(&self) -> bool;
    /// Bytes that it takes.
    fn bytes(&self) -> usize;
}

impl Item {
    pub(super) fn bytes(&self) -> usize {
        let code: usize = self.code.iter().map(|(_, len)| len).sum();
        let other = self.other.as_ref().map_or(0, |other| other.bytes());
        code + self.slots.len() * size_of::<usize>() + other
    }

    fn ranges(&self) -> impl Iterator<Item = Range<usize>> + '_ {
        let code = self.code.iter().map(|&(at, len)| at..at + len);
        let padding = self.padding.iter().map(|c| c.at..c.at + c.new.len());
        code.chain(padding).chain(self.watched.iter().cloned())
    }
}

/// What became of a try.
#[derive(Clone, Debug, Default)]
pub(super) struct Swept {
    /// Bytes given back.
    pub(super) freed: usize,
    /// Threads that could not be seen, so that the round goes on.
    pub(super) unseen: usize,
    /// Items that a thread may be in.
    pub(super) held: usize,
    /// Padding to write back; nobody is there.
    pub(super) padding: Vec<Change>,
}

/// A look at all threads that is under way.
struct Round {
    /// How many of the items it is about: the first ones.
    items: usize,
    /// Of which process.
    process: u32,
    seen: HashSet<i32>,
    /// The items that someone may be in.
    held: HashSet<usize>,
}

/// All memory that waits.
#[derive(Default)]
pub(super) struct Limbo {
    items: Vec<Item>,
    bytes: usize,
    round: Option<Round>,
}

impl Limbo {
    pub(super) fn push(&mut self, item: Item) {
        self.bytes += item.bytes();
        self.items.push(item);
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn len(&self) -> usize {
        self.items.len()
    }
}
