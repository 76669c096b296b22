//! aarch64: the stub, and the dispatcher that it leads to.
//!
//! x16 and x17 are nobody's at the entry of a function, and the entry is where
//! the stub comes from; but a count without the atomic instructions of a later
//! version of the architecture takes three registers. So the third one is kept on
//! the stack for as long as it takes to count.

use super::push_context;
use std::arch::naked_asm;

/// Puts the context in x17 on the stack of the calling thread and goes on to its
/// thunk, with every register that can carry an argument as it was: x0 to x8, and
/// all of v0 to v7.
#[unsafe(naked)]
// Whoever is here is about to enter a closure: `choosing` knows.
#[unsafe(link_section = "midair_choice")]
extern "C" fn dispatch() {
    naked_asm!(
        ".cfi_startproc",
        // A landing pad: the stub gets here by an indirect branch.
        "hint #34",
        "stp x29, x30, [sp, #-224]!", ".cfi_def_cfa_offset 224",
        ".cfi_offset x29, -224", ".cfi_offset x30, -216",
        "mov x29, sp",
        "stp x0, x1, [sp, #16]",
        "stp x2, x3, [sp, #32]",
        "stp x4, x5, [sp, #48]",
        "stp x6, x7, [sp, #64]",
        "stp x8, x17, [sp, #80]",
        "stp q0, q1, [sp, #96]",
        "stp q2, q3, [sp, #128]",
        "stp q4, q5, [sp, #160]",
        "stp q6, q7, [sp, #192]",
        "mov x0, x17",
        "bl {push}",
        "ldp q6, q7, [sp, #192]",
        "ldp q4, q5, [sp, #160]",
        "ldp q2, q3, [sp, #128]",
        "ldp q0, q1, [sp, #96]",
        "ldp x8, x17, [sp, #80]",
        "ldp x6, x7, [sp, #64]",
        "ldp x4, x5, [sp, #48]",
        "ldp x2, x3, [sp, #32]",
        "ldp x0, x1, [sp, #16]",
        "ldp x29, x30, [sp], #224", ".cfi_def_cfa_offset 0",
        ".cfi_restore x29", ".cfi_restore x30",
        "ldr x16, [x17]",
        "br x16",
        ".cfi_endproc",
        push = sym push_context,
    )
}

/// Bytes of a stub.
pub(in super::super) const STUB: usize = 80;

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
