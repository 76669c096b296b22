//! Constants that are overwritten where they are.

use super::protocol::Bytes;
use crate::memory::write::Writer;
use region::Protection;
use std::io;

/// Overwrites constants, all or none; answers with what stood there.
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
        let written = unsafe { writer.bytes(at, &write.bytes, Protection::READ) };
        before.push(Bytes {
            address: write.address,
            bytes: old,
        });
        if let Err(error) = written {
            for old in before.iter().rev() {
                // SAFETY: as above. What cannot be written now could not be then.
                let _ = unsafe { writer.bytes(old.address as usize, &old.bytes, Protection::READ) };
            }
            return Err(error);
        }
    }
    Ok(before)
}
