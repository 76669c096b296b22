//! aarch64: the stub of a closure.
//!
//! x16 and x17 are nobody's at the entry of a function, and the entry is where
//! the stub comes from; but a count without the atomic instructions of a later
//! version of the architecture takes three registers. So the third one is kept on
//! the stack for as long as it takes to count.

use crate::patch::arrival::dispatch;
use midair_arch::aarch64::frame::{FrameState, Frames};

/// Bytes of a stub.
pub(in super::super) const STUB: usize = 80;

/// The frames of a stub: behind its second instruction, and up to its seventh, two
/// words are on the stack.
pub(super) const FRAMES: Frames<'static> = &[
    (0, FrameState::CALLED),
    (8, FrameState::TWO_PUSHED),
    (28, FrameState::CALLED),
];

/// The stub of a context at `at`.
pub(super) fn code(_at: usize, counts_at: usize, context: usize) -> Option<Vec<u8>> {
    let words: [u32; 13] = [
        0x5800_01d0, // ldr x16, calls (+56)
        0xa9bf_03e1, // stp x1, x0, [sp, #-16]!
        0xc85f_7e11, // again: ldxr x17, [x16]
        0x9100_0631, // add x17, x17, #1
        0xc801_7e11, // stxr w1, x17, [x16]
        0x35ff_ffa1, // cbnz w1, again
        0xa8c1_03e1, // ldp x1, x0, [sp], #16
        0xd503_3bbf, // dmb ish: it is counted before anything of it is read
        0x5800_0111, // ldr x17, context (+32)
        0x5800_0130, // ldr x16, dispatch (+36)
        0xd61f_0200, // br x16
        0xd420_0020, // brk #1: never reached
        0xd503_201f, // nop
    ];
    let dispatch: extern "C" fn() = dispatch;
    let mut code: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    code.extend(0xd503_201f_u32.to_le_bytes());
    for value in [counts_at, context, dispatch as usize] {
        code.extend((value as u64).to_le_bytes());
    }
    debug_assert_eq!(code.len(), STUB);
    Some(code)
}
