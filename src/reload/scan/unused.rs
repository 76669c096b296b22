//! What lies below the stack pointers of sleepers, on stacks of glibc's.
//!
//! As a rule nobody uses it any more, and it is full of pointers into old code: return
//! addresses of calls that are over. But whoever sleeps may be in a signal handler or a
//! coroutine whose stack is a piece of the thread's own stack; then what was interrupted
//! or switched away from lies below it. Whoever goes on there has the way: a word that
//! points to there, in a signal frame or in what a switch has saved. So where pointers
//! into images are found there, memory is gone through once more, for words that lead
//! there, and what they lead to is in use from that place on.
//!
//! A thread goes on where its own stack leads, or memory that is no stack. Those of other
//! threads do not count: each begins with what was in the registers of who has started it.

use super::mappings::{Mapping, Memory};
use super::{Doubt, Holder, Search, demangled};
use crate::threads::rest::Rest;
use crate::threads::stretch::lowest;
use crate::threads::tasks::Tid;
use std::io;
use std::ops::Range;

/// All such stretches.
pub(super) struct Unused {
    /// Sorted, and apart from one another.
    stretches: Vec<Stretch>,
}

struct Stretch {
    tid: Tid,
    /// After it was searched, from where somebody has been.
    range: Range<usize>,
    /// The whole stack.
    own: Range<usize>,
    /// What is above is in use.
    in_use: usize,
    /// For each image, the highest pointer to it: where, and to what.
    highest: Vec<Option<(usize, usize)>>,
}

impl Unused {
    pub(super) fn new(rest: &Rest, mappings: &[Mapping]) -> Self {
        let of = |(tid, sp, own): (Tid, usize, Range<usize>)| {
            let range = own.start..lowest(sp);
            (!range.is_empty()).then(|| Stretch {
                tid,
                own,
                in_use: range.end,
                range,
                highest: Vec::new(),
            })
        };
        let own = rest.sleepers.iter().filter_map(|sleeper| {
            let own = sleeper.stack.clone().or_else(|| {
                // The first thread's was made by the kernel.
                let mut all = mappings.iter();
                let first = all.find(|m| m.name == "[stack]" && m.range.contains(&sleeper.sp));
                first.map(|mapping| mapping.range.clone())
            })?;
            Some((sleeper.tid, sleeper.sp, own))
        });
        let mut stretches: Vec<Stretch> = own.filter_map(of).collect();
        stretches.sort_unstable_by_key(|stretch| stretch.range.start);
        Self { stretches }
    }

    pub(super) fn ranges(&self) -> impl Iterator<Item = Range<usize>> {
        self.stretches.iter().map(|stretch| stretch.range.clone())
    }

    /// Looks for pointers into images that nobody else has; says what stands in the way.
    pub(super) fn search(
        &mut self,
        search: &mut Search<'_>,
        memory: &Memory,
        rest: &Rest,
    ) -> io::Result<Option<Doubt>> {
        let mut any = false;
        for stretch in &mut self.stretches {
            let mut highest = vec![None; search.holders.len()];
            let part = stretch.range.clone();
            // Who keeps where a stack ends, or its guard page, leads to where nobody has been.
            stretch.range.start = part.end;
            let doubt = within(search, part, memory, |search, at, last, word| {
                stretch.range.start = stretch.range.start.min(at);
                for (n, to, at) in search.images(at, last, word).into_iter().flatten() {
                    if search.holders[n].is_none() {
                        any = true;
                        highest[n] = Some((at, to)); // the later, the higher
                    }
                }
            })?;
            if doubt.is_some() {
                return Ok(doubt);
            }
            stretch.highest = highest;
        }
        if !any {
            return Ok(None);
        }
        let mut skipped = memory.skipped.clone();
        skipped.extend(self.stretches.iter().map(|s| s.own.clone()));
        skipped.sort_unstable_by_key(|range| range.start);
        let guard = search.guard;
        let doubt = search.all(memory, &skipped, |_, _, _, _, word| {
            self.leads(word, guard);
        })?;
        if doubt.is_some() {
            return Ok(doubt);
        }
        for stretch in &mut self.stretches {
            let sleeper = rest.sleepers.iter().find(|s| s.tid == stretch.tid);
            for word in sleeper.iter().flat_map(|sleeper| &sleeper.arguments) {
                stretch.leads(*word, guard);
            }
            let mut seen = stretch.own.end;
            while stretch.in_use < seen {
                let part = stretch.in_use..seen;
                seen = stretch.in_use;
                let doubt = within(search, part, memory, |_, _, _, word| {
                    stretch.leads(word, guard);
                })?;
                if doubt.is_some() {
                    return Ok(doubt);
                }
            }
        }
        for stretch in &self.stretches {
            for (holder, highest) in search.holders.iter_mut().zip(&stretch.highest) {
                // It may begin below and end above.
                if let Some((_, to)) = highest.filter(|(at, _)| at + 8 > stretch.in_use) {
                    let tid = stretch.tid;
                    holder.get_or_insert(Holder::Thread { tid, to });
                }
            }
        }
        Ok(None)
    }

    /// A word of memory that is no stack: what it points to is in use.
    fn leads(&mut self, word: usize, guard: Option<usize>) {
        for word in [Some(word), guard.map(|guard| demangled(word, guard))] {
            let Some(word) = word else { continue };
            let after = self.stretches.partition_point(|s| s.range.start <= word);
            if let Some(stretch) = after.checked_sub(1).map(|place| &mut self.stretches[place]) {
                stretch.reaches(word);
            }
        }
    }
}

impl Stretch {
    /// The same of a word on this stack.
    fn leads(&mut self, word: usize, guard: Option<usize>) {
        self.reaches(word);
        if let Some(guard) = guard {
            self.reaches(demangled(word, guard));
        }
    }

    fn reaches(&mut self, word: usize) {
        if (self.range.start..self.in_use).contains(&word) {
            self.in_use = lowest(word).max(self.range.start);
        }
    }
}

/// Goes through the words of a part of memory that may have been written to.
fn within(
    search: &mut Search<'_>,
    part: Range<usize>,
    memory: &Memory,
    mut each: impl FnMut(&mut Search<'_>, usize, usize, usize),
) -> io::Result<Option<Doubt>> {
    for mapping in memory.readable() {
        let here = part.start.max(mapping.range.start)..part.end.min(mapping.range.end);
        if here.is_empty() {
            continue;
        }
        let each = |search: &mut Search<'_>, at, last, word| each(search, at, last, word);
        let doubt = search.part(here, mapping, memory, &[], each)?;
        if doubt.is_some() {
            return Ok(doubt);
        }
    }
    Ok(None)
}
