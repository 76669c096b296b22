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

use super::choosing::dispatcher_code;
use crate::memory::arena::{Arena, Slot};
use crate::memory::process;
use crate::threads::change::Change;
use crate::threads::look::{self, Outcome, Patience};
use crate::threads::tasks::{self, Tid};
use crate::threads::trap;
use crate::threads::view::{Seen, View, number_of};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::io;
use std::ops::Range;
use std::sync::atomic::{Ordering, fence};
use std::time::Duration;

/// Memory of one patch, or of a part of it.
#[derive(Default)]
pub(super) struct Item {
    /// Code of the arena: where it is, and how long.
    pub(super) code: Vec<(usize, usize)>,
    pub(super) slots: Vec<Slot>,
    /// Where the code leads without a slot that is read on the way: whoever is
    /// in it may come there, so that this is not given back before it.
    pub(super) leads_to: Vec<usize>,
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

    /// Bytes with what is kept about it.
    fn weight(&self) -> usize {
        let about = size_of_val(&*self.code)
            + size_of_val(&*self.slots)
            + size_of_val(&*self.leads_to)
            + size_of_val(&*self.traps);
        self.bytes() + size_of::<Self>() + about
    }

    fn ranges(&self) -> impl Iterator<Item = Range<usize>> + '_ {
        let code = self.code.iter().map(|&(at, len)| at..at + len);
        let padding = self.padding.iter().map(|c| c.at..c.at + c.new.len());
        code.chain(padding)
    }
}

/// What became of a try.
#[derive(Debug, Default)]
pub(super) struct Swept {
    /// Bytes given back.
    pub(super) freed: usize,
    /// Threads that could not be seen, and why, so that the round goes on.
    pub(super) unseen: Vec<(Tid, String)>,
    /// Items that a thread may be in.
    pub(super) held: usize,
    /// Which threads.
    pub(super) held_by: BTreeSet<Tid>,
    /// Padding to write back; nobody is there.
    pub(super) padding: Vec<Change>,
}

/// A look at all threads that is under way.
struct Round {
    /// How many of the items it is about: the first ones.
    items: usize,
    /// Of which process.
    process: u32,
    seen: HashSet<Tid>,
    /// The items that someone may be in, and who.
    held: HashMap<usize, Tid>,
}

/// How often threads are listed again because new ones have come.
const LISTINGS: usize = 8;

/// All memory that waits.
#[derive(Default)]
pub(super) struct Limbo {
    items: Vec<Item>,
    bytes: usize,
    weight: usize,
    round: Option<Round>,
}

impl Limbo {
    pub(super) fn push(&mut self, item: Item) {
        self.bytes += item.bytes();
        self.weight += item.weight();
        self.items.push(item);
    }

    /// Bytes with what is kept about them.
    pub(super) fn weight(&self) -> usize {
        self.weight
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The part of it that the arena has.
    pub(super) fn bytes_of_arena(&self) -> usize {
        let other = |item: &Item| item.other.as_ref().map_or(0, |other| other.bytes());
        self.bytes - self.items.iter().map(other).sum::<usize>()
    }

    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    /// Where its code leads.
    pub(super) fn destinations(&self) -> impl Iterator<Item = usize> + '_ {
        let items = self.items.iter();
        items.flat_map(|item| item.leads_to.iter().copied())
    }

    /// Looks at threads for so long, and gives back what all have been seen
    /// outside of.
    pub(super) fn sweep(&mut self, arena: &mut Arena, time: Duration) -> io::Result<Swept> {
        let mut swept = Swept::default();
        if self.items.is_empty() {
            return Ok(swept);
        }
        // What closed the last ways in is seen by all before any is looked at.
        fence(Ordering::SeqCst);
        let mut round = match self.round.take() {
            // The threads of a parent are not those of a child.
            Some(round) if round.process == process::id() => round,
            _ => Round {
                items: self.items.len(),
                process: process::id(),
                seen: HashSet::new(),
                held: HashMap::new(),
            },
        };
        let is_complete = self.look(&mut round, time, &mut swept.unseen);
        if matches!(is_complete, Ok(true)) {
            self.give_back(&round, arena, &mut swept);
        } else {
            self.round = Some(round);
        }
        is_complete.map(|_| swept)
    }

