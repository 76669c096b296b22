//! Relocation: the displaced instructions, made to do the same at another
//! address.
//!
//! An instruction that names no address is copied byte for byte. The others
//! fall into classes, one file each: branches ([`branch`]), calls ([`call`]),
//! operands relative to RIP ([`operand`]). Nothing is re-encoded from a model:
//! the original bytes are kept and only the field in question is changed, and
//! what results is decoded again and compared.
//!
//! The copy keeps every register, the flags and the red zone (128 bytes below
//! the stack pointer, System V ABI 3.2.2). A call pushes the address that it
//! would have pushed in the original, so that return addresses and unwinding
//! are those of the original function; the price is a mispredicted return.

mod branch;
mod call;
mod operand;

use super::decode::{self, Displaced, near_target, rip_operand};
use super::frame::FrameState;
use super::jumps;
use crate::address::displacement;
use crate::{CopyAddress, Reason, Refusal, TargetAddress};
use alloc::vec::Vec;
use iced_x86::{FlowControl, Mnemonic, OpKind, Register};

/// The relocated copy of displaced instructions.
#[derive(Clone, Debug)]
pub struct Relocated {
    /// The code, ending with a jump back unless it cannot be reached.
    pub bytes: Vec<u8>,
    /// For each displaced instruction its address in the function and the
    /// offset of its copy in `bytes`.
    pub map: Vec<(TargetAddress, u32)>,
    /// Where the copy moves the stack pointer by itself.
    pub moves: Vec<Moved>,
    /// The offset behind the last instruction's copy: the jump back, if any.
    pub end: u32,
}

/// The stack pointer of a copy, compared with that of the original.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moved {
    /// From this offset in the copy to that of the next one,
    pub from: u32,
    /// the stack pointer is so many bytes lower than the original's before the
    /// displaced instruction, and
    pub lower: u32,
    /// the value of the register with this DWARF number is on top of the stack,
    /// the register itself being in use for something else.
    pub borrowed: Option<u16>,
}

impl Relocated {
    /// How the frame is to be found at each byte of the copy. `original` says it
    /// for an address in the original function, if no more than the
    /// instructions before it have been executed.
    pub fn frames(
        &self,
        resume: TargetAddress,
        mut original: impl FnMut(TargetAddress) -> FrameState,
    ) -> Vec<(u32, FrameState)> {
        let mut frames = Vec::with_capacity(self.map.len() + self.moves.len() + 1);
        let ends = self.map.iter().skip(1).map(|(_, from)| *from);
        for (&(address, from), end) in self.map.iter().zip(ends.chain([self.end])) {
            let before = original(address);
            frames.push((from, before));
            let moves = self.moves.iter().filter(|m| (from..end).contains(&m.from));
            frames.extend(moves.map(|moved| {
                let lowered = before.lowered(moved.lower);
                let state = moved.borrowed.map_or(lowered, |r| lowered.borrowed(r));
                (moved.from, state)
            }));
        }
        if (self.end as usize) < self.bytes.len() {
            frames.push((self.end, original(resume)));
        }
        frames
    }
}

/// Moves `displaced` to `to`; behind them the copy jumps to `resume`.
///
/// # Errors
///
/// The first instruction that cannot do there what it did, and why.
pub fn relocate(
    function: TargetAddress,
    displaced: &[Displaced],
    resume: TargetAddress,
    to: CopyAddress,
) -> Result<Relocated, Refusal> {
    let mut emitter = Emitter {
        bytes: Vec::with_capacity(64),
        at: to.get(),
        map: Vec::with_capacity(displaced.len()),
        forward: Vec::new(),
        moves: Vec::new(),
        lower: 0,
        start: displaced.first().map_or(0, Displaced::address),
        end: displaced.last().map_or(0, Displaced::end),
    };
    for d in displaced {
        emitter.lower = 0;
        emitter
            .map
            .push((TargetAddress::new(d.address()), emitter.bytes.len() as u32));
        check(d)
            .and_then(|()| emitter.instruction(d))
            .map_err(|reason| {
                Refusal::new(function, i64::from(d.offset), reason).with_instruction(d.text())
            })?;
    }
    let end = emitter.bytes.len() as u32;
    if !displaced.last().is_some_and(Displaced::ends_flow) {
        emitter.jump(resume.get());
    }
    emitter.fix_forward_branches(function)?;
    Ok(Relocated {
        bytes: emitter.bytes,
        map: emitter.map,
        moves: emitter.moves,
        end,
    })
}

