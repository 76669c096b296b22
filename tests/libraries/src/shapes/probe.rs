//! Calls a function and looks whether it kept what the ABI says it keeps: the
//! callee-saved general registers and the stack pointer. Vector registers and
//! flags are not looked at.

use super::machine::{KEPT, call_with_marks};
use std::fmt;

/// Registers that came back changed from a call that must keep them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Disturbed(u64);

impl fmt::Display for Disturbed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the call changed")?;
        for (bit, name) in KEPT.iter().enumerate() {
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
/// it is sound. A function that breaks the frame pointer crashes here.
pub unsafe fn probe(function: *const (), a: u64, b: u64) -> Result<u64, Disturbed> {
    let mut disturbed = 0;
    // SAFETY: the caller vouches for the function; the last argument is ours to write.
    let result = unsafe { call_with_marks(function, a, b, &mut disturbed) };
    match disturbed {
        0 => Ok(result),
        _ => Err(Disturbed(disturbed)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::arch::naked_asm;

    #[cfg(target_arch = "x86_64")]
    #[unsafe(naked)]
    unsafe extern "C" fn changes_two() {
        naked_asm!("inc r13", "dec r15", "ret")
    }

    #[cfg(target_arch = "aarch64")]
    #[unsafe(naked)]
    unsafe extern "C" fn changes_two() {
        naked_asm!("add x20, x20, #1", "sub x28, x28, #1", "ret")
    }

    #[test]
    fn a_changed_register_is_noticed_and_named() {
        // SAFETY: probe restores the registers that the function breaks.
        let result = unsafe { probe(changes_two as *const (), 1, 2) };
        let names = if cfg!(target_arch = "x86_64") {
            "r13 r15"
        } else {
            "x20 x28"
        };
        assert_eq!(
            result.expect_err("two registers changed").to_string(),
            format!("the call changed {names}")
        );
    }
}
