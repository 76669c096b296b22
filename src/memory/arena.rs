//! Memory in reach of targets: blocks for copies, gates and pointer slots, and
//! single pages for gates at prescribed addresses.
//!
//! A *block* is read-execute pages followed by read-write pages: code and the
//! pointers it jumps through never share a page, so that storing a pointer
//! does not throw away decoded code. A block serves all targets within
//! [`REACH`].
//!
//! A *punned* gate must lie where some bytes of the jump's displacement have
//! prescribed values ([`Byte`]). Few patterns occur, so most such gates find
//! room in a page that another one already has.
//!
//! What is given back is used again, and pages that hold nothing more are
//! unmapped by [`Arena::trim`]. Whoever gives something back has made sure that
//! no thread can be in it; nothing here knows of threads. What must stay for
//! good ([`Lifetime::Kept`]) has blocks of its own, so that it does not hold
//! others.

#[cfg(target_arch = "x86_64")]
mod pattern;

use super::frames::{AnnouncedPage, FrameTable};
#[cfg(target_arch = "x86_64")]
use super::layout::map_at;
use super::layout::{map_anywhere, map_near, page_size, unmap};
use crate::machine::frame::{self, Frames};
#[cfg(target_arch = "x86_64")]
use midair_arch::x86_64::Byte;
#[cfg(target_arch = "x86_64")]
use pattern::Pattern;
use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::sync::atomic::AtomicUsize;

/// How far a block may lie from what uses it. Less than 2 GB, by more than a
/// module is large: operands of the original stay in reach of the copy.
#[cfg(target_arch = "x86_64")]
const REACH: usize = 0x6000_0000;
/// How far a block may lie from what uses it: less than the 128 MB of a `b`.
#[cfg(target_arch = "aarch64")]
const REACH: usize = 0x0700_0000;
/// The same for longer jumps: less than the 4 GB of an `adrp`.
const FAR_REACH: usize = 0xe000_0000;
/// Bytes of code of a block.
const BLOCK_CODE: usize = 0x1_0000;
/// Bytes of pointer slots of a block.
const BLOCK_SLOTS: usize = 0x4000;
/// Fresh pages tried for one punned gate.
#[cfg(target_arch = "x86_64")]
const MOST_PAGES: usize = 48;
/// Longer pieces of code that may be anywhere get pages of their own.
const LARGE: usize = BLOCK_CODE / 4;
/// Code is handed out in units of this many bytes.
const UNIT: usize = 16;

/// A pointer that a gate jumps through. It is mapped until it is given back.
pub(crate) type Slot = &'static AtomicUsize;

/// How long memory is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lifetime {
    /// Until it is given back.
    Freed,
    /// For good: its address was handed out.
    Kept,
}

struct Block {
    start: usize,
    lifetime: Lifetime,
    /// One bit for each unit of code that is in use.
    units: Vec<bool>,
    /// Units from here on were never in use.
    fresh: usize,
    first_free: usize,
    slots_used: usize,
    free_slots: Vec<usize>,
    frames: FrameTable,
}

/// A piece of code that has pages of its own.
struct Large {
    len: usize,
    frames: FrameTable,
}

/// A page of punned gates.
struct Page {
    /// Which of its bytes are in use.
    used: Box<[bool]>,
    /// Whether something was given back in it.
    freed: bool,
    frames: AnnouncedPage,
}

/// Where memory has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// In reach of a jump at this address.
    Of(usize),
    /// In reach of a long jump at this address: aarch64 has one.
    Far(usize),
    /// Anywhere: a trap handler leads there.
    Anywhere,
}

/// Bytes of the arena.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bytes {
    pub(crate) mapped: usize,
    /// In use, and given back one day.
    pub(crate) used: usize,
    /// In use for good.
    pub(crate) kept: usize,
}

