//! aarch64: nothing is told.
//!
//! No return address ever points into the arena, and a call in a copy has put the
//! original's into x30 already: panics, exceptions and backtraces that begin in a
//! call never meet it. A backtrace that a signal handler makes ends there, if the
//! signal came in one of the few instructions of a gate or a copy.

use crate::machine::frame::Frames;
use std::io;
use std::ops::Range;

/// The code of a block.
pub(crate) struct FrameTable(Range<usize>);

impl FrameTable {
    pub(crate) fn new(code: Range<usize>) -> io::Result<Self> {
        Ok(Self(code))
    }

    pub(crate) fn covers(&self, at: usize) -> bool {
        self.0.contains(&at)
    }

    pub(crate) fn close(&mut self) {}

    pub(crate) fn set(&mut self, _at: usize, _len: usize, _frames: Frames<'_>) {}

    pub(crate) fn forget(&mut self, _at: usize, _len: usize) {}
}

/// A page of gates: x86-64 has some.
pub(crate) struct AnnouncedPage;

impl AnnouncedPage {
    pub(crate) fn close(&self) {}
}
