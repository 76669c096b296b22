//! System calls without libc.
//!
//! For signal handlers and for threads in the middle of anything: libc's
//! functions may be patched, and write to `errno`.

use std::arch::asm;
use std::io;
use std::sync::atomic::AtomicU32;

/// Makes a system call; an error is the kernel's number.
///
/// # Safety
///
/// The call's own.
#[inline(always)]
pub(super) unsafe fn system_call(
    number: libc::c_long,
    arguments: [usize; 6],
) -> Result<usize, i32> {
    let mut result = number as isize;
    let [a, b, c, d, e, f] = arguments;
    // SAFETY: the caller's; a system call changes rax, rcx, r11 and memory.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") result,
            in("rdi") a,
            in("rsi") b,
            in("rdx") c,
            in("r10") d,
            in("r8") e,
            in("r9") f,
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack),
        );
    }
    if (-4095..0).contains(&result) {
        return Err(-result as i32);
    }
    Ok(result as usize)
}

/// Copies readable memory of this process to `to`; gives how many bytes, until
/// the first that is not mapped.
///
/// # Safety
///
/// `to` has room for `length` bytes.
#[inline(always)]
pub(super) unsafe fn copy_readable(
    process: usize,
    from: usize,
    to: usize,
    length: usize,
) -> Result<usize, i32> {
    let local = [to, length];
    let remote = [from, length];
    let (local, remote) = (local.as_ptr() as usize, remote.as_ptr() as usize);
    let arguments = [process, local, 1, remote, 1, 0];
    // SAFETY: the kernel checks `from`, the caller vouches for `to`.
    unsafe { system_call(libc::SYS_process_vm_readv, arguments) }
}

/// The id of this process.
pub(super) fn process_id() -> usize {
    // SAFETY: takes nothing.
    unsafe { system_call(libc::SYS_getpid, [0; 6]) }.unwrap_or(0)
}

/// The id of the calling thread.
pub(crate) fn thread_id() -> usize {
    // SAFETY: takes nothing.
    unsafe { system_call(libc::SYS_gettid, [0; 6]) }.unwrap_or(0)
}

/// Waits until `word` is woken, if it says `now` still. May return early.
pub(crate) fn wait_while(word: &AtomicU32, now: u32) {
    let at = std::ptr::from_ref(word) as usize;
    let wait = (libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG) as usize;
    // SAFETY: the word outlives the call; without a timeout.
    let _ = unsafe { system_call(libc::SYS_futex, [at, wait, now as usize, 0, 0, 0]) };
}

/// Wakes all that wait for `word`.
pub(crate) fn wake_all(word: &AtomicU32) {
    let at = std::ptr::from_ref(word) as usize;
    let wake = (libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG) as usize;
    // SAFETY: only the address counts.
    let _ = unsafe { system_call(libc::SYS_futex, [at, wake, i32::MAX as usize, 0, 0, 0]) };
}

/// The kernel's error as the standard library's.
pub(super) fn error(number: i32) -> io::Error {
    io::Error::from_raw_os_error(number)
}
