//! Calls a function and looks whether it kept what the ABI says it keeps.
//!
//! Before the call every general register that isn't an argument has a known
//! value; afterwards `rbx`, `rbp`, `r12` to `r15` and `rsp` are compared. What
//! a patch inserts in front of a function is seen by this even where the
//! function's result is right. Vector registers and flags are not looked at.

use std::arch::naked_asm;
use std::fmt;

/// What is in `rax` when [`probe`] calls.
pub const RAX_BEFORE: u64 = 0x0a0a_0a0a_0a0a_0a0a;
/// What is in `r10` when [`probe`] calls.
pub const R10_BEFORE: u64 = 0x1010_1010_1010_1010;
/// What is in `r11` when [`probe`] calls.
pub const R11_BEFORE: u64 = 0x1111_1111_1111_1111;

/// Registers that came back changed from a call that must keep them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Disturbed(u64);

impl fmt::Display for Disturbed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the call changed")?;
        for (bit, name) in ["rbx", "r12", "r13", "r14", "r15", "rsp"]
            .iter()
            .enumerate()
        {
            if self.0 & (1 << bit) != 0 {
                write!(f, " {name}")?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for Disturbed {}

/// Calls `function(a, b)` and returns its result, or the registers it should
/// have kept.
///
/// # Safety
///
/// `function` has the signature `uint64_t (uint64_t, uint64_t)`, and calling
/// it is sound. A function that breaks `rbp` crashes here.
pub unsafe fn probe(function: *const (), a: u64, b: u64) -> Result<u64, Disturbed> {
    let mut disturbed = 0;
    // SAFETY: the caller vouches for the function; the last argument is ours to write.
    let result = unsafe { call_with_marks(function, a, b, &mut disturbed) };
    if disturbed == 0 {
        Ok(result)
    } else {
        Err(Disturbed(disturbed))
    }
}

/// `rdi` function, `rsi` a, `rdx` b, `rcx` where to leave the bits of
/// [`Disturbed`].
#[unsafe(naked)]
unsafe extern "C" fn call_with_marks(
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

#[cfg(test)]
mod tests {
    use super::*;

    #[unsafe(naked)]
    unsafe extern "C" fn changes_r13_and_r15() {
        naked_asm!("inc r13", "dec r15", "ret")
    }

    #[test]
    fn a_changed_register_is_noticed_and_named() {
        // SAFETY: probe restores the registers that the function breaks.
        let result = unsafe { probe(changes_r13_and_r15 as *const (), 1, 2) };
        assert_eq!(
            result.expect_err("two registers changed").to_string(),
            "the call changed r13 r15"
        );
    }
}
