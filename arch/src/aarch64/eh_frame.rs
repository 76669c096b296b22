//! A [`FrameState`] as call frame information.

use super::frame::{FrameBase, FrameState, RETURN};
use crate::call_frames::{self, Rules};
use alloc::vec::Vec;

/// No [`section`] has more bytes.
pub const MOST: usize = 160;

const SP: u8 = 31;

/// The return address is signed from here on (DWARF for AArch64, 4.4.2).
const NEGATE_RA_STATE: u8 = 0x2d;

/// A header and a section `.eh_frame`, to stand at `at`, by which the frame is
/// found in this state at each of the `len` bytes of code at `start`. Where it is
/// unknown the unwinder stops.
pub fn section(at: u64, start: u64, len: u64, state: FrameState) -> Vec<u8> {
    call_frames::section(at, start, len, RETURN as u8, &rules(state))
}

fn rules(state: FrameState) -> Rules {
    let Some((base, offset)) = state.cfa() else {
        return Rules::unknown(SP, RETURN as u8);
    };
    let base = match base {
        FrameBase::Sp => SP,
        FrameBase::X29 => 29,
    };
    let mut rules = Rules::at(base, offset);
    if state.is_signed() {
        rules.instruction(NEGATE_RA_STATE);
    }
    for (register, below) in state.saved() {
        rules.saved(register, below / 8);
    }
    rules
}
