//! Two kinds of address that must not be mixed up: one that a file states and
//! one where something is in a running process.
//!
//! A position-independent file states addresses counted from zero; the loader
//! adds the same number, the [`Slide`], to all of them. Nothing here looks at
//! a file or at a process.

use std::fmt;

/// A virtual address as an ELF file states it, before the loader adds its slide.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileAddress(pub u64);

/// What the loader added to every address of a file. Zero for a file that is
/// not position-independent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slide(pub u64);

impl FileAddress {
    /// Where this address is at run time, in a process that loaded the file
    /// with `slide`. Wraps, as the loader's own arithmetic does.
    #[must_use]
    pub fn at(self, slide: Slide) -> usize {
        self.0.wrapping_add(slide.0) as usize
    }

    /// The address `bytes` further on; none if there is no such address.
    #[must_use]
    pub fn checked_add(self, bytes: u64) -> Option<FileAddress> {
        self.0.checked_add(bytes).map(FileAddress)
    }
}

impl Slide {
    /// The address in the file of what is at `runtime` in the process.
    #[must_use]
    pub fn file_address(self, runtime: usize) -> FileAddress {
        FileAddress((runtime as u64).wrapping_sub(self.0))
    }
}

impl fmt::Display for FileAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

impl fmt::LowerHex for FileAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::LowerHex::fmt(&self.0, f)
    }
}

impl fmt::Display for Slide {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}