/// All memory that midair made near targets.
pub(crate) struct Arena {
    blocks: Vec<Block>,
    pages: BTreeMap<usize, Page>,
    /// Where pieces are that have pages of their own, and how long they are.
    large: BTreeMap<usize, Large>,
    /// Code was handed out that had been in use before.
    reused: bool,
}

impl Arena {
    pub(crate) const fn new() -> Self {
        Self {
            blocks: Vec::new(),
            pages: BTreeMap::new(),
            large: BTreeMap::new(),
            reused: false,
        }
    }

    /// `len` bytes for code.
    pub(crate) fn code(&mut self, reach: Reach, len: usize) -> io::Result<usize> {
        self.code_for(Lifetime::Freed, reach, len)
    }

    fn code_for(&mut self, lifetime: Lifetime, reach: Reach, len: usize) -> io::Result<usize> {
        if len > LARGE && reach == Reach::Anywhere {
            let at = map_anywhere(whole_pages(len), libc::PROT_READ | libc::PROT_EXEC)?;
            let frames = FrameTable::new(at..at + whole_pages(len))?;
            self.large.insert(at, Large { len, frames });
            return Ok(at);
        }
        let units = len.div_ceil(UNIT);
        let found = self
            .blocks
            .iter_mut()
            .filter(|b| b.serves(lifetime, reach))
            .find_map(|b| b.take_units(units));
        let (at, reused) = match found {
            Some(taken) => taken,
            None => self
                .add_block(lifetime, reach)?
                .take_units(units)
                .ok_or_else(out_of_memory)?,
        };
        self.reused |= reused;
        Ok(at)
    }

    /// `len` bytes for code, near to `target` if that can be had.
    pub(crate) fn code_if_possible_near(
        &mut self,
        lifetime: Lifetime,
        target: usize,
        len: usize,
    ) -> io::Result<usize> {
        self.code_for(lifetime, Reach::Of(target), len)
            .or_else(|_| self.code_for(lifetime, Reach::Anywhere, len))
    }

    /// A pointer slot, in reach of all gates that are made for the same place.
    pub(crate) fn slot(&mut self, lifetime: Lifetime, reach: Reach) -> io::Result<Slot> {
        let found = self
            .blocks
            .iter_mut()
            .filter(|b| b.serves(lifetime, reach))
            .find_map(Block::take_slot);
        let at = match found {
            Some(at) => at,
            None => self
                .add_block(lifetime, reach)?
                .take_slot()
                .ok_or_else(out_of_memory)?,
        };
        // SAFETY: the slot is mapped, aligned, and stays until it is given
        // back, which its holder does last.
        Ok(unsafe { &*(at as *const AtomicUsize) })
    }

    /// Whether code was handed out, since this was last asked, that had been in
    /// use before: cores may have fetched what it was.
    pub(crate) fn take_reused(&mut self) -> bool {
        std::mem::take(&mut self.reused)
    }

    /// How many bytes there are.
    pub(crate) fn bytes(&self) -> Bytes {
        let large: usize = self.large.values().map(|large| large.len).sum();
        let mapped = self.blocks.len() * (BLOCK_CODE + BLOCK_SLOTS)
            + self.pages.len() * page_size()
            + self
                .large
                .values()
                .map(|large| whole_pages(large.len))
                .sum::<usize>();
        let of = |lifetime| {
            let blocks = self.blocks.iter().filter(move |b| b.lifetime == lifetime);
            blocks.map(Block::used).sum::<usize>()
        };
        let in_pages: usize = self.pages.values().map(|page| count(&page.used)).sum();
        Bytes {
            mapped,
            used: of(Lifetime::Freed) + in_pages + large,
            kept: of(Lifetime::Kept),
        }
    }

    /// All memory of it.
    pub(crate) fn ranges(&self) -> Vec<Range<usize>> {
        let blocks = self
            .blocks
            .iter()
            .map(|block| (block.start, BLOCK_CODE + BLOCK_SLOTS));
        let pages = self.pages.keys().map(|start| (*start, page_size()));
        let large = self.large.iter();
        let large = large.map(|(start, large)| (*start, whole_pages(large.len)));
        let all = blocks.chain(pages).chain(large);
        all.map(|(start, len)| start..start + len).collect()
    }

