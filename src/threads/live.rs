//! The order of writes that lets threads run on while entries change.
//!
//! A [`Change`] replaces a few bytes at one entry. Three things can go wrong
//! for a thread that is there: it fetches a mixture of old and new bytes; it is
//! *between* two of the old instructions; or it was interrupted there, and a
//! signal frame will bring it back. So every byte at which an old instruction
//! begins (a *boundary*) is a trap in the new bytes, and the table of
//! [`super::trap`] says where such a thread goes on. Then:
//!
//! - nobody else runs: the bytes are written.
//! - they lie in one aligned word: one store.
//! - else: the head becomes a trap; then the boundary bytes do; then the other
//!   bytes are written; then the boundaries; then the head: with the cores
//!   synchronised in between, and traps stored one byte at a time. At every
//!   moment each instruction that can be fetched is the old one, the new one or
//!   a trap.
//!
//! Taking a patch off is the same with the old bytes.

use super::count::Alone;
use super::{sync, trap};
use crate::memory::write::{self, Writer};
use midair_arch::x86_64::INT3;
use region::Protection;
use std::io;

/// New bytes for one place of running code.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(crate) at: usize,
    pub(crate) old: Vec<u8>,
    pub(crate) new: Vec<u8>,
    /// Offsets (not 0) where instructions begin that a thread may be about to
    /// execute.
    pub(crate) boundaries: Vec<usize>,
    /// No thread can be there: padding that nothing leads to yet. Written
    /// before all else.
    pub(crate) unreached: bool,
    /// The rights that the pages have.
    pub(crate) protection: Protection,
}

const WORD: usize = 8;

/// Makes all `changes`, while other threads run.
///
/// # Safety
///
/// Each range is code that the caller may change, holds `old`, and where
/// another thread may be at a boundary, `old` or `new` has a trap there of
/// which the table knows; the table knows the heads as well. `alone` is true
/// only if no other thread runs.
pub(crate) unsafe fn apply(changes: &[Change], alone: &Alone) -> io::Result<()> {
    if changes.is_empty() {
        return Ok(());
    }
    let writer = Writer::new();
    if **alone {
        for change in changes {
            // SAFETY: the caller's promise; no other thread is there.
            unsafe { writer.bytes(change.at, &change.new, change.protection) }?;
        }
        return Ok(());
    }
    let mut by_steps = Vec::new();
    for change in changes.iter().filter(|change| change.unreached) {
        // SAFETY: the caller's promise; nobody executes these bytes.
        unsafe { writer.bytes(change.at, &change.new, change.protection) }?;
    }
    for change in changes.iter().filter(|change| !change.unreached) {
        let word = change.at & !(WORD - 1);
        let fits = change.at + change.new.len() <= word + WORD;
        if change.new.len() == 1 {
            // SAFETY: the caller's promise; a single byte is seen whole.
            unsafe { writer.bytes(change.at, &change.new, change.protection) }?;
            continue;
        }
        // SAFETY: the caller's promise; one store, so that no mixture is seen.
        let stored = fits && unsafe { store(change, word) }.is_ok();
        if !stored {
            by_steps.push(change);
        }
    }
    if !by_steps.is_empty() {
        trap::ensure_handler()?;
        // SAFETY: the caller's promise; the steps are the ones described above.
        unsafe { apply_by_steps(&writer, &by_steps) }?;
    }
    sync::cores()
}

/// The change as one store of the aligned word around it.
unsafe fn store(change: &Change, word: usize) -> io::Result<()> {
    // SAFETY: the word is in the same page as the code; nobody but the holder
    // of the registry's lock writes to it.
    let mut bytes = unsafe { (word as *const [u8; WORD]).read_volatile() };
    let offset = change.at - word;
    bytes[offset..offset + change.new.len()].copy_from_slice(&change.new);
    // SAFETY: the caller's promise.
    unsafe { write::store_word(word, u64::from_le_bytes(bytes), change.protection) }
}

unsafe fn apply_by_steps(writer: &Writer, changes: &[&Change]) -> io::Result<()> {
    let put = |change: &Change, offset: usize, byte: u8| {
        // SAFETY: the caller's promise; a single byte is always seen whole.
        unsafe { writer.bytes(change.at + offset, &[byte], change.protection) }
    };
    // The heads first: behind a live jump a boundary is part of its distance.
    for change in changes {
        put(change, 0, INT3)?;
    }
    sync::cores()?;
    for change in changes {
        for &boundary in &change.boundaries {
            put(change, boundary, INT3)?;
        }
    }
    sync::cores()?;
    for change in changes {
        for (first, last) in runs_between_boundaries(change) {
            // SAFETY: the caller's promise; all that could lead into these
            // bytes is a trap now.
            unsafe {
                writer.bytes(
                    change.at + first,
                    &change.new[first..last],
                    change.protection,
                )
            }?;
        }
    }
    sync::cores()?;
    for change in changes {
        for &boundary in &change.boundaries {
            if change.new[boundary] != INT3 {
                put(change, boundary, change.new[boundary])?;
            }
        }
        if change.new[0] != INT3 {
            put(change, 0, change.new[0])?;
        }
    }
    Ok(())
}

/// The runs of bytes that are neither the head nor a boundary.
fn runs_between_boundaries(change: &Change) -> Vec<(usize, usize)> {
    let mut runs = Vec::new();
    let mut first = 1;
    let stops = change.boundaries.iter().copied().chain([change.new.len()]);
    for stop in stops {
        if stop > first {
            runs.push((first, stop));
        }
        first = stop + 1;
    }
    runs
}
