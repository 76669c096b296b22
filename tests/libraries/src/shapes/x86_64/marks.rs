//! A call with a known value in every general register that isn't an argument,
//! and a look at those that it must keep. What a patch inserts in front of a
//! function is seen by this even where the function's result is right.

use std::arch::naked_asm;

/// What is in `rax` when [`probe`](crate::shapes::probe()) calls.
pub const RAX_BEFORE: u64 = 0x0a0a_0a0a_0a0a_0a0a;
/// What is in `r10` when [`probe`](crate::shapes::probe()) calls.
pub const R10_BEFORE: u64 = 0x1010_1010_1010_1010;
/// What is in `r11` when [`probe`](crate::shapes::probe()) calls.
pub const R11_BEFORE: u64 = 0x1111_1111_1111_1111;

/// What the bits that [`call_with_marks`] leaves are about. A function that breaks
/// rbp crashes.
pub(crate) const KEPT: [&str; 6] = ["rbx", "r12", "r13", "r14", "r15", "rsp"];

/// `rdi` function, `rsi` a, `rdx` b, `rcx` where to leave a bit for each of
/// [`KEPT`] that came back changed.
///
/// # Safety
///
/// As for [`probe`](crate::shapes::probe()).
#[unsafe(naked)]
pub(crate) unsafe extern "C" fn call_with_marks(
    function: *const (),
    a: u64,
    b: u64,
    disturbed: &mut u64,
) -> u64 {
    naked_asm!(
        ".cfi_startproc",
        "push rbp",
        ".cfi_def_cfa_offset 16",
        ".cfi_offset rbp, -16",
        "mov rbp, rsp",
        ".cfi_def_cfa_register rbp",
        "push rbx",
        ".cfi_offset rbx, -24",
        "push r12",
        ".cfi_offset r12, -32",
        "push r13",
        ".cfi_offset r13, -40",
        "push r14",
        ".cfi_offset r14, -48",
        "push r15",
        ".cfi_offset r15, -56",
        "push rcx",
        "push rdi",
        "sub rsp, 8",
        "mov rdi, rsi",
        "mov rsi, rdx",
        "movabs rax, {rax}",
        "movabs r10, {r10}",
        "movabs r11, {r11}",
        "mov ebx, 0x0b0b0b0b",
        "mov r12d, 0x12121212",
        "mov r13d, 0x13131313",
        "mov r14d, 0x14141414",
        "mov r15d, 0x15151515",
        "mov edx, 0x0d0d0d0d",
        "mov ecx, 0x0c0c0c0c",
        "mov r8d, 0x08080808",
        "mov r9d, 0x09090909",
        "call [rbp - 56]",
        "xor ecx, ecx",
        "mov edx, 1",
        "cmp rbx, 0x0b0b0b0b",
        "cmovne ecx, edx",
        "lea esi, [rcx + 2]",
        "cmp r12, 0x12121212",
        "cmovne ecx, esi",
        "lea esi, [rcx + 4]",
        "cmp r13, 0x13131313",
        "cmovne ecx, esi",
        "lea esi, [rcx + 8]",
        "cmp r14, 0x14141414",
        "cmovne ecx, esi",
        "lea esi, [rcx + 16]",
        "cmp r15, 0x15151515",
        "cmovne ecx, esi",
        "lea esi, [rcx + 32]",
        "lea rdx, [rbp - 64]",
        "cmp rsp, rdx",
        "cmovne ecx, esi",
        "mov rdx, [rbp - 48]",
        "mov [rdx], rcx",
        "lea rsp, [rbp - 40]",
        "pop r15",
        "pop r14",
        "pop r13",
        "pop r12",
        "pop rbx",
        "pop rbp",
        ".cfi_def_cfa rsp, 8",
        "ret",
        ".cfi_endproc",
        rax = const RAX_BEFORE,
        r10 = const R10_BEFORE,
        r11 = const R11_BEFORE,
    )
}
