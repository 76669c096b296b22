//! The patches of all reloads, changed in one transaction each.

use super::protocol::{Bytes, Swap};
use crate::memory::write::Writer;
use crate::{Consistency, Error, RawPatch, Transaction};
use region::Protection;
use std::collections::HashMap;
use std::io;

/// For each function that was led elsewhere, the patch that does it.
#[derive(Default)]
pub(super) struct Swaps {
    patches: HashMap<u64, RawPatch>,
}

impl Swaps {
    /// Leads all these functions to their replacements at one instant, or none.
    ///
    /// # Safety
    ///
    /// The replacements may stand in for the functions.
    pub(super) unsafe fn apply(&mut self, swaps: &[Swap]) -> Result<(), Error> {
        let mut transaction = Transaction::new();
        for swap in swaps {
            let replacement = swap.replacement as usize as *const ();
            transaction.patch_raw(swap.target as usize as *const (), move |_| replacement);
            if let Some(before) = self.patches.remove(&swap.target) {
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
