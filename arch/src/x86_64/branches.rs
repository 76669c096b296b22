//! The scan of a whole body for control that enters the bytes of a jump.
//!
//! A linear sweep: every direct branch, call, `lea` and constant that names an
//! address inside of the window behind the place of the jump, every entry point
//! that others know there, and the jump tables ([`super::tables`]). The sweep may
//! report too much, never too little, as long as it stays `complete`: it is
//! not where bytes do not decode, or to AMD in another way than to Intel, an
//! indirect jump is not understood, a branch leaves the function (a cold part
//! may come back), or the extent is a guess.

use super::decode::{self, constant_operand, decoder, near_target, rip_operand};
use super::{JUMP, tables};
use crate::{Function, Surroundings, TargetAddress};
use alloc::vec::Vec;
use iced_x86::{FlowControl, Instruction, Mnemonic, OpKind};

/// How many bytes behind the place of the jump are watched.
pub(super) const WINDOW: u64 = 16;

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Scan {
    /// Bit `n`: control may enter at `n` bytes behind the place of the jump.
    targets: u16,
    /// Bit `n`: an instruction begins there.
    boundaries: u16,
    /// Branches to the entry itself.
    pub(super) to_entry: u32,
    /// The function reads the bytes that a jump would cover.
    pub(super) reads_itself: bool,
    /// Nothing can have been missed.
    pub(super) complete: bool,
}

impl Scan {
    /// The first place of `1..limit` where control may enter.
    pub(super) fn first_target(&self, limit: usize) -> Option<usize> {
        (1..limit.min(WINDOW as usize)).find(|&n| self.targets & (1 << n) != 0)
    }

    fn mark(&mut self, place: u64, target: u64) {
        let distance = target.wrapping_sub(place);
        if (1..WINDOW).contains(&distance) {
            self.targets |= 1 << distance;
        }
    }

    /// Marks the addresses that `instruction` takes, since they may be jumped
    /// to (code that is not position-independent takes them as constants), and
    /// sees whether it reads the bytes of the jump.
    fn mark_operands(&mut self, place: u64, instruction: &Instruction) {
        for kind in instruction.op_kinds() {
            match kind {
                OpKind::Immediate32 => self.mark(place, u64::from(instruction.immediate32())),
                OpKind::Immediate32to64 => {
                    self.mark(place, instruction.immediate32to64() as u64);
                }
                OpKind::Immediate64 => self.mark(place, instruction.immediate64()),
                _ => {}
            }
        }
        let Some(operand) = constant_operand(instruction) else {
            return;
        };
        if instruction.mnemonic() == Mnemonic::Lea {
            self.mark(place, operand);
        } else {
            // It may begin before the jump, or within it.
            let size = instruction.memory_size().size().max(1) as u64;
            self.reads_itself |=
                place.wrapping_sub(operand) < size || operand.wrapping_sub(place) < JUMP as u64;
        }
    }
}

pub(super) fn scan(function: &Function<'_>, skip: u8, around: &dyn Surroundings) -> Scan {
    let entry = function.address.get();
    let place = entry.wrapping_add(u64::from(skip));
    let is_own = |at: u64| at.wrapping_sub(entry) < function.body.len() as u64;
    let mut scan = Scan {
        complete: function.exact,
        ..Scan::default()
    };
    if !function.exact {
        // What is readable may be megabytes of other functions.
        scan_prefix(function, place, &mut scan);
        return scan;
    }
    scan.complete = around.knows_all_branches();
    let window = TargetAddress::new(place)..TargetAddress::new(place.saturating_add(WINDOW));
    for other in around.entries(window) {
        scan.mark(place, other.get());
    }
    let mut tables = tables::Tables::default();
    let mut decode = decoder(function.body, entry);
    let mut instruction = Instruction::default();
    while decode.can_decode() {
        decode.decode_out(&mut instruction);
        if instruction.is_invalid() {
            scan.complete = false;
            continue;
        }
        let from_place = instruction.ip().wrapping_sub(place);
        if from_place < WINDOW {
            scan.boundaries |= 1 << from_place;
        }
        scan.mark_operands(place, &instruction);
        if instruction.mnemonic() == Mnemonic::Lea
            && let Some(address) = rip_operand(&instruction)
        {
            tables.address_taken(address);
        }
        let start = instruction.ip().wrapping_sub(entry) as usize;
        let bytes = &function.body[start..start + instruction.len()];
        if decode::is_operand_size_branch(&instruction, bytes) {
            scan.complete = false; // to AMD the next one begins elsewhere
        }
        match instruction.flow_control() {
            FlowControl::Next | FlowControl::Interrupt => {}
            FlowControl::Return => {
                // `iret` and its kin lead anywhere.
                scan.complete &= instruction.mnemonic() == Mnemonic::Ret;
            }
            FlowControl::IndirectBranch => tables.jump(&instruction),
            FlowControl::IndirectCall => {
                // Its return address is entered when the callee is done.
                scan.mark(place, instruction.next_ip());
            }
            flow => {
                if let Some(target) = near_target(&instruction) {
                    scan.mark(place, target);
                    if flow == FlowControl::Call {
                        scan.mark(place, instruction.next_ip());
                    } else {
                        scan.complete &= is_own(target);
                        scan.to_entry += u32::from(target == entry || target == place);
                    }
                }
            }
        }
        tables.seen(&instruction);
    }
    let mut targets: Vec<u64> = Vec::new();
    scan.complete &= tables.resolve(around, &is_own, &mut targets);
    for target in targets {
        // A table is read on behind its end. What leads into the middle of an
        // instruction is no entry of it: compilers' tables lead to labels.
        let from_place = target.wrapping_sub(place);
        if from_place < WINDOW && scan.boundaries & (1 << from_place) == 0 {
            continue;
        }
        scan.mark(place, target);
        if target == entry || target == place {
            scan.to_entry += 1;
        }
    }
    scan
}

/// Calls `each` with the place and the target of every direct near branch and
/// call in `code`, which is at `at`. Bytes that are no instruction are skipped.
pub fn near_branches(
    code: &[u8],
    at: TargetAddress,
    mut each: impl FnMut(TargetAddress, TargetAddress),
) {
    let mut decode = decoder(code, at.get());
    let mut instruction = Instruction::default();
    while decode.can_decode() {
        decode.decode_out(&mut instruction);
        if let Some(target) = near_target(&instruction) {
            each(
                TargetAddress::new(instruction.ip()),
                TargetAddress::new(target),
            );
        }
    }
}

/// The first instructions only: enough to see loops within a short prologue
/// and the returns of its own calls.
fn scan_prefix(function: &Function<'_>, place: u64, scan: &mut Scan) {
    let near = &function.body[..function.body.len().min(64)];
    for instruction in &mut decoder(near, function.address.get()) {
        if instruction.is_invalid() {
            break;
        }
        scan.mark_operands(place, &instruction);
        if let Some(target) = near_target(&instruction) {
            scan.mark(place, target);
        }
        if matches!(
            instruction.flow_control(),
            FlowControl::Call | FlowControl::IndirectCall
        ) {
            scan.mark(place, instruction.next_ip());
        }
        if super::decode::ends_flow(&instruction) {
            break;
        }
    }
}
