//! What may be taken for padding between two functions.
//!
//! Only bytes that belong to no function are ever asked about, and only `int3`
//! and whole no-operations count. Zeros do not: tables in the code are full of
//! them.

use super::INT3;
use super::decode::{decoder, ends_flow};
use crate::{Surroundings, TargetAddress};
use iced_x86::{FlowControl, Mnemonic};

/// The longest instruction.
const LONGEST: usize = 15;

/// Whether all of `bytes`, a gap between two functions, is padding: `int3`
/// bytes and whole no-operations.
///
/// ```
/// use midair_arch::x86_64::is_padding;
/// assert!(is_padding(&[0xcc; 7]));
/// assert!(is_padding(&[0x66, 0x90, 0x0f, 0x1f, 0x40, 0x00])); // xchg ax,ax; nop [rax+0]
/// assert!(!is_padding(&[0x00; 8])); // may be a table
/// assert!(!is_padding(&[0x0f, 0x1f])); // half a nop
/// ```
pub fn is_padding(bytes: &[u8]) -> bool {
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at] == INT3 {
            at += 1;
            continue;
        }
        let instruction = decoder(&bytes[at..], 0).decode();
        // `66 90` is written as `xchg ax,ax`; iced names it nop like the others.
        if instruction.is_invalid() || instruction.mnemonic() != Mnemonic::Nop {
            return false;
        }
        at += instruction.len();
    }
    true
}

/// Whether what stands before the gap at `at` may be the end of a function, so
/// that control does not run on into the gap: glibc's `memcpy_chk` does, through
/// nops into `memcpy`.
///
/// Where the last instruction begins is not known. Any of the last bytes that
/// are an end as a whole will do; a call may be one that does not return, and
/// padding may go on from padding that another patch uses.
pub(super) fn is_behind_an_end(at: TargetAddress, around: &dyn Surroundings) -> bool {
    let read = |len: usize| {
        let start = at.get().checked_sub(len as u64)?;
        around.read(TargetAddress::new(start), len)
    };
    let Some(before) = (1..=LONGEST).rev().find_map(read) else {
        return true; // nothing is in front of it
    };
    (0..before.len()).any(|start| is_end(&before[start..]))
}

fn is_end(bytes: &[u8]) -> bool {
    let instruction = decoder(bytes, 0).decode();
    let may_end = ends_flow(&instruction)
        || matches!(instruction.mnemonic(), Mnemonic::Nop | Mnemonic::Hlt)
        || matches!(
            instruction.flow_control(),
            FlowControl::Call | FlowControl::IndirectCall | FlowControl::Interrupt
        );
    !instruction.is_invalid() && instruction.len() == bytes.len() && may_end
}
