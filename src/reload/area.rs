//! Address space in reach of the executable, kept for images.
//!
//! Linked code reaches what it refers to within 2 GB (x86-64), or calls it within
//! 128 MB (aarch64, where it goes by a stub if it is farther). So a stretch next
//! to the executable is taken at once, without rights and without memory, before
//! anybody else settles there; images get pieces of it, one after the other.

use crate::memory::layout::{map_at, map_near, page_size, unmap};
use std::collections::BTreeMap;
use std::io;
use std::ops::Range;

/// How much is kept at most: images of some ten kilobytes for a long day.
#[cfg(target_arch = "x86_64")]
const LEN: usize = 0x2000_0000;
/// Less, for an `adrp` reaches 4 GB but a `bl` 128 MB only.
#[cfg(target_arch = "aarch64")]
const LEN: usize = 0x0200_0000;
/// How far the farther end may be from the start of the executable.
#[cfg(target_arch = "x86_64")]
const REACH: usize = 0x4000_0000;
#[cfg(target_arch = "aarch64")]
const REACH: usize = 0x0600_0000;

/// The stretch, and how much of it was handed out.
pub(super) struct Area {
    start: usize,
    len: usize,
    used: usize,
    /// Pieces that were given back: where, and how long.
    free: BTreeMap<usize, usize>,
}

impl Area {
    /// Takes a stretch below `executable`, where the heap does not grow to. Where
    /// the process may have little address space, it is an eighth of that.
    pub(super) fn new(executable: usize) -> io::Result<Self> {
        let share = address_space() / 8 / page_size() * page_size();
        let len = LEN.min(share);
        let below = executable.saturating_sub(len);
        let start = map_near(below, len, REACH, libc::PROT_NONE)?;
        Ok(Self {
            start,
            len,
            used: 0,
            free: BTreeMap::new(),
        })
    }

    /// All of it.
    pub(super) fn range(&self) -> Range<usize> {
        self.start..self.start + self.len
    }

    /// `len` bytes of it, whole pages: where nothing has been yet, as long as
    /// there is such a place. Who goes astray to where code has been meets a hole
    /// then, and not other code.
    pub(super) fn room(&mut self, len: usize) -> io::Result<usize> {
        let none = || io::Error::from_raw_os_error(libc::ENOMEM);
        let whole = len.checked_next_multiple_of(page_size()).ok_or_else(none)?;
        if whole <= self.len - self.used {
            let at = self.start + self.used;
            self.used += whole;
            return Ok(at);
        }
        let fits = |(_, has): &(&usize, &usize)| **has >= whole;
        let (&at, &has) = self.free.iter().find(fits).ok_or_else(none)?;
        self.free.remove(&at);
        if has > whole {
            self.free.insert(at + whole, has - whole);
        }
        Ok(at)
    }

    /// Takes back a piece that was given out and that nothing is in any more.
    pub(super) fn give_back(&mut self, at: usize, len: usize) {
        let (mut at, mut len) = (at, len.next_multiple_of(page_size()));
        if let Some((&before, &has)) = self.free.range(..at).next_back()
            && before + has == at
        {
            self.free.remove(&before);
            (at, len) = (before, has + len);
        }
        if let Some(has) = self.free.remove(&(at + len)) {
            len += has;
        }
        self.free.insert(at, len);
    }

    /// Whether all of this was handed out.
    pub(super) fn holds(&self, at: usize, len: usize) -> bool {
        at >= self.start
            && at.is_multiple_of(page_size())
            && at
                .checked_add(len)
                .is_some_and(|end| end <= self.start + self.used)
    }

    /// Lets go of a piece, for the dynamic linker to map a file there. Until it
    /// has, somebody who asks for just this address could take it.
    pub(super) fn vacate(&self, at: usize, len: usize) {
        unmap(at, len.next_multiple_of(page_size()));
    }

    /// Takes a vacated piece again, if it is still free.
    pub(super) fn occupy(&self, at: usize, len: usize) -> io::Result<()> {
        map_at(at, len.next_multiple_of(page_size()), libc::PROT_NONE).map(drop)
    }
}

/// How much the process may have, in bytes.
#[doc(hidden)]
pub fn address_space() -> usize {
    let mut limit = libc::rlimit {
        rlim_cur: libc::RLIM_INFINITY,
        rlim_max: libc::RLIM_INFINITY,
    };
    // SAFETY: there is room for the answer; without one there is no limit.
    unsafe { libc::getrlimit(libc::RLIMIT_AS, &raw mut limit) };
    usize::try_from(limit.rlim_cur).unwrap_or(usize::MAX)
}
