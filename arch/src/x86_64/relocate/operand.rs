//! Operands relative to RIP.
//!
//! In reach of the copy: the same bytes with another displacement. Out of
//! reach: `lea` becomes `mov` of the address; anything else gets the address in
//! a scratch register that it does not use, saved below the red zone:
//!
//! ```text
//! lea  rsp,[rsp-128]      ; keeps the flags, as sub would not
//! push scratch
//! mov  scratch, address
//! op   …,[scratch+0]
//! pop  scratch
//! lea  rsp,[rsp+128]
//! ```
//!
//! The ModRM byte of the operand is changed from `[rip+disp32]` to
//! `[scratch+disp32]`, so that prefixes, opcode, VEX and EVEX fields stay as
//! they are; the result is decoded again, to see that nothing else changed.

use super::super::decode::{Displaced, decoder, has_segment};
use super::Emitter;
use crate::Reason;
use crate::address::displacement;
use alloc::vec::Vec;
use iced_x86::{
    FlowControl, Instruction, InstructionInfoFactory, MemorySize, Mnemonic, OpKind, Register,
};

/// Bytes below the stack pointer that belong to the function.
const RED_ZONE: i32 = 128;

/// `call` or `jmp` through a segment and an offset in memory.
pub(super) fn is_far_pointer(instruction: &Instruction) -> bool {
    matches!(
        instruction.memory_size(),
        MemorySize::SegPtr16 | MemorySize::SegPtr32 | MemorySize::SegPtr64
    ) && instruction.op0_kind() == OpKind::Memory
}

impl Emitter {
    pub(super) fn operand(&mut self, d: &Displaced, operand: u64) -> Result<(), Reason> {
        let field = d.displacement_offset.ok_or(Reason::InvalidInstruction)?;
        if self.put_in_reach(d.bytes.clone(), field, operand)? {
            return Ok(());
        }
        let instruction = &d.instruction;
        match instruction.mnemonic() {
            Mnemonic::Lea => self.address_in_register(instruction, operand),
            Mnemonic::Jmp if instruction.flow_control() == FlowControl::IndirectBranch => {
                self.jump_through_far(d, operand)
            }
            Mnemonic::Push => self.push_operand(d, operand),
            _ => self.through_scratch(d, field, operand),
        }
    }

    /// Out of reach: `lea r,[rip+…]`.
    fn address_in_register(&mut self, lea: &Instruction, address: u64) -> Result<(), Reason> {
        let register = lea.op0_register();
        let number = register.number() as u8;
        match register.size() {
            8 => {
                self.put(&[0x48 | (number >> 3), 0xb8 | (number & 7)]);
                self.put(&address.to_le_bytes());
            }
            4 => {
                if number > 7 {
                    self.put(&[0x41]);
                }
                self.put(&[0xb8 | (number & 7)]);
                self.put(&(address as u32).to_le_bytes());
            }
            _ => return Err(Reason::OperandOutOfReach { operand: address }),
        }
        Ok(())
    }

    /// Puts `bytes` with the displacement at `field` that leads to `operand`;
    /// `false`, with nothing put, if that is out of reach.
    fn put_in_reach(
        &mut self,
        mut bytes: Vec<u8>,
        field: usize,
        operand: u64,
    ) -> Result<bool, Reason> {
        let end = self.here().wrapping_add(bytes.len() as u64);
        let Some(distance) = displacement(end, operand) else {
            return Ok(false);
        };
        bytes
            .get_mut(field..field + 4)
            .ok_or(Reason::InvalidInstruction)?
            .copy_from_slice(&distance.to_le_bytes());
        self.put(&bytes);
        Ok(true)
    }

    /// Puts `jump`: the call `d`, made a jump through the same `operand`.
    pub(super) fn jump_through(
        &mut self,
        d: &Displaced,
        jump: Vec<u8>,
        operand: u64,
    ) -> Result<(), Reason> {
        let field = d.displacement_offset.ok_or(Reason::InvalidInstruction)?;
        if self.put_in_reach(jump, field, operand)? {
            return Ok(());
        }
        self.jump_through_far(d, operand)
    }

    /// `jmp [operand]` out of reach, keeping all registers and the red zone:
    /// `ret 128` jumps to what was pushed and takes the stack pointer back.
    fn jump_through_far(&mut self, d: &Displaced, operand: u64) -> Result<(), Reason> {
        if has_segment(&d.instruction) {
            return Err(Reason::OperandOutOfReach { operand });
        }
        self.move_stack(-RED_ZONE);
        self.push_rax();
        self.put(&[0x48, 0xb8]); // mov rax, operand
        self.put(&operand.to_le_bytes());
        self.put(&[0x48, 0x8b, 0x00]); // mov rax,[rax]
        self.put(&[0x48, 0x87, 0x04, 0x24]); // xchg [rsp],rax
        self.put(&[0xc2, RED_ZONE as u8, 0]); // ret 128
        Ok(())
    }