    /// Unmaps pages that hold nothing. One block is left for what comes next.
    pub(crate) fn trim(&mut self) {
        self.pages.retain(|&start, page| {
            let holds = page.used.iter().any(|&used| used);
            if !holds {
                page.frames.close();
                unmap(start, page_size());
            }
            holds
        });
        let mut spared = false;
        self.blocks.retain_mut(|block| {
            let holds = block.used() != 0 || !std::mem::replace(&mut spared, true);
            if !holds {
                block.frames.close();
                unmap(block.start, BLOCK_CODE + BLOCK_SLOTS);
            }
            holds
        });
    }

    /// Gives back code that was never written.
    pub(crate) fn unused_code(&mut self, at: usize, len: usize) {
        if let Some(block) = self.blocks.iter_mut().find(|b| b.code().contains(&at)) {
            let first = (at - block.start) / UNIT;
            if first + len.div_ceil(UNIT) == block.fresh {
                block.fresh = first;
            }
        }
        self.free_code(at, len);
    }

    /// Gives back code that no thread can be in, nor come to.
    pub(crate) fn free_code(&mut self, at: usize, len: usize) {
        if let Some(mut large) = self.large.remove(&at) {
            large.frames.close();
            unmap(at, whole_pages(large.len));
        } else if let Some(block) = self.blocks.iter_mut().find(|b| b.code().contains(&at)) {
            let first = (at - block.start) / UNIT;
            let units = len.div_ceil(UNIT);
            block.units[first..first + units].fill(false);
            block.frames.forget(at, units * UNIT);
            block.first_free = block.first_free.min(first);
        } else if let Some(page) = self.pages.get_mut(&(at & !(page_size() - 1))) {
            let offset = at & (page_size() - 1);
            page.used[offset..offset + len].fill(false);
            page.freed = true;
        }
    }

    /// What unwinders are told about the `len` bytes of code at `at`, before
    /// anything leads there. A page of gates knows that already.
    pub(crate) fn set_frames(&mut self, at: usize, len: usize, frames: Frames<'_>) {
        if let Some(block) = self.blocks.iter_mut().find(|b| b.code().contains(&at)) {
            block.frames.set(at, len, frames);
        } else if let Some((_, large)) = self.large.range_mut(..=at).next_back()
            && large.frames.covers(at)
        {
            large.frames.set(at, len, frames);
        } else {
            debug_assert_eq!(frames, frame::CALLED);
        }
    }

    /// Gives back a slot that no code refers to which a thread can be in.
    pub(crate) fn free_slot(&mut self, slot: Slot) {
        let at = std::ptr::from_ref(slot) as usize;
        if let Some(block) = self.blocks.iter_mut().find(|b| b.slots().contains(&at)) {
            block.free_slots.push(at);
        }
    }

    fn add_block(&mut self, lifetime: Lifetime, reach: Reach) -> io::Result<&mut Block> {
        let (code, slots) = (BLOCK_CODE, BLOCK_SLOTS);
        let rights = libc::PROT_READ | libc::PROT_EXEC;
        let start = match reach {
            Reach::Of(target) => map_near(target, code + slots, REACH, rights)?,
            Reach::Far(target) => map_near(target, code + slots, FAR_REACH, rights)?,
            Reach::Anywhere => map_anywhere(code + slots, rights)?,
        };
        // SAFETY: the pages were mapped just now and nobody knows of them.
        let done = unsafe {
            libc::mprotect(
                (start + code) as *mut _,
                slots,
                libc::PROT_READ | libc::PROT_WRITE,
            )
        };
        if done != 0 {
            return Err(io::Error::last_os_error());
        }
        let frames = FrameTable::new(start..start + BLOCK_CODE)?;
        self.blocks.push(Block {
            start,
            lifetime,
            units: vec![false; code / UNIT],
            fresh: 0,
            first_free: 0,
            slots_used: 0,
            free_slots: Vec::new(),
            frames,
        });
        self.blocks.last_mut().ok_or_else(out_of_memory)
    }

