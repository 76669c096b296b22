//! A [`FrameState`] as call frame information.

use super::frame::{FrameBase, FrameState};
use crate::call_frames::{self, Rules};
use alloc::vec::Vec;

/// No [`section`] has more bytes.
pub const MOST: usize = 96;

const RIP: u8 = 16;
const RSP: u8 = 7;

/// A header and a section `.eh_frame`, to stand at `at`, by which the frame is
/// found in this state at each of the `len` bytes of code at `start`. Where it is
/// unknown the unwinder stops.
pub fn section(at: u64, start: u64, len: u64, state: FrameState) -> Vec<u8> {
    call_frames::section(at, start, len, RIP, &rules(state))
}

fn rules(state: FrameState) -> Rules {
    let Some((base, offset)) = state.cfa() else {
        return Rules::unknown(RSP, RIP);
    };
    let base = match base {
        FrameBase::Rsp => RSP,
        FrameBase::Rbp => 6,
        FrameBase::R10 => 10,
    };
    let mut rules = Rules::at(base, offset);
    rules.saved(RIP.into(), 1);
    for (register, below) in state.saved() {
        rules.saved(register, below / 8);
    }
    rules
}