    /// Looks at the threads that the round has not seen; says whether all have
    /// been.
    fn look(
        &self,
        round: &mut Round,
        time: Duration,
        unseen: &mut Vec<(Tid, String)>,
    ) -> io::Result<bool> {
        let owners = owners(&self.items[..round.items]);
        let ranges: Vec<Range<usize>> = owners.iter().map(|(range, _)| range.clone()).collect();
        let patience = Patience::of(time);
        let own = tasks::own();
        for _ in 0..LISTINGS {
            let tids: Vec<Tid> = tasks::list()?
                .into_iter()
                .filter(|tid| !round.seen.contains(tid))
                .collect();
            if tids.is_empty() {
                return Ok(true);
            }
            unseen.clear();
            look::sweep(&tids, &patience, |tid, outcome| {
                let why = match outcome {
                    Outcome::Seen(view) => match hidden(&view) {
                        None => {
                            let mut hold = |n: usize| {
                                round.held.entry(owners[n].1).or_insert(tid);
                            };
                            if tid == own {
                                points_into_when_interrupted(&view, &ranges, hold);
                            } else {
                                view.points_into(&ranges, |n, _| hold(n));
                            }
                            None
                        }
                        hidden => hidden.map(String::from),
                    },
                    Outcome::RunsNothing | Outcome::Gone => None,
                    Outcome::Unseen(unseen) => Some(unseen.to_string()),
                };
                match why {
                    None => {
                        round.seen.insert(tid);
                    }
                    Some(why) => unseen.push((tid, why)),
                }
            })?;
            if !unseen.is_empty() {
                return Ok(false);
            }
        }
        // Threads come faster than they can be looked at.
        Ok(false)
    }

    fn give_back(&mut self, round: &Round, arena: &mut Arena, swept: &mut Swept) {
        let later = self.items.split_off(round.items);
        let items = std::mem::replace(&mut self.items, later);
        let is_held = held(&items, round);
        for (n, item) in items.into_iter().enumerate() {
            if is_held[n] {
                let holder = round.held.get(&n);
                swept.held += 1;
                swept.held_by.extend(holder);
                self.items.push(item);
                continue;
            }
            let bytes = item.bytes();
            self.bytes -= bytes;
            self.weight -= item.weight();
            swept.freed += bytes;
            for (at, len) in item.code {
                arena.free_code(at, len);
            }
            for slot in item.slots {
                arena.free_slot(slot);
            }
            trap::forget_settled(item.traps);
            swept.padding.extend(item.padding);
        }
        arena.trim();
    }
}

/// Which of the items a thread may be in, or come to from one that it is in.
fn held(items: &[Item], round: &Round) -> Vec<bool> {
    let is_counted_on = |item: &Item| item.other.as_ref().is_some_and(|o| !o.is_unused());
    let mut held: Vec<bool> = items
        .iter()
        .enumerate()
        .map(|(n, item)| is_counted_on(item) || round.held.contains_key(&n))
        .collect();
    let mut from: Vec<usize> = (0..items.len())
        .filter(|&n| held[n] && !items[n].leads_to.is_empty())
        .collect();
    if from.is_empty() {
        return held;
    }
    let owners = owners(items);
    while let Some(n) = from.pop() {
        for at in &items[n].leads_to {
            let after = owners.partition_point(|(range, _)| range.start <= *at);
            let owner = after.checked_sub(1).map(|n| &owners[n]);
            let to = owner.filter(|(range, _)| range.contains(at)).map(|o| o.1);
            if let Some(to) = to.filter(|&to| !std::mem::replace(&mut held[to], true)) {
                from.push(to);
            }
        }
    }
    held
}

/// What the items are about, sorted, and which of them.
fn owners(items: &[Item]) -> Vec<(Range<usize>, usize)> {
    let all = items.iter().enumerate();
    let mut owners: Vec<(Range<usize>, usize)> = all
        .flat_map(|(n, item)| item.ranges().map(move |range| (range, n)))
        .collect();
    owners.sort_unstable_by_key(|(range, _)| range.start);
    owners
}

/// What the calling thread may come back to. It is here, so it can be in one of
/// the ranges only where a signal has interrupted it: what else is on its stack
/// is left there by its having patched.
fn points_into_when_interrupted(view: &View, ranges: &[Range<usize>], mut hold: impl FnMut(usize)) {
    for context in view.signal_contexts() {
        if dispatcher_code().contains(&context.pc()) {
            // It has come from a choice, to which its stack leads.
            (0..ranges.len()).for_each(&mut hold);
        }
        for word in context.known() {
            if let Some(n) = number_of(ranges, word) {
                hold(n);
            }
        }
    }
}

/// Why a thread that was seen may have an address where it was not seen.
fn hidden(view: &View) -> Option<&'static str> {
    match view.seen {
        Seen::Asleep { vfork: true, .. } => Some("waits for a child that runs in its memory"),
        // In a trap handler, say, that has read its destination.
        Seen::Halted => Some("is stopped, so that its registers cannot be read"),
        _ => None,
    }
}
