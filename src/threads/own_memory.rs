//! Reading this process's memory where it may be unmapped at any moment.
//!
//! `process_vm_readv` of ourselves: where a load would fault, it stops, and says
//! how far it came.

use super::system_call::{copy_readable, error, process_id};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

/// Copies what is at `from` into `to`; gives how many bytes were readable.
pub(crate) fn read(from: usize, to: &mut [u8]) -> usize {
    try_read(from, to).unwrap_or(0)
}

fn try_read(from: usize, to: &mut [u8]) -> Result<usize, i32> {
    let (at, length) = (to.as_mut_ptr() as usize, to.len());
    // SAFETY: `to` is that long.
    unsafe { copy_readable(process_id(), from, at, length) }
}

/// Whether nothing is mapped at `at`. Where that cannot be found out, something
/// is.
pub(crate) fn is_unmapped(at: usize) -> bool {
    try_read(at, &mut [0]) == Err(libc::EFAULT)
}

/// Whether reading so is allowed here at all.
pub(crate) fn is_readable() -> io::Result<()> {
    static WORKS: AtomicBool = AtomicBool::new(false);
    let here = [0u8; 1];
    let mut there = [0u8; 1];
    if !WORKS.load(Ordering::Relaxed) {
        try_read(here.as_ptr() as usize, &mut there).map_err(error)?;
        WORKS.store(true, Ordering::Relaxed);
    }
    Ok(())
}

/// Copies words from `from` on; gives how many whole ones were readable.
pub(crate) fn read_words(from: usize, to: &mut [usize]) -> usize {
    // SAFETY: words are bytes too, of any value.
    let bytes =
        unsafe { std::slice::from_raw_parts_mut(to.as_mut_ptr().cast::<u8>(), size_of_val(to)) };
    read(from, bytes) / size_of::<usize>()
}

/// The word at `at`, if all of it is readable.
pub(crate) fn word(at: usize) -> Option<usize> {
    let mut bytes = [0; 8];
    (read(at, &mut bytes) == bytes.len()).then(|| usize::from_le_bytes(bytes))
}
