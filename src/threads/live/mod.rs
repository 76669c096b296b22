//! The order of writes that lets threads run on while entries change.
//!
//! A [`Change`] replaces a few bytes at one entry; each machine has rules of its
//! own for that ([`x86_64`], [`aarch64`]).

#[cfg(target_arch = "aarch64")]
mod aarch64;
#[cfg(target_arch = "x86_64")]
mod x86_64;

#[cfg(target_arch = "aarch64")]
pub use aarch64::allow_unsanctioned_stores;
#[cfg(target_arch = "aarch64")]
pub(crate) use aarch64::apply;
#[cfg(target_arch = "x86_64")]
pub(crate) use x86_64::apply;

use super::own_memory;
use region::Protection;

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

impl Change {
    /// Whether `old` stands there; the place need not be mapped.
    pub(crate) fn is_in_place(&self) -> bool {
        let mut now = vec![0; self.old.len()];
        own_memory::read(self.at, &mut now) == now.len() && now == self.old
    }

    fn place(&self) -> (usize, usize, Protection) {
        (self.at, self.new.len(), self.protection)
    }
}
