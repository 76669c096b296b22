//! aarch64: the dispatcher.

use super::push;
use std::arch::naked_asm;

/// Pushes the address in x17 for the calling thread and goes on to the thunk there,
/// with every register that can carry an argument as it was: x0 to x8, and
/// all of v0 to v7.
#[unsafe(naked)]
// Whoever is here is about to enter a closure: `choosing` knows.
#[unsafe(link_section = "midair_choice")]
pub(in super::super) extern "C" fn dispatch() {
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
        push = sym push,
    )
}
