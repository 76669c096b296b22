//! Reading this process's memory where it may be unmapped at any moment.
//!
//! `process_vm_readv` of ourselves: where a load would fault, it stops, and says
//! how far it came.

#![allow(dead_code, reason = "quiescence and reclaim, which come next, use it")]

use super::system_call::{copy_readable, error, process_id};
use super::view::end_of_alternate_stack;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

/// What one read of a stack begins with; most are not deeper.
const FIRST: usize = 8 << 10;

/// Copies what is at `from` into `to`; gives how many bytes were readable.
pub(crate) fn read(from: usize, to: &mut [u8]) -> usize {
    try_read(from, to).unwrap_or(0)
}

fn try_read(from: usize, to: &mut [u8]) -> Result<usize, i32> {
    let (at, length) = (to.as_mut_ptr() as usize, to.len());
    // SAFETY: `to` is that long.
    unsafe { copy_readable(process_id(), from, at, length) }
}

/// Whether reading so is allowed here at all.
pub(crate) fn is_readable() -> io::Result<()> {
    static WORKS: AtomicBool = AtomicBool::new(false);
    let here = [0u8; 1];
    let mut there = [0u8; 1];
    if !WORKS.load(Ordering::Relaxed) {
        try_read(here.as_ptr() as usize, &mut there).map_err(error)?;
        WORKS.store(true, Ordering::Relaxed);
    }
    Ok(())
}

/// Copies words from `from` on; gives how many whole ones were readable.
pub(crate) fn read_words(from: usize, to: &mut [usize]) -> usize {
    // SAFETY: words are bytes too, of any value.
    let bytes =
        unsafe { std::slice::from_raw_parts_mut(to.as_mut_ptr().cast::<u8>(), size_of_val(to)) };
    read(from, bytes) / size_of::<usize>()
}

/// The word at `at`, if all of it is readable.
pub(crate) fn word(at: usize) -> Option<usize> {
    let mut bytes = [0; 8];
    (read(at, &mut bytes) == bytes.len()).then(|| usize::from_le_bytes(bytes))
}

/// A stretch of a stack, copied.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stretch {
    /// Where the first word was.
    pub(crate) start: usize,
    pub(crate) words: Vec<usize>,
}

impl Stretch {
    pub(crate) fn end(&self) -> usize {
        self.start + 8 * self.words.len()
    }

    pub(crate) fn contains(&self, at: usize) -> bool {
        self.start <= at && at < self.end()
    }

    /// The word at an address, which need not be aligned.
    pub(crate) fn word(&self, at: usize) -> Option<usize> {
        let offset = at.checked_sub(self.start)?;
        let low = *self.words.get(offset / 8)?;
        let shift = 8 * (offset % 8);
        if shift == 0 {
            return Some(low);
        }
        let high = *self.words.get(offset / 8 + 1)?;
        Some(low >> shift | high << (64 - shift))
    }

    /// Everything from the red zone below `sp` to the end of what is mapped, or
    /// none if that is more than `deepest` bytes.
    pub(crate) fn of_stack(sp: usize, deepest: usize) -> Option<Stretch> {
        let mut stretch = Stretch::from(lowest(sp), deepest)?;
        if stretch.words.is_empty() {
            // The red zone may be in the guard page.
            stretch = Stretch::from(sp & !7, deepest)?;
        }
        Some(stretch)
    }

    /// Drops what is behind the alternate stack that it begins on; gives whether
    /// the end of that is known and reached.
    pub(super) fn cut(&mut self) -> bool {
        let Some(end) = end_of_alternate_stack(self).filter(|end| *end <= self.end()) else {
            return false;
        };
        self.words.truncate((end - self.start) / 8);
        true
    }

    fn from(start: usize, deepest: usize) -> Option<Stretch> {
        let mut words: Vec<usize> = Vec::new();
        let mut step = FIRST;
        loop {
            let had = words.len();
            words.resize(had + step / 8, 0);
            let got = read_words(start + 8 * had, &mut words[had..]);
            words.truncate(had + got);
            let mut stretch = Stretch { start, words };
            let is_end = got < step / 8;
            if stretch.cut() || is_end {
                return Some(stretch);
            }
            words = stretch.words;
            if words.len() * 8 >= deepest {
                return None;
            }
            step = (step * 4).min(1 << 20);
        }
    }
}

/// Bytes below rsp that a function may use (System V ABI).
pub(super) const RED_ZONE: usize = 128;

/// The lowest address below `sp` that a function may use: the red zone's.
pub(crate) fn lowest(sp: usize) -> usize {
    sp.saturating_sub(RED_ZONE) & !7
}
