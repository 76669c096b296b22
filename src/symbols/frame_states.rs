//! Call frame information as [`FrameState`]s, where it can be said in them.

use std::ops::Range;
use std::sync::Arc;

#[cfg(target_arch = "aarch64")]
use gimli::AArch64;
use gimli::{CfaRule, Register, RegisterRule, UnwindContext, UnwindTableRow};

use super::call_frames::{OnStack, Tables};
use super::module::Module;
use crate::machine::frame::{CALLEE_SAVED, FrameBase, FrameState};
use crate::threads::machine;

/// Where the DWARF of x86-64 has the return address, and its vector registers.
#[cfg(target_arch = "x86_64")]
const RETURN_ADDRESS: Register = Register(16);
#[cfg(target_arch = "x86_64")]
const FIRST_VECTOR: u16 = 17;
/// Where that of aarch64 has them: x30, and v0.
#[cfg(target_arch = "aarch64")]
const RETURN_ADDRESS: Register = Register(30);
#[cfg(target_arch = "aarch64")]
const FIRST_VECTOR: u16 = 64;

/// How the frame is to be found at the instructions in `code`, which is the
/// module's. Parts about which the file says nothing are left out.
pub(crate) fn frame_states(
    module: &Arc<Module>,
    code: Range<usize>,
) -> Vec<(Range<usize>, FrameState)> {
    let mut states = Vec::new();
    let Some(tables) = Tables::of(module) else {
        return states;
    };
    let (start, end) = (
        module.file_address(code.start).0,
        module.file_address(code.end).0,
    );
    let mut at = start;
    while at < end {
        let Ok(entry) = tables.entry(at) else {
            break;
        };
        let mut context = UnwindContext::<usize, OnStack>::new_in();
        let rows = entry.fde.rows(&entry.section, &entry.bases, &mut context);
        let Ok(mut rows) = rows else {
            break;
        };
        let returns_to = entry.fde.cie().return_address_register();
        while let Ok(Some(row)) = rows.next_row() {
            if row.start_address() >= end {
                break;
            }
            let state = match returns_to {
                RETURN_ADDRESS => state(row),
                _ => None,
            };
            let address = |file: u64| code.start.wrapping_add(file.wrapping_sub(start) as usize);
            let range = address(row.start_address().max(start))..address(row.end_address());
            states.push((range, state.unwrap_or(FrameState::UNKNOWN)));
        }
        let next = entry.fde.end_address();
        if next <= at {
            break;
        }
        at = next;
    }
    states
}

/// One row, if it can be said.
fn state(row: &UnwindTableRow<usize, OnStack>) -> Option<FrameState> {
    let CfaRule::RegisterAndOffset { register, offset } = row.cfa() else {
        return None;
    };
    let mut state = FrameState::at(FrameBase::of(register.0)?, *offset)?;
    for (register, rule) in row.registers() {
        state = match (*register, rule) {
            (_, RegisterRule::SameValue) => state,
            #[cfg(target_arch = "x86_64")]
            (RETURN_ADDRESS, RegisterRule::Offset(-8)) => state,
            #[cfg(target_arch = "aarch64")]
            (AArch64::RA_SIGN_STATE, RegisterRule::Constant(signed)) => state.signed(*signed != 0),
            (Register(number), RegisterRule::Offset(offset)) if CALLEE_SAVED.contains(&number) => {
                state.with_saved(number, offset.checked_neg()?)?
            }
            // Vector registers lead nowhere.
            (Register(FIRST_VECTOR..), _) => state,
            _ => return None,
        };
    }
    match row.register(RETURN_ADDRESS) {
        Some(RegisterRule::Offset(_)) => Some(state),
        // It is where the call has put it.
        None | Some(RegisterRule::SameValue) => machine::RETURN_IN_REGISTER.then_some(state),
        _ => None,
    }
}
