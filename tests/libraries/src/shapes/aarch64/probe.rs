//! Calls a function and looks whether it kept what the ABI says it keeps: x19 to
//! x28 and the stack pointer. Vector registers and flags are not looked at.

use std::arch::naked_asm;
use std::fmt;

/// Registers that came back changed from a call that must keep them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Disturbed(u64);

impl fmt::Display for Disturbed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the call changed")?;
        for bit in (0..11).filter(|bit| self.0 & 1 << bit != 0) {
            match bit {
                10 => write!(f, " sp")?,
                _ => write!(f, " x{}", 19 + bit)?,
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
/// it is sound. A function that breaks x29 crashes here.
pub unsafe fn probe(function: *const (), a: u64, b: u64) -> Result<u64, Disturbed> {
    let mut disturbed = 0;
    // SAFETY: the caller vouches for the function; the last argument is ours to write.
    let result = unsafe { call_with_marks(function, a, b, &mut disturbed) };
    match disturbed {
        0 => Ok(result),
        _ => Err(Disturbed(disturbed)),
    }
}

/// The last argument is where to leave the bits of [`Disturbed`].
#[unsafe(naked)]
unsafe extern "C" fn call_with_marks(
    function: *const (),
    a: u64,
    b: u64,
    disturbed: &mut u64,
) -> u64 {
    naked_asm!(
        ".cfi_startproc",
        "stp x29, x30, [sp, #-112]!",
        ".cfi_def_cfa_offset 112",
        ".cfi_offset x29, -112",
        ".cfi_offset x30, -104",
        "mov x29, sp",
        ".cfi_def_cfa_register x29",
        "stp x19, x20, [sp, #16]",
        ".cfi_offset x19, -96",
        ".cfi_offset x20, -88",
        "stp x21, x22, [sp, #32]",
        ".cfi_offset x21, -80",
        ".cfi_offset x22, -72",
        "stp x23, x24, [sp, #48]",
        ".cfi_offset x23, -64",
        ".cfi_offset x24, -56",
        "stp x25, x26, [sp, #64]",
        ".cfi_offset x25, -48",
        ".cfi_offset x26, -40",
        "stp x27, x28, [sp, #80]",
        ".cfi_offset x27, -32",
        ".cfi_offset x28, -24",
        "str x3, [sp, #96]",
        "mov x8, x0",
        "mov x0, x1",
        "mov x1, x2",
        "mov x19, #0x1919",
        "mov x20, #0x2020",
        "mov x21, #0x2121",
        "mov x22, #0x2222",
        "mov x23, #0x2323",
        "mov x24, #0x2424",
        "mov x25, #0x2525",
        "mov x26, #0x2626",
        "mov x27, #0x2727",
        "mov x28, #0x2828",
        "mov x2, #0x0202",
        "mov x3, #0x0303",
        "mov x4, #0x0404",
        "mov x5, #0x0505",
        "mov x6, #0x0606",
        "mov x7, #0x0707",
        "blr x8",
        "mov x9, #0",
        "mov x10, #0x1919",
        "cmp x19, x10",
        "cset x10, ne",
        "orr x9, x9, x10, lsl #0",
        "mov x10, #0x2020",
        "cmp x20, x10",
        "cset x10, ne",
        "orr x9, x9, x10, lsl #1",
        "mov x10, #0x2121",
        "cmp x21, x10",
        "cset x10, ne",
        "orr x9, x9, x10, lsl #2",
        "mov x10, #0x2222",
        "cmp x22, x10",
        "cset x10, ne",
        "orr x9, x9, x10, lsl #3",
        "mov x10, #0x2323",
        "cmp x23, x10",
        "cset x10, ne",
        "orr x9, x9, x10, lsl #4",
        "mov x10, #0x2424",
        "cmp x24, x10",
        "cset x10, ne",
        "orr x9, x9, x10, lsl #5",
        "mov x10, #0x2525",
        "cmp x25, x10",
        "cset x10, ne",
        "orr x9, x9, x10, lsl #6",
        "mov x10, #0x2626",
        "cmp x26, x10",
        "cset x10, ne",
        "orr x9, x9, x10, lsl #7",
        "mov x10, #0x2727",
        "cmp x27, x10",
        "cset x10, ne",
        "orr x9, x9, x10, lsl #8",
        "mov x10, #0x2828",
        "cmp x28, x10",
        "cset x10, ne",
        "orr x9, x9, x10, lsl #9",
        "mov x10, sp",
        "cmp x10, x29",
        "cset x10, ne",
        "orr x9, x9, x10, lsl #10",
        "mov sp, x29",
        "ldr x10, [sp, #96]",
        "str x9, [x10]",
        "ldp x19, x20, [sp, #16]",
        "ldp x21, x22, [sp, #32]",
        "ldp x23, x24, [sp, #48]",
        "ldp x25, x26, [sp, #64]",
        "ldp x27, x28, [sp, #80]",
        "ldp x29, x30, [sp], #112",
        ".cfi_def_cfa sp, 0",
        "ret",
        ".cfi_endproc",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[unsafe(naked)]
    unsafe extern "C" fn changes_x20_and_x28() {
        naked_asm!("add x20, x20, #1", "sub x28, x28, #1", "ret")
    }

    #[test]
    fn a_changed_register_is_noticed_and_named() {
        // SAFETY: probe restores the registers that the function breaks.
        let result = unsafe { probe(changes_x20_and_x28 as *const (), 1, 2) };
        assert_eq!(
            result.expect_err("two registers changed").to_string(),
            "the call changed x20 x28"
        );
    }
}
