//! The memory that patches are made of: the arena, code for it that is not
//! written yet, and what waits to be given back.
//!
//! Copies, gates and stubs of many functions mostly stand side by side, so they
//! are gathered and written together before anything leads to them.

use super::limbo::Limbo;
use crate::machine::frame::Frames;
use crate::memory::arena::Arena;
use crate::memory::write::Writer;
use crate::threads::count::Alone;
use crate::threads::sync;
use region::Protection;
use std::io;

/// All memory of midair's.
pub(super) struct Store {
    pub(super) arena: Arena,
    pub(super) staged: Staged,
    pub(super) limbo: Limbo,
}

impl Store {
    pub(super) fn new() -> Self {
        Self {
            arena: Arena::new(),
            staged: Staged::default(),
            limbo: Limbo::default(),
        }
    }

    /// Has `code` written at `at`, and tells unwinders about its frames.
    pub(super) fn stage(&mut self, at: usize, code: Vec<u8>, frames: Frames<'_>) {
        self.arena.set_frames(at, code.len(), frames);
        self.staged.push(at, code);
    }

    /// Writes the code that is staged, so that something may lead to it.
    pub(super) fn write(&mut self, alone: &Alone) -> io::Result<()> {
        if self.staged.0.is_empty() {
            return Ok(());
        }
        self.staged.write()?;
        // A core may have fetched what stood there before, in its last life.
        if self.arena.take_reused() && !**alone {
            sync::cores()?;
        }
        Ok(())
    }
}

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
    fn write(&mut self) -> io::Result<()> {
        let writer = Writer::new();
        for (at, code) in self.0.drain(..) {
            // SAFETY: the arena's memory, which nothing leads to yet.
            unsafe { writer.bytes(at, &code, Protection::READ_EXECUTE) }?;
        }
        Ok(())
    }
}
