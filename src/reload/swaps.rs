//! The patches of all reloads, changed in one transaction each.

use super::protocol::Bytes;
use crate::memory::write::Writer;
use crate::{Consistency, Error, RawPatch, Transaction};
use region::Protection;
use std::collections::HashMap;
use std::io;

/// Where a function is led.
#[derive(Clone, Copy, Debug)]
pub(super) struct Way {
    /// The function's address.
    pub(super) target: u64,
    /// Where its calls go; to itself, as it was built, if nowhere.
    pub(super) to: Option<u64>,
}

/// For each function that was led elsewhere, the patch that does it.
#[derive(Default)]
pub(super) struct Swaps {
    patches: HashMap<u64, RawPatch>,
}

impl Swaps {
    /// Leads all these functions elsewhere at one instant, or none.
    ///
    /// # Safety
    ///
    /// The destinations may stand in for the functions.
    pub(super) unsafe fn lead(&mut self, ways: &[Way]) -> Result<(), Error> {
        let mut transaction = Transaction::new();
        for way in ways {
            if let Some(to) = way.to {
                let to = to as usize as *const ();
                transaction.patch_raw(way.target as usize as *const (), move |_| to);
            }
            if let Some(before) = self.patches.remove(&way.target) {
                transaction.remove(before);
            }
        }
        // SAFETY: the caller's promise.
        let committed = unsafe { transaction.commit(Consistency::Atomic) };
        let patches = match committed {
            Ok(committed) => committed.patches,
            Err(error) => {
                self.keep(transaction.take_removals());
                return Err(error);
            }
        };
        self.keep(patches);
        Ok(())
    }

    fn keep(&mut self, patches: impl IntoIterator<Item = RawPatch>) {
        for patch in patches {
            self.patches.insert(patch.target() as u64, patch);
        }
    }
}

/// Overwrites constants; answers with what stood there.
///
/// # Safety
///
/// The places are mapped, hold constants, and belong to the program that the
/// writes are for.
pub(super) unsafe fn overwrite(writes: &[Bytes]) -> io::Result<Vec<Bytes>> {
    let mut before = Vec::with_capacity(writes.len());
    let writer = Writer::new();
    for write in writes {
        let at = write.address as usize;
        // SAFETY: mapped and readable, says the caller.
        let old = unsafe { std::slice::from_raw_parts(at as *const u8, write.bytes.len()) };
        let old = old.to_vec();
        // SAFETY: the caller's promise; constants are no code.
        unsafe { writer.bytes(at, &write.bytes, Protection::READ) }?;
        before.push(Bytes {
            address: write.address,
            bytes: old,
        });
    }
    Ok(before)
}
