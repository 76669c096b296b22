//! Constants that are overwritten where they are.

use super::protocol::Bytes;
use crate::memory::write::Writer;
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
        // SAFETY: the caller's promise.
        let written = unsafe { put(&writer, at, &write.bytes) };
        before.push(Bytes {
            address: write.address,
            bytes: old,
        });
        if let Err(error) = written {
            for old in before.iter().rev() {
                // SAFETY: as above. What cannot be written now could not be then.
                let _ = unsafe { put(&writer, old.address as usize, &old.bytes) };
            }
            return Err(error);
        }
    }
    Ok(before)
}

/// # Safety
///
/// As for [`overwrite`].
unsafe fn put(writer: &Writer, at: usize, bytes: &[u8]) -> io::Result<()> {
    // Some linkers put constants and code into one segment, and so into one page.
    let page = region::query(at as *const u8).map_err(region::Error::into_io_error)?;
    // SAFETY: the caller's promise; constants are no code.
    unsafe { writer.bytes(at, bytes, page.protection()) }
}