    /// Out of reach: `push [rip+…]`, whose own store is the last thing it does.
    fn push_operand(&mut self, d: &Displaced, operand: u64) -> Result<(), Reason> {
        let plain = d.instruction.memory_size().size() == 8 && !has_segment(&d.instruction);
        if !plain {
            return Err(Reason::OperandOutOfReach { operand });
        }
        self.move_stack(-(RED_ZONE + 8));
        self.push_rax();
        self.put(&[0x48, 0xb8]); // mov rax, operand
        self.put(&operand.to_le_bytes());
        self.put(&[0x48, 0x8b, 0x00]); // mov rax,[rax]
        self.put(&[0x48, 0x89, 0x84, 0x24]); // mov [rsp+8+128],rax
        self.put(&(RED_ZONE + 8).to_le_bytes());
        self.put(&[0x58]); // pop rax
        self.lowered(-8);
        self.move_stack(RED_ZONE);
        Ok(())
    }

    fn through_scratch(&mut self, d: &Displaced, field: usize, operand: u64) -> Result<(), Reason> {
        let unable = Reason::OperandOutOfReach { operand };
        let Some((bytes, scratch)) = with_scratch_base(d, field) else {
            return Err(unable);
        };
        let number = scratch.number() as u8;
        let extended: &[u8] = if number > 7 { &[0x41] } else { &[] };
        self.move_stack(-RED_ZONE);
        self.put(extended);
        self.put(&[0x50 | (number & 7)]); // push scratch
        self.borrowed(dwarf_number(scratch));
        self.put(&[0x48 | (number >> 3), 0xb8 | (number & 7)]); // mov scratch, operand
        self.put(&operand.to_le_bytes());
        self.put(&bytes);
        self.put(extended);
        self.put(&[0x58 | (number & 7)]); // pop scratch
        self.lowered(-8);
        self.move_stack(RED_ZONE);
        Ok(())
    }

    /// `lea rsp,[rsp+by]`.
    fn move_stack(&mut self, by: i32) {
        self.put(&[0x48, 0x8d, 0xa4, 0x24]);
        self.put(&by.to_le_bytes());
        self.lowered(-by);
    }

    fn push_rax(&mut self) {
        self.put(&[0x50]);
        self.lowered(8);
    }
}

/// DWARF numbers the first eight registers differently (System V ABI 3.6.2).
fn dwarf_number(register: Register) -> u16 {
    const FIRST: [u16; 8] = [0, 2, 1, 3, 7, 6, 4, 5];
    let number = register.number();
    FIRST.get(number).copied().unwrap_or(number as u16)
}

/// The instruction with `[scratch+0]` for `[rip+disp32]`, and the scratch
/// register: one that it neither reads nor writes.
fn with_scratch_base(d: &Displaced, field: usize) -> Option<(Vec<u8>, Register)> {
    let original = &d.instruction;
    if !matches!(original.flow_control(), FlowControl::Next) {
        return None;
    }
    let mut factory = InstructionInfoFactory::new();
    let used: Vec<Register> = factory
        .info(original)
        .used_registers()
        .iter()
        .map(|u| u.register().full_register())
        .collect();
    if used.contains(&Register::RSP) {
        return None; // the stack pointer is moved around the instruction
    }
    let modrm = field.checked_sub(1)?;
    for low in [0_u8, 1, 2, 3, 6, 7, 5] {
        let mut bytes = d.bytes.clone();
        let byte = bytes.get_mut(modrm)?;
        // mod 10, the register: `[register+disp32]`
        *byte = (*byte & 0b00_111_000) | 0b10_000_000 | low;
        bytes.get_mut(field..field + 4)?.fill(0);
        let rewritten = decoder(&bytes, 0).decode();
        let scratch = rewritten.memory_base();
        if scratch.is_gpr64()
            && scratch != Register::RSP
            && !used.contains(&scratch)
            && same_but_for_base(original, &rewritten, bytes.len())
        {
            return Some((bytes, scratch));
        }
    }
    None
}

/// Whether `rewritten` is `original` with a plain base register.
fn same_but_for_base(original: &Instruction, rewritten: &Instruction, len: usize) -> bool {
    let mut expected = *original;
    expected.set_memory_base(rewritten.memory_base());
    expected.set_memory_displacement64(rewritten.memory_displacement64());
    expected.set_memory_displ_size(rewritten.memory_displ_size());
    expected.set_ip(rewritten.ip());
    expected.set_len(original.len());
    rewritten.len() == len
        && rewritten.memory_displacement64() == 0
        && rewritten.memory_index() == Register::None
        && expected == *rewritten
}
