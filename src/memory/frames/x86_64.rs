//! What unwinders are told about code of the arena.
//!
//! Code that no file describes ends every backtrace. So each block is announced
//! to the unwinder once, when it is mapped, with rules that read a table beside
//! it ([`midair_arch::x86_64::eh_frame`]): for each byte of code the number of
//! the [`FrameState`] there. A patch only writes its states, before anything
//! leads to its code; the unwinder is told nothing anew.
//!
//! How it is told is the business of [`super::unwinder`]. A debugger reads files
//! and does not see this.

use super::super::layout::{map_anywhere, page_size, unmap};
use super::super::unwinder::{HEADER, announce, header, withdraw};
use midair_arch::x86_64::eh_frame::{self, Tabled};
use midair_arch::x86_64::frame::{FrameState, Frames};
use std::io;
use std::ops::Range;

/// States that a table can hold; more are unknown.
const STATES: usize = 256;

/// The table of a block.
pub(crate) struct FrameTable {
    code: Range<usize>,
    /// One byte for each byte of code, then the states, then what is announced.
    at: usize,
    /// States that are in use. The first one is the unknown one.
    count: usize,
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
            count: 1,
            announced: false,
        };
        let section = eh_frame::tabled(Tabled {
            start: table.code.start as u64,
            len: table.code.len() as u64,
            numbers: at as u64,
            states: table.states() as u64,
        });
        let header_at = table.states() + STATES * size_of::<u64>();
        let section = with_header(header_at, &section);
        debug_assert!(header_at + section.len() <= at + Self::bytes(table.code.len()));
        // SAFETY: it fits behind the states, in pages mapped just now.
        unsafe {
            let to = header_at as *mut u8;
            std::ptr::copy_nonoverlapping(section.as_ptr(), to, section.len());
        }
        announce(table.code.clone(), header_at);
        table.announced = true;
        Ok(table)
    }

    fn bytes(code: usize) -> usize {
        code + page_size()
    }

    fn states(&self) -> usize {
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
        let states = self.states() as *mut u64;
        let wanted = state.to_bits();
        for n in 0..self.count {
            // SAFETY: the first `count` states are written.
            if unsafe { states.add(n).read() } == wanted {
                return n as u8; // there are at most 256
            }
        }
        if self.count == STATES {
            return 0;
        }
        // SAFETY: room for one more, and nothing has its number yet.
        unsafe { states.add(self.count).write(wanted) };
        self.count += 1;
        (self.count - 1) as u8
    }
}

/// A page of gates, announced: all its code leaves the stack as it is.
pub(crate) struct AnnouncedPage {
    code: Range<usize>,
    /// Read by unwinders, as long as the page is announced.
    _section: Box<[u64]>,
}

impl AnnouncedPage {
    pub(crate) fn new(code: Range<usize>) -> Self {
        let section = eh_frame::called(code.start as u64, code.len() as u64);
        // Unwinders read it by words.
        let mut words = vec![0_u64; (HEADER + section.len()).div_ceil(8)].into_boxed_slice();
        let at = words.as_ptr() as usize;
        let bytes = with_header(at, &section);
        for (word, bytes) in words.iter_mut().zip(bytes.chunks(8)) {
            let mut whole = [0; 8];
            whole[..bytes.len()].copy_from_slice(bytes);
            *word = u64::from_le_bytes(whole);
        }
        announce(code.clone(), at);
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

/// A section that will stand at `at`, behind the header that leads to it.
fn with_header(at: usize, section: &[u8]) -> Vec<u8> {
    let mut bytes = header(at + HEADER).to_vec();
    bytes.extend(section);
    bytes
}
