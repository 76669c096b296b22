//! Thread-local memory for thread-locals that the program gets later.
//!
//! A thread-local of the executable is at a fixed distance from the thread
//! pointer. So is this reserve, as long as the agent was loaded before the first
//! thread began: then it is in what the dynamic linker gives every thread. New
//! thread-locals get pieces of it. It is zero in every thread.

use std::cell::UnsafeCell;

/// Bytes for each thread.
pub(super) const LEN: usize = 4096;

#[repr(align(64))]
struct Reserve(UnsafeCell<[u8; LEN]>);

thread_local! {
    static RESERVE: Reserve = const { Reserve(UnsafeCell::new([0; LEN])) };
}

/// How far the calling thread's reserve is from its thread pointer.
pub(super) fn offset() -> i64 {
    let at = RESERVE.with(|reserve| reserve.0.get() as i64);
    at.wrapping_sub(thread_pointer() as i64)
}

fn thread_pointer() -> u64 {
    let pointer: u64;
    #[cfg(target_arch = "x86_64")]
    // SAFETY: the ABI keeps the thread pointer there, for reading.
    unsafe {
        std::arch::asm!("mov {}, fs:0", out(reg) pointer, options(nostack, readonly, preserves_flags));
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: reads a register.
    unsafe {
        std::arch::asm!("mrs {}, tpidr_el0", out(reg) pointer, options(nostack, nomem, preserves_flags));
    }
    pointer
}
