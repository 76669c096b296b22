//! What the analysis asks about the memory around a function.
//!
//! A running process and a file on disk answer the same questions, so that
//! `inspect` on a file and a patch in a process decide alike.

use crate::TargetAddress;
use alloc::vec::Vec;
use core::ops::Range;

/// Bytes between two functions that belong to neither.
#[derive(Clone, Debug)]
pub struct Gap<'a> {
    /// Where the first of the bytes is.
    pub address: TargetAddress,
    /// The bytes, whatever they are: whether they are padding is decided by
    /// the analysis.
    pub bytes: &'a [u8],
}

/// The memory around a function.
pub trait Surroundings {
    /// `len` readable bytes at `at`, or `None` if not all of them are known.
    fn read(&self, at: TargetAddress, len: usize) -> Option<&[u8]>;

    /// Whether `at` lies in code of the module.
    fn is_code(&self, at: TargetAddress) -> bool;

    /// Places strictly inside of `range` at which other code is known to enter:
    /// symbols, unwind ranges, targets of other functions' branches.
    fn entries(&self, range: Range<TargetAddress>) -> Vec<TargetAddress>;

    /// Whether `entries` misses no direct branch of the module's other
    /// functions.
    fn knows_all_branches(&self) -> bool;

    /// The gaps that overlap `range`, each clipped to it.
    fn gaps(&self, range: Range<TargetAddress>) -> Vec<Gap<'_>>;
}