    /// `len` bytes for a gate whose distance from `end`, the end of the jump
    /// that leads to it, fits `pattern`.
    #[cfg(target_arch = "x86_64")]
    pub(crate) fn punned(
        &mut self,
        end: usize,
        pattern: [Byte; 4],
        len: usize,
    ) -> io::Result<usize> {
        let pattern = Pattern(pattern);
        let reach = 1 << 31;
        let range = end.saturating_sub(reach)..end.saturating_add(reach);
        for (&start, page) in self.pages.range_mut(range) {
            if let Some(at) = pattern.place(end, start, &mut page.used, len) {
                self.reused |= page.freed;
                return Ok(at);
            }
        }
        for distance in pattern.candidates().take(MOST_PAGES) {
            let at = end.wrapping_add_signed(distance as isize);
            let start = at & !(page_size() - 1);
            if self.pages.contains_key(&start) {
                continue;
            }
            if map_at(start, page_size(), libc::PROT_READ | libc::PROT_EXEC).is_err() {
                continue;
            }
            let page = self.pages.entry(start).or_insert_with(|| Page {
                used: vec![false; page_size()].into_boxed_slice(),
                freed: false,
                frames: AnnouncedPage::new(start..start + page_size()),
            });
            if let Some(at) = pattern.place(end, start, &mut page.used, len) {
                return Ok(at);
            }
        }
        Err(out_of_memory())
    }
}

impl Block {
    fn code(&self) -> std::ops::Range<usize> {
        self.start..self.start + BLOCK_CODE
    }

    fn slots(&self) -> std::ops::Range<usize> {
        self.start + BLOCK_CODE..self.start + BLOCK_CODE + BLOCK_SLOTS
    }

    fn serves(&self, lifetime: Lifetime, reach: Reach) -> bool {
        self.lifetime == lifetime && self.is_in(reach)
    }

    /// Bytes in use.
    fn used(&self) -> usize {
        let slots = self.slots_used - self.free_slots.len();
        count(&self.units) * UNIT + slots * size_of::<usize>()
    }

    fn is_in(&self, reach: Reach) -> bool {
        let is_within = |target: usize, reach: usize| {
            self.start.abs_diff(target) < reach - BLOCK_CODE - BLOCK_SLOTS
        };
        match reach {
            Reach::Of(target) => is_within(target, REACH),
            Reach::Far(target) => is_within(target, FAR_REACH),
            Reach::Anywhere => true,
        }
    }

    /// The address of so many units, and whether they were in use before.
    fn take_units(&mut self, count: usize) -> Option<(usize, bool)> {
        let mut first = self.first_free;
        while first + count <= self.units.len() {
            match self.units[first..first + count]
                .iter()
                .rposition(|&used| used)
            {
                Some(used) => first += used + 1,
                None => {
                    self.units[first..first + count].fill(true);
                    if first == self.first_free {
                        self.first_free = first + count;
                    }
                    let reused = first < self.fresh;
                    self.fresh = self.fresh.max(first + count);
                    return Some((self.start + first * UNIT, reused));
                }
            }
        }
        None
    }

    fn take_slot(&mut self) -> Option<usize> {
        if let Some(at) = self.free_slots.pop() {
            return Some(at);
        }
        let at = self.slots().start + self.slots_used * size_of::<usize>();
        (at < self.slots().end).then(|| {
            self.slots_used += 1;
            at
        })
    }
}

fn whole_pages(len: usize) -> usize {
    len.next_multiple_of(page_size())
}

fn count(used: &[bool]) -> usize {
    used.iter().filter(|&&used| used).count()
}

fn out_of_memory() -> io::Error {
    io::Error::from_raw_os_error(libc::ENOMEM)
}
