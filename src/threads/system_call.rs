//! System calls without libc.
//!
//! For signal handlers and for threads in the middle of anything: libc's
//! functions may be patched, and write to `errno`.

use std::arch::asm;
use std::io;
use std::ops::Range;
use std::sync::atomic::AtomicU32;

/// Makes a system call; an error is the kernel's number.
///
/// # Safety
///
/// The call's own.
#[cfg(target_arch = "x86_64")]
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

/// Makes a system call; an error is the kernel's number.
///
/// # Safety
///
/// The call's own.
#[cfg(target_arch = "aarch64")]
#[inline(always)]
pub(super) unsafe fn system_call(
    number: libc::c_long,
    arguments: [usize; 6],
) -> Result<usize, i32> {
    let [a, b, c, d, e, f] = arguments;
    let mut result = a as isize;
    // SAFETY: the caller's; a system call changes x0 and memory.
    unsafe {
        asm!(
            "svc #0",
            in("x8") number,
            inlateout("x0") result,
            in("x1") b,
            in("x2") c,
            in("x3") d,
            in("x4") e,
            in("x5") f,
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

/// Waits until `word` is woken, if it says `now` still. May return early; false
/// says that it is later than `until`, in nanoseconds of the monotonic clock.
pub(crate) fn wait_while(word: &AtomicU32, now: u32, until: u64) -> bool {
    let at = std::ptr::from_ref(word) as usize;
    let wait = (libc::FUTEX_WAIT_BITSET | libc::FUTEX_PRIVATE_FLAG) as usize;
    let until = libc::timespec {
        tv_sec: (until / 1_000_000_000) as libc::time_t,
        tv_nsec: (until % 1_000_000_000) as libc::c_long,
    };
    let until = &raw const until as usize;
    let any = libc::FUTEX_BITSET_MATCH_ANY as u32 as usize;
    // SAFETY: the word and the time outlive the call.
    let waited = unsafe { system_call(libc::SYS_futex, [at, wait, now as usize, until, 0, any]) };
    waited != Err(libc::ETIMEDOUT)
}

/// Nanoseconds of the monotonic clock.
pub(crate) fn monotonic() -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    let clock = libc::CLOCK_MONOTONIC as usize;
    let place = &raw mut time as usize;
    // SAFETY: `time` has room for the answer.
    let _ = unsafe { system_call(libc::SYS_clock_gettime, [clock, place, 0, 0, 0, 0]) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// The alternate signal stack, if the calling thread is on it. (One that is
/// disarmed while it is in use, SS_AUTODISARM, is not known.)
pub(crate) fn alternate_stack_in_use() -> Option<Range<usize>> {
    let mut stack = libc::stack_t {
        ss_sp: std::ptr::null_mut(),
        ss_flags: 0,
        ss_size: 0,
    };
    let place = &raw mut stack as usize;
    // SAFETY: asks only; `stack` has room for the answer.
    let asked = unsafe { system_call(libc::SYS_sigaltstack, [0, place, 0, 0, 0, 0]) };
    let start = stack.ss_sp as usize;
    let in_use = asked.is_ok() && stack.ss_flags & libc::SS_ONSTACK != 0;
    in_use.then_some(start..start + stack.ss_size)
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
