//! What unwinders are told about code of the arena.
//!
//! Code that no file describes ends every backtrace. So each block is announced
//! to the unwinder once, when it is mapped. Beside it stand one byte for each byte
//! of code, the number of the [`FrameState`] there, and for each number a section
//! of call frame information that says so of the whole block. Who asks about an
//! instruction is given the section of its number. A patch only writes its
//! numbers, before anything leads to its code; the unwinder is told nothing anew.
//!
//! How it is told is the business of [`super::unwinder`]. A debugger reads files
//! and does not see this.

use super::layout::{map_anywhere, page_size, unmap};
use super::unwinder::{Told, announce, withdraw};
use crate::machine::eh_frame;
use crate::machine::frame::{FrameState, Frames};
use std::io;
use std::ops::Range;

/// States that a table can hold; more are unknown.
const STATES: usize = 256;

/// The table of a block.
pub(crate) struct FrameTable {
    code: Range<usize>,
    /// One byte for each byte of code, then the sections.
    at: usize,
    /// The states that have a number. The first one is the unknown one.
    states: Vec<FrameState>,
    announced: bool,
}

impl FrameTable {
    /// Of this code, all of it unknown. Pages of the table are there once they
    /// are written.
    pub(crate) fn new(code: Range<usize>) -> io::Result<Self> {
        let rights = libc::PROT_READ | libc::PROT_WRITE;
        let at = map_anywhere(Self::bytes(code.len()), rights)?;
        let mut table = Self {
            code,
            at,
            states: Vec::new(),
            announced: true,
        };
        table.add(FrameState::UNKNOWN);
        let told = Told {
            numbers: Some(at),
            sections: table.sections(),
        };
        announce(table.code.clone(), told);
        Ok(table)
    }

    fn bytes(code: usize) -> usize {
        code + (STATES * eh_frame::MOST).next_multiple_of(page_size())
    }

    fn sections(&self) -> usize {
        self.at + self.code.len()
    }

    /// Whether the code at `at` is the table's.
    pub(crate) fn covers(&self, at: usize) -> bool {
        self.code.contains(&at)
    }

    /// The unwinder is told that the code is gone, before it is.
    pub(crate) fn close(&mut self) {
        if std::mem::take(&mut self.announced) {
            withdraw(self.code.clone());
            unmap(self.at, Self::bytes(self.code.len()));
        }
    }

    /// The states of the `len` bytes of code at `at`, which nothing leads to yet.
    pub(crate) fn set(&mut self, at: usize, len: usize, frames: Frames<'_>) {
        let ends = frames.iter().skip(1).map(|(from, _)| *from as usize);
        for ((from, state), end) in frames.iter().zip(ends.chain([len])) {
            let number = self.number(*state);
            self.fill(at + *from as usize..at + end.min(len), number);
        }
    }

    /// Nothing is known any more about the `len` bytes of code at `at`.
    pub(crate) fn forget(&mut self, at: usize, len: usize) {
        self.fill(at..at + len, 0);
    }

    fn fill(&mut self, code: Range<usize>, number: u8) {
        if code.start < self.code.start || code.end > self.code.end || code.is_empty() {
            return;
        }
        let first = self.at + (code.start - self.code.start);
        // SAFETY: the bytes of the table for this code. No unwinder reads them:
        // nobody is in code that nothing leads to.
        unsafe { (first as *mut u8).write_bytes(number, code.len()) };
    }

    /// The number of a state, a new one if need be; that of the unknown one if
    /// there is no more room.
    fn number(&mut self, state: FrameState) -> u8 {
        let known = self.states.iter().position(|&known| known == state);
        let number = known.unwrap_or_else(|| match self.states.len() {
            STATES => 0,
            _ => self.add(state),
        });
        number as u8 // there are at most 256
    }

    fn add(&mut self, state: FrameState) -> usize {
        let number = self.states.len();
        let to = self.sections() + number * eh_frame::MOST;
        let section = section(to, &self.code, state);
        // SAFETY: there is room for one more, and nothing has its number yet.
        unsafe { std::ptr::copy_nonoverlapping(section.as_ptr(), to as *mut u8, section.len()) };
        self.states.push(state);
        number
    }
}

/// A page of gates, announced: all its code leaves the stack as it is.
pub(crate) struct AnnouncedPage {
    code: Range<usize>,
    /// Read by unwinders, by words, as long as the page is announced.
    _section: Box<[u64]>,
}

impl AnnouncedPage {
    #[cfg(target_arch = "x86_64")] // there are gates at prescribed addresses
    pub(crate) fn new(code: Range<usize>) -> Self {
        let mut words = vec![0_u64; eh_frame::MOST / 8].into_boxed_slice();
        let at = words.as_ptr() as usize;
        let section = section(at, &code, FrameState::CALLED);
        for (word, bytes) in words.iter_mut().zip(section.chunks(8)) {
            let mut whole = [0; 8];
            whole[..bytes.len()].copy_from_slice(bytes);
            *word = u64::from_le_bytes(whole);
        }
        let told = Told {
            numbers: None,
            sections: at,
        };
        announce(code.clone(), told);
        Self {
            code,
            _section: words,
        }
    }

    /// The unwinder is told that the code is gone, before it is.
    pub(crate) fn close(&self) {
        withdraw(self.code.clone());
    }
}

/// What is said of code in this state, to stand at `at`.
fn section(at: usize, code: &Range<usize>, state: FrameState) -> Vec<u8> {
    let bytes = eh_frame::section(at as u64, code.start as u64, code.len() as u64, state);
    debug_assert!(bytes.len() <= eh_frame::MOST);
    bytes
}
