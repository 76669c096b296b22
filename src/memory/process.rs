//! Which process this is, without asking the kernel each time.
//!
//! What is kept of a process (descriptors of its own `/proc` files) must not be
//! used by a child that was forked, by whatever call: there it still speaks of
//! the parent. A page that the kernel empties on every fork tells.

use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

static PAGE: OnceLock<Option<&'static AtomicU32>> = OnceLock::new();

/// Tells this process from its parents and children; not a process id, since
/// the function that gives that may be patched.
pub(crate) fn id() -> u32 {
    static LATEST: AtomicU32 = AtomicU32::new(0);
    let Some(page) = PAGE.get_or_init(page) else {
        // SAFETY: takes no pointers.
        return unsafe { libc::syscall(libc::SYS_getpid) } as u32;
    };
    match page.load(Ordering::Relaxed) {
        0 => {
            // A child's counter starts where its parent's was.
            let id = LATEST.fetch_add(1, Ordering::Relaxed) + 1;
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
