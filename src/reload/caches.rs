//! What the program remembers of its modules is forgotten.
//!
//! The standard library lists modules at the first backtrace and never again, so
//! the functions of an image that is loaded later would have no names. Its list is
//! set back to what it was at the start, under the lock that guards it. The memory
//! of the old list, and of the debug information that was read, is lost: once for each
//! reload that a backtrace came before, tens of MB each time.

use super::protocol::Guarded;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// How long the lock may be somebody else's: a backtrace is being written.
const PATIENCE: Duration = Duration::from_millis(20);

/// The states of the standard library's mutexes on Linux.
const UNLOCKED: u32 = 0;
const LOCKED: u32 = 1;
const CONTENDED: u32 = 2;

/// Sets a cache back; false if its lock is not to be had now.
///
/// # Safety
///
/// There are a `Mutex<()>` of the standard library at `lock` and data that it
/// guards at the bytes' address, as long as these.
pub(super) unsafe fn reset(cache: &Guarded) -> bool {
    // SAFETY: the caller's promise: the mutex begins with its state.
    let lock = unsafe { &*(cache.lock as usize as *const AtomicU32) };
    let begun = Instant::now();
    while lock
        .compare_exchange(UNLOCKED, LOCKED, Ordering::Acquire, Ordering::Relaxed)
        .is_err()
    {
        if begun.elapsed() > PATIENCE {
            return false;
        }
        std::thread::sleep(Duration::from_micros(100));
    }
    let bytes = &cache.bytes.bytes;
    let at = cache.bytes.address as usize as *mut u8;
    // SAFETY: the caller's promise; nobody else has the lock.
    unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), at, bytes.len()) };
    if lock.swap(UNLOCKED, Ordering::Release) == CONTENDED {
        // SAFETY: wakes who waits for the lock.
        unsafe {
            libc::syscall(
                libc::SYS_futex,
                lock.as_ptr(),
                libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG,
                1,
            )
        };
    }
    true
}