/// Whether `displaced` is of a kind that can be relocated at all.
pub(super) fn check(displaced: &Displaced) -> Result<(), Reason> {
    let instruction = &displaced.instruction;
    if decode::is_operand_size_branch(instruction, &displaced.bytes) {
        return Err(Reason::OperandSizeBranch);
    }
    if instruction.memory_base() == Register::EIP {
        return Err(Reason::AddressSizeRip);
    }
    if matches!(
        instruction.op0_kind(),
        OpKind::FarBranch16 | OpKind::FarBranch32
    ) {
        return Err(Reason::FarBranch);
    }
    match instruction.flow_control() {
        FlowControl::IndirectCall => call::check_indirect(instruction),
        FlowControl::IndirectBranch if operand::is_far_pointer(instruction) => {
            Err(Reason::FarBranch)
        }
        _ => Ok(()),
    }
}

/// Where the code of a copy grows.
struct Emitter {
    bytes: Vec<u8>,
    at: u64,
    map: Vec<(TargetAddress, u32)>,
    /// `rel32` fields that lead to displaced instructions not copied yet.
    forward: Vec<(usize, TargetAddress)>,
    moves: Vec<Moved>,
    /// How far the instruction's copy has lowered the stack pointer.
    lower: u32,
    /// The displaced instructions are those from `start` to before `end`.
    start: u64,
    end: u64,
}

impl Emitter {
    fn instruction(&mut self, d: &Displaced) -> Result<(), Reason> {
        let instruction = &d.instruction;
        match instruction.flow_control() {
            FlowControl::Call if near_target(instruction).is_some() => {
                self.call_direct(d);
                return Ok(());
            }
            FlowControl::IndirectCall => return self.call_indirect(d),
            FlowControl::ConditionalBranch
            | FlowControl::UnconditionalBranch
            | FlowControl::XbeginXabortXend => {
                if let Some(target) = near_target(instruction) {
                    self.branch(d, target);
                    return Ok(());
                }
            }
            _ => {}
        }
        match rip_operand(instruction) {
            Some(operand) => self.operand(d, operand),
            None => {
                self.put(&d.bytes);
                Ok(())
            }
        }
    }

    /// The address of the next byte.
    fn here(&self) -> u64 {
        self.at.wrapping_add(self.bytes.len() as u64)
    }

    fn put(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The stack pointer is `by` bytes lower from here on.
    fn lowered(&mut self, by: i32) {
        self.lower = self.lower.wrapping_add_signed(by);
        self.moves.push(Moved {
            from: self.bytes.len() as u32,
            lower: self.lower,
            borrowed: None,
        });
    }

    /// `register` was pushed and is used for something else from here on.
    fn borrowed(&mut self, register: u16) {
        self.lowered(8);
        if let Some(moved) = self.moves.last_mut() {
            moved.borrowed = Some(register);
        }
    }

    /// A jump to `to`, which may be any address of the original program.
    fn jump(&mut self, to: u64) {
        if self.is_displaced(to) {
            self.put(&[0xe9]);
            self.relative_to_copy(to);
        } else {
            let jump = jumps::any(self.here(), to);
            self.put(&jump);
        }
    }

    /// Whether `to` is one of the displaced instructions, so that a branch to
    /// it has to stay in the copy.
    fn is_displaced(&self, to: u64) -> bool {
        to.wrapping_sub(self.start) < self.end.wrapping_sub(self.start)
    }

    /// The `rel32` field of a branch to the copy of the instruction at `to`.
    fn relative_to_copy(&mut self, to: u64) {
        self.forward
            .push((self.bytes.len(), TargetAddress::new(to)));
        self.put(&[0; 4]);
    }

    /// The `rel32` field of a branch to `to`; `false`, with nothing put, if
    /// that is out of reach.
    fn relative(&mut self, to: u64) -> bool {
        if self.is_displaced(to) {
            self.relative_to_copy(to);
            return true;
        }
        match displacement(self.here().wrapping_add(4), to) {
            Some(distance) => {
                self.put(&distance.to_le_bytes());
                true
            }
            None => false,
        }
    }

    fn fix_forward_branches(&mut self, function: TargetAddress) -> Result<(), Refusal> {
        for &(field, target) in &self.forward {
            let offset = target.get().wrapping_sub(function.get());
            let Some(&(_, copy)) = self.map.iter().find(|(address, _)| *address == target) else {
                let reason = Reason::OverlappingCode {
                    target: offset as u32,
                };
                return Err(Refusal::new(function, offset as i64, reason));
            };
            // Both ends lie in one copy of a few dozen bytes.
            let distance = copy as i32 - (field as i32 + 4);
            self.bytes[field..field + 4].copy_from_slice(&distance.to_le_bytes());
        }
        Ok(())
    }
}

/// Whether `mnemonic` is one of `loop`, `loope`, `loopne`, `jrcxz`, `jecxz`.
fn is_counted(mnemonic: Mnemonic) -> bool {
    matches!(
        mnemonic,
        Mnemonic::Loop | Mnemonic::Loope | Mnemonic::Loopne | Mnemonic::Jrcxz | Mnemonic::Jecxz
    )
}
