//! x86-64: the dispatcher.

use super::push;

/// Pushes the address in r11 for the calling thread and goes on to the thunk there,
/// with every register that can carry an argument as it was.
#[unsafe(naked)]
// Whoever is here is about to enter a closure: `choosing` knows.
#[unsafe(link_section = "midair_choice")]
pub(in super::super) extern "C" fn dispatch() {
    core::arch::naked_asm!(
        ".cfi_startproc",
        "push rdi", ".cfi_adjust_cfa_offset 8", "push rsi", ".cfi_adjust_cfa_offset 8",
        "push rdx", ".cfi_adjust_cfa_offset 8", "push rcx", ".cfi_adjust_cfa_offset 8",
        "push r8", ".cfi_adjust_cfa_offset 8", "push r9", ".cfi_adjust_cfa_offset 8",
        "push rax", ".cfi_adjust_cfa_offset 8", "push r10", ".cfi_adjust_cfa_offset 8",
        "push r11", ".cfi_adjust_cfa_offset 8",
        "sub rsp, 128", ".cfi_adjust_cfa_offset 128",
        "movups [rsp], xmm0", "movups [rsp+16], xmm1",
        "movups [rsp+32], xmm2", "movups [rsp+48], xmm3",
        "movups [rsp+64], xmm4", "movups [rsp+80], xmm5",
        "movups [rsp+96], xmm6", "movups [rsp+112], xmm7",
        "mov rdi, r11",
        "call {push}",
        "movups xmm0, [rsp]", "movups xmm1, [rsp+16]",
        "movups xmm2, [rsp+32]", "movups xmm3, [rsp+48]",
        "movups xmm4, [rsp+64]", "movups xmm5, [rsp+80]",
        "movups xmm6, [rsp+96]", "movups xmm7, [rsp+112]",
        "add rsp, 128", ".cfi_adjust_cfa_offset -128",
        "pop r11", ".cfi_adjust_cfa_offset -8", "pop r10", ".cfi_adjust_cfa_offset -8",
        "pop rax", ".cfi_adjust_cfa_offset -8", "pop r9", ".cfi_adjust_cfa_offset -8",
        "pop r8", ".cfi_adjust_cfa_offset -8", "pop rcx", ".cfi_adjust_cfa_offset -8",
        "pop rdx", ".cfi_adjust_cfa_offset -8", "pop rsi", ".cfi_adjust_cfa_offset -8",
        "pop rdi", ".cfi_adjust_cfa_offset -8",
        "jmp [r11]",
        ".cfi_endproc",
        push = sym push,
    )
}
