//! Code that is about to be written to the arena.
//!
//! Copies, gates and stubs of many functions mostly stand side by side, so they
//! are gathered and written together before anything leads to them.

use crate::memory::write::Writer;
use region::Protection;
use std::io;

/// Code for the arena that is not written yet: neighbours are written as one.
#[derive(Default)]
pub(super) struct Staged(Vec<(usize, Vec<u8>)>);

impl Staged {
    pub(super) fn push(&mut self, at: usize, code: Vec<u8>) {
        match self.0.last_mut() {
            Some((start, bytes)) if *start + bytes.len() == at => bytes.extend(code),
            _ => self.0.push((at, code)),
        }
    }

    /// Writes all of it.
    pub(super) fn write(&mut self) -> io::Result<()> {
        if self.0.is_empty() {
            return Ok(());
        }
        let writer = Writer::new();
        for (at, code) in self.0.drain(..) {
            // SAFETY: the arena's memory, which nothing leads to yet.
            unsafe { writer.bytes(at, &code, Protection::READ_EXECUTE) }?;
        }
        Ok(())
    }
}
