//! Whether an emulator runs this process (`qemu-aarch64`).
//!
//! Then the kernel knows the emulator's threads, not ours: what `/proc` says of
//! the registers of a sleeper are those of the emulator, and its stack is not the
//! one on which our code is. So such a sleeper cannot be looked at. States, switch
//! counts and signals are right.
//!
//! A thread that asks about itself is told the stack pointer with which it asks.
//! If that is nowhere near our own, it is somebody else's.

use super::sleeper::own_stack_pointer;
use std::sync::atomic::{AtomicU8, Ordering};

/// A system call is made from so near to whoever asks for it.
const NEAR: usize = 64 << 10;

/// Whether the registers that `/proc` tells of a thread are not its own. If that
/// cannot be found out, it is so.
pub(super) fn is_emulated() -> bool {
    const UNKNOWN: u8 = 0;
    const NATIVE: u8 = 1;
    const EMULATED: u8 = 2;
    static KNOWN: AtomicU8 = AtomicU8::new(UNKNOWN);
    match KNOWN.load(Ordering::Relaxed) {
        NATIVE => false,
        EMULATED => true,
        _ => {
            let here = 0_u8;
            let near = |sp: usize| sp.abs_diff(&raw const here as usize) < NEAR;
            let is_native = own_stack_pointer().is_some_and(near);
            let known = if is_native { NATIVE } else { EMULATED };
            KNOWN.store(known, Ordering::Relaxed);
            !is_native
        }
    }
}

#[cfg(test)]
mod tests {
    /// CI runs the tests of aarch64 under an emulator on another machine, which
    /// says so.
    #[test]
    fn an_emulator_is_noticed_and_the_machine_itself_is_not_taken_for_one() {
        let expected = std::env::var_os("MIDAIR_EMULATED").is_some();
        assert_eq!(super::is_emulated(), expected);
    }
}
