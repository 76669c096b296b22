//! x86-64: the order of writes that lets threads run on while entries change.
//!
//! A [`Change`] replaces a few bytes at one entry. Three things can go wrong
//! for a thread that is there: it fetches a mixture of old and new bytes; it is
//! *between* two of the old instructions; or it was interrupted there, and a
//! signal frame will bring it back. So every byte at which an old instruction
//! begins (a *boundary*) is a trap in the new bytes, and the table of
//! [`super::super::trap`] says where such a thread goes on. Then:
//!
//! - nobody else runs: the bytes are written.
//! - they lie in one aligned word, and each boundary traps before or after: one
//!   store. (A jump that was made when nobody else ran has no traps. Where it is
//!   replaced by such a store, a thread could execute the old head, and then
//!   fetch the next instruction as it was before: no vendor promises that a core
//!   does not. `tests/model` has the steps.)
//! - else: the head becomes a trap; then the boundary bytes do; then the other
//!   bytes are written; then the boundaries; then the head: with the cores
//!   synchronised in between, and traps stored one byte at a time. At every
//!   moment each instruction that can be fetched is the old one, the new one or
//!   a trap.
//!
//! Taking a patch off is the same with the old bytes.

use crate::memory::write::{Writable, Writer};
use crate::threads::change::Change;
use crate::threads::count::Alone;
use crate::threads::{sync, trap};
use midair_arch::x86_64::INT3;
use std::io;

const WORD: usize = 8;

/// From so many places on it is cheaper to make their pages writable than to
/// write to each through the kernel.
const MANY: usize = 8;

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
    let is_plain = |change: &&Change| **alone || change.unreached || change.new.len() == 1;
    let (plain, live): (Vec<&Change>, Vec<&Change>) = changes.iter().partition(is_plain);
    // What nothing leads to yet comes first.
    for unreached in [true, false] {
        let batch = plain.iter().filter(|change| change.unreached == unreached);
        let batch: Vec<&Change> = batch.copied().collect();
        let pen = Pen::new(&batch);
        for change in batch {
            // SAFETY: the caller's promise; no other thread is there, or a
            // single byte is seen whole.
            unsafe { pen.bytes(change, 0, &change.new) }?;
        }
        pen.close()?;
    }
    if **alone {
        return Ok(());
    }
    let (in_words, mut by_steps): (Vec<&Change>, Vec<&Change>) = live
        .into_iter()
        .partition(|change| change.word().is_some() && change.traps_at_boundaries());
    if !in_words.is_empty() {
        match Writable::new(in_words.iter().map(|change| change.place())) {
            Ok(writable) => {
                for change in in_words {
                    // SAFETY: the caller's promise; one store, so that no
                    // mixture is seen.
                    unsafe { store(&writable, change) };
                }
                writable.close()?;
            }
            Err(_) => by_steps.extend(in_words),
        }
    }
    if !by_steps.is_empty() {
        trap::ensure_handler()?;
        let pen = Pen::new(&by_steps);
        // SAFETY: the caller's promise; the steps are the ones described above.
        unsafe { apply_by_steps(&pen, &by_steps) }?;
        pen.close()?;
    }
    sync::cores()
}

/// The change as one store of the aligned word around it.
///
/// # Safety
///
/// As for [`apply`]; the change has a word, which `writable` is for.
unsafe fn store(writable: &Writable, change: &Change) {
    let Some(word) = change.word() else { return };
    // SAFETY: the word is in the same page as the code; nobody but the holder
    // of the registry's lock writes to it.
    let mut bytes = unsafe { (word as *const [u8; WORD]).read_volatile() };
    let offset = change.at - word;
    bytes[offset..offset + change.new.len()].copy_from_slice(&change.new);
    // SAFETY: the caller's promise.
    unsafe { writable.store_word(word, u64::from_le_bytes(bytes)) };
}

/// The cheapest way of writing single bytes to many places, or to few.
enum Pen {
    Few(Writer),
    Many(Writable),
}

impl Pen {
    fn new(changes: &[&Change]) -> Self {
        let many = (changes.len() >= MANY)
            .then(|| Writable::new(changes.iter().map(|change| change.place())).ok())
            .flatten();
        many.map_or_else(|| Self::Few(Writer::new()), Self::Many)
    }

    /// # Safety
    ///
    /// As for [`Writer::bytes`], of the change's place.
    unsafe fn bytes(&self, change: &Change, offset: usize, bytes: &[u8]) -> io::Result<()> {
        let at = change.at + offset;
        match self {
            // SAFETY: the caller's promise.
            Self::Few(writer) => unsafe { writer.bytes(at, bytes, change.protection) },
            // SAFETY: the caller's promise; made for all places of the changes.
            Self::Many(writable) => unsafe {
                writable.bytes(at, bytes);
                Ok(())
            },
        }
    }

    fn close(self) -> io::Result<()> {
        match self {
            Self::Few(_) => Ok(()),
            Self::Many(writable) => writable.close(),
        }
    }
}

/// # Safety
///
/// As for [`apply`].
unsafe fn apply_by_steps(pen: &Pen, changes: &[&Change]) -> io::Result<()> {
    let put = |change: &Change, offset: usize, byte: u8| {
        // SAFETY: the caller's promise; a single byte is always seen whole.
        unsafe { pen.bytes(change, offset, &[byte]) }
    };
    // The heads first: behind a live jump a boundary is part of its distance.
    for change in changes {
        put(change, 0, INT3)?;
    }
    sync::cores()?;
    for change in changes {
        for boundary in change.boundaries() {
            put(change, boundary, INT3)?;
        }
    }
    sync::cores()?;
    for change in changes {
        for (first, last) in runs_between_boundaries(change) {
            // SAFETY: the caller's promise; all that could lead into these
            // bytes is a trap now.
            unsafe { pen.bytes(change, first, &change.new[first..last]) }?;
        }
    }
    sync::cores()?;
    for change in changes {
        for boundary in change.boundaries() {
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
fn runs_between_boundaries(change: &Change) -> impl Iterator<Item = (usize, usize)> + '_ {
    let mut first = 1;
    let stops = change.boundaries().chain([change.new.len()]);
    stops.filter_map(move |stop| {
        let run = (first, stop);
        first = stop + 1;
        (run.0 < run.1).then_some(run)
    })
}
