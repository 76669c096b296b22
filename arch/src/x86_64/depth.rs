//! How deep the stack is at an instruction, from the code alone.
//!
//! A function that keeps its frame by rbp tells an unwinder "CFA is rbp+16",
//! which is of no use where rbp is unknown. But most such functions move rsp by
//! constants only. So all ways from the entry are followed, with the number of
//! bytes between rsp and the return address; where two ways disagree, or rsp is
//! moved by what is not a constant, nothing is known from there on.
//!
//! Where jump tables lead is not followed: what only they reach is unknown. A
//! call is taken to leave rsp as it was.

use crate::TargetAddress;
use alloc::vec;
use alloc::vec::Vec;
use iced_x86::{Decoder, DecoderOptions, FlowControl, Instruction, Mnemonic, OpKind, Register};

/// Larger functions are not looked at.
const LARGEST: usize = 1 << 20;

/// What is known about rsp before an instruction.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Depth {
    /// No way leads here, so far.
    Unreached,
    /// So many bytes below the return address.
    Bytes(u32),
    /// Ways disagree, or it is no constant.
    Unknown,
}

/// The bytes between rsp and the return address when the instruction at `pc` is
/// next; none if the code does not tell. `code` is one function, with its entry
/// at `at`.
///
/// ```
/// use midair_arch::{TargetAddress, x86_64::stack_depth};
///
/// // push rbp; mov rbp,rsp; sub rsp,0x20; call ..; leave; ret
/// let code = b"\x55\x48\x89\xe5\x48\x83\xec\x20\xe8\0\0\0\0\xc9\xc3";
/// assert_eq!(stack_depth(code, TargetAddress::new(0x1000), 0x100d), Some(0x28));
/// ```
#[must_use]
pub fn stack_depth(code: &[u8], at: TargetAddress, pc: u64) -> Option<u64> {
    let start = at.get();
    let wanted = usize::try_from(pc.checked_sub(start)?).ok()?;
    if code.len() > LARGEST || wanted >= code.len() {
        return None;
    }
    let mut depths = vec![Depth::Unreached; code.len()];
    depths[0] = Depth::Bytes(0);
    let mut ways: Vec<usize> = vec![0];
    let mut decoder = Decoder::with_ip(64, code, start, DecoderOptions::NONE);
    while let Some(mut offset) = ways.pop() {
        // Straight on, until something is reached that is known already.
        loop {
            if decoder.set_position(offset).is_err() {
                break;
            }
            decoder.set_ip(start.wrapping_add(offset as u64));
            let instruction = decoder.decode();
            if instruction.is_invalid() {
                break;
            }
            let after = after(&instruction, depths[offset]);
            let mut reach = |target: u64| {
                let target = usize::try_from(target.checked_sub(start)?).ok()?;
                let place = depths.get_mut(target)?;
                let joined = join(*place, after);
                let is_new = joined != *place;
                *place = joined;
                is_new.then_some(target)
            };
            let next = match instruction.flow_control() {
                FlowControl::Next | FlowControl::Call | FlowControl::IndirectCall => {
                    reach(instruction.next_ip())
                }
                FlowControl::ConditionalBranch => {
                    ways.extend(reach(instruction.near_branch_target()));
                    reach(instruction.next_ip())
                }
                FlowControl::UnconditionalBranch => reach(instruction.near_branch_target()),
                _ => None,
            };
            match next {
                Some(next) => offset = next,
                None => break,
            }
        }
    }
    match depths[wanted] {
        Depth::Bytes(bytes) => Some(u64::from(bytes)),
        Depth::Unreached | Depth::Unknown => None,
    }
}

fn join(one: Depth, other: Depth) -> Depth {
    match (one, other) {
        (Depth::Unreached, depth) | (depth, Depth::Unreached) => depth,
        (one, other) if one == other => one,
        _ => Depth::Unknown,
    }
}

/// The depth after the instruction.
fn after(instruction: &Instruction, before: Depth) -> Depth {
    let Depth::Bytes(bytes) = before else {
        return before;
    };
    let Some(grows) = grows(instruction) else {
        return Depth::Unknown;
    };
    let after = i64::from(bytes).checked_add(grows);
    after
        .and_then(|bytes| u32::try_from(bytes).ok())
        .map_or(Depth::Unknown, Depth::Bytes)
}

/// By how many bytes it lowers rsp; none if that is no constant.
fn grows(instruction: &Instruction) -> Option<i64> {
    let is_stack = |operand: u32| {
        instruction.op_kind(operand) == OpKind::Register
            && instruction.op_register(operand).full_register() == Register::RSP
    };
    let constant = || instruction.try_immediate(1).ok().map(|value| value as i64);
    let on_rsp = instruction.op_count() > 0 && is_stack(0);
    match instruction.mnemonic() {
        // What a call pushes, its return takes off.
        Mnemonic::Call | Mnemonic::Syscall => Some(0),
        Mnemonic::Push => Some(-i64::from(instruction.stack_pointer_increment())),
        Mnemonic::Leave | Mnemonic::Enter => None,
        Mnemonic::Cmp | Mnemonic::Test => Some(0),
        Mnemonic::Xchg | Mnemonic::Xadd if on_rsp || is_stack(1) => None,
        Mnemonic::Sub if on_rsp && instruction.op0_register() == Register::RSP => constant(),
        Mnemonic::Add if on_rsp && instruction.op0_register() == Register::RSP => {
            constant()?.checked_neg()
        }
        Mnemonic::Lea if instruction.op0_register() == Register::RSP => {
            let from_rsp = instruction.memory_base() == Register::RSP
                && instruction.memory_index() == Register::None;
            let distance = instruction.memory_displacement64() as i64;
            from_rsp.then(|| distance.checked_neg()).flatten()
        }
        _ if on_rsp => None,
        _ => Some(-i64::from(instruction.stack_pointer_increment())),
    }
}
