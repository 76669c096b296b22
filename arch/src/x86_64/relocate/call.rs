//! Calls: the original return address is pushed, then comes a jump.
//!
//! `push imm32` sign-extends; the upper half is stored where it is not the
//! extension. Neither changes a register or a flag. What a call finds below
//! the stack pointer is dead (System V ABI 3.2.2), so the push is where the
//! call's own would be.

use super::super::decode::Displaced;
use super::{Emitter, near_target, operand, rip_operand};
use crate::Reason;
use iced_x86::{Instruction, OpKind, Register};

/// `ff /2` is a near indirect call, `ff /4` the jump of the same form.
const CALL_TO_JUMP: u8 = 0b00_110_000;

pub(super) fn check_indirect(instruction: &Instruction) -> Result<(), Reason> {
    if operand::is_far_pointer(instruction) {
        return Err(Reason::FarBranch);
    }
    let through_stack = instruction.op0_kind() == OpKind::Register
        && instruction.op0_register().full_register() == Register::RSP
        || instruction.op0_kind() == OpKind::Memory
            && (instruction.memory_base().full_register() == Register::RSP);
    if through_stack {
        Err(Reason::StackRelativeCall)
    } else {
        Ok(())
    }
}

impl Emitter {
    pub(super) fn call_direct(&mut self, d: &Displaced) {
        self.push_address(d.end());
        if let Some(target) = near_target(&d.instruction) {
            self.jump(target);
        }
    }

    pub(super) fn call_indirect(&mut self, d: &Displaced) -> Result<(), Reason> {
        self.push_address(d.end());
        // No prefix is ff: the first one is the opcode.
        let opcode = d
            .bytes
            .iter()
            .position(|&b| b == 0xff)
            .ok_or(Reason::InvalidInstruction)?;
        let mut jump = d.bytes.clone();
        *jump.get_mut(opcode + 1).ok_or(Reason::InvalidInstruction)? ^= CALL_TO_JUMP;
        match rip_operand(&d.instruction) {
            Some(operand) => self.jump_through(d, jump, operand),
            None => {
                self.put(&jump);
                Ok(())
            }
        }
    }

    fn push_address(&mut self, address: u64) {
        let [low, high] = [address as u32, (address >> 32) as u32];
        self.put(&[0x68]);
        self.put(&low.to_le_bytes());
        self.lowered(8);
        if i64::from(low as i32) as u64 != address {
            self.put(&[0xc7, 0x44, 0x24, 0x04]); // mov dword [rsp+4], high
            self.put(&high.to_le_bytes());
        }
    }
}
