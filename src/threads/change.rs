//! What is written at one place of running code.
//!
//! A transaction over many functions has as many of these, so they hold their few
//! bytes themselves.

use super::own_memory;
#[cfg(target_arch = "x86_64")]
use midair_arch::x86_64::INT3;
use region::Protection;
use std::ops::Deref;

/// New bytes for one place of running code.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(crate) at: usize,
    pub(crate) old: Few,
    pub(crate) new: Few,
    /// Offsets (not 0) where instructions begin that a thread may be about to
    /// execute.
    pub(crate) boundaries: Few,
    /// No thread can be there: padding that nothing leads to yet. Written
    /// before all else.
    pub(crate) unreached: bool,
    /// The rights that the pages have.
    pub(crate) protection: Protection,
}

#[cfg(target_arch = "x86_64")]
const WORD: usize = 8;

/// No jump is longer.
#[cfg(target_arch = "x86_64")]
const LONGEST: usize = midair_arch::x86_64::JUMP;
/// No jump is longer.
#[cfg(target_arch = "aarch64")]
const LONGEST: usize = midair_arch::aarch64::jumps::ABSOLUTE;

impl Change {
    /// Whether `old` stands there; the place need not be mapped.
    pub(crate) fn is_in_place(&self) -> bool {
        let mut now = vec![0; self.old.len()];
        own_memory::read(self.at, &mut now) == now.len() && now == *self.old
    }

    pub(super) fn place(&self) -> (usize, usize, Protection) {
        (self.at, self.new.len(), self.protection)
    }

    pub(super) fn boundaries(&self) -> impl Iterator<Item = usize> + '_ {
        self.boundaries.iter().map(|&n| usize::from(n))
    }
}

#[cfg(target_arch = "x86_64")]
impl Change {
    /// Whether a trap stands at each boundary, before or after.
    pub(super) fn traps_at_boundaries(&self) -> bool {
        self.boundaries()
            .all(|at| self.old[at] == INT3 || self.new[at] == INT3)
    }

    /// Whether a thread may trap because of it.
    pub(crate) fn may_trap(&self) -> bool {
        let is_whole = self.word().is_some() && self.boundaries().next().is_none();
        let has_trap = [self.old, self.new]
            .iter()
            .any(|bytes| bytes.first() == Some(&INT3));
        !self.unreached && (!is_whole || has_trap)
    }

    /// The aligned word that all bytes lie in, if there is one.
    pub(super) fn word(&self) -> Option<usize> {
        let word = self.at & !(WORD - 1);
        (self.at + self.new.len() <= word + WORD).then_some(word)
    }
}

/// At most as many bytes as a jump has.
#[derive(Clone, Copy, Default)]
pub(crate) struct Few {
    bytes: [u8; LONGEST],
    len: u8,
}

impl Few {
    /// The first so many of `bytes`, of which there are at most a jump's.
    pub(crate) fn first(len: usize, bytes: &[u8]) -> Self {
        bytes.iter().copied().take(len).collect()
    }
}

/// More bytes than a jump has are cut off; nobody writes so many.
impl FromIterator<u8> for Few {
    fn from_iter<I: IntoIterator<Item = u8>>(all: I) -> Self {
        let mut few = Self::default();
        for (byte, from) in few.bytes.iter_mut().zip(all) {
            *byte = from;
            few.len += 1;
        }
        few
    }
}

impl Deref for Few {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

impl PartialEq for Few {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl std::fmt::Debug for Few {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:02x?}", &**self)
    }
}
