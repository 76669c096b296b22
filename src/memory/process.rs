//! Which process this is, without asking the kernel each time.
//!
//! What is kept of a process (descriptors of its own `/proc` files) must not be
//! used by a child that was forked, by whatever call: there it still speaks of
//! the parent. A page that the kernel empties on every fork tells.

use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

static PAGE: OnceLock<Option<&'static AtomicU32>> = OnceLock::new();

/// The id of the process; never that of a parent.
pub(crate) fn id() -> u32 {
    let Some(page) = PAGE.get_or_init(page) else {
        return std::process::id();
    };
    match page.load(Ordering::Relaxed) {
        0 => {
            let id = std::process::id();
            page.store(id, Ordering::Relaxed);
            id
        }
        id => id,
    }
}

/// A page that a fork empties (Linux 4.14).
fn page() -> Option<&'static AtomicU32> {
    let size = region::page::size();
    let rights = libc::PROT_READ | libc::PROT_WRITE;
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    // SAFETY: fresh memory, wherever the kernel puts it.
    let at = unsafe { libc::mmap(ptr::null_mut(), size, rights, flags, -1, 0) };
    if at == libc::MAP_FAILED {
        return None;
    }
    // SAFETY: the page is ours.
    if unsafe { libc::madvise(at, size, libc::MADV_WIPEONFORK) } != 0 {
        // SAFETY: nobody else knows of it.
        unsafe { libc::munmap(at, size) };
        return None;
    }
    // SAFETY: mapped, zeroed, aligned, and never unmapped.
    Some(unsafe { &*at.cast::<AtomicU32>() })
}
