//! Jump tables: where the indirect jumps of a function may lead.
//!
//! Compilers make two kinds: 32-bit entries relative to the table
//! (`lea t,[rip+T]; movsxd i,[t+i*4]; add i,t; jmp i`) and 64-bit addresses
//! (`jmp [T+i*8]`, `lea t,[rip+T]; jmp [t+i*8]`). Every address that the
//! function takes with `lea` is read as both, up to the first entry that leads
//! to no code: a superset of the real table. An indirect jump of any other
//! form is not understood, and said to be so.

use crate::{Surroundings, TargetAddress};
use alloc::vec::Vec;
use iced_x86::{FlowControl, Instruction, Mnemonic, OpKind, Register};

/// No more of a table is read. What is behind its end leads into other
/// functions; if all of this leads into one, the table may be longer.
const MOST_ENTRIES: usize = 4096;
/// How far back the instructions that compute a jump's target are looked for.
const HISTORY: usize = 6;

#[derive(Default)]
pub(super) struct Tables {
    addresses: Vec<u64>,
    absolute: Vec<u64>,
    history: [Instruction; HISTORY],
    next: usize,
    relative_jumps: bool,
    absolute_jumps: bool,
    unknown: bool,
}

impl Tables {
    pub(super) fn address_taken(&mut self, address: u64) {
        self.addresses.push(address);
    }

    pub(super) fn seen(&mut self, instruction: &Instruction) {
        self.history[self.next % HISTORY] = *instruction;
        self.next += 1;
    }

    /// An indirect jump.
    pub(super) fn jump(&mut self, jump: &Instruction) {
        if jump.op0_kind() == OpKind::Memory {
            self.memory_operand(jump);
        } else if jump.op0_kind() == OpKind::Register {
            self.register(jump.op0_register());
        } else {
            self.unknown = true;
        }
    }

    fn memory_operand(&mut self, instruction: &Instruction) {
        let scaled = instruction.memory_index() != Register::None
            && instruction.memory_index_scale() == 8
            && instruction.memory_segment() != Register::FS
            && instruction.memory_segment() != Register::GS;
        if scaled && instruction.memory_base() == Register::None {
            self.absolute.push(instruction.memory_displacement64());
            self.absolute_jumps = true;
        } else if scaled && instruction.memory_displacement64() == 0 {
            self.absolute_jumps = true;
        } else {
            self.unknown = true;
        }
    }

    /// `jmp r`: finds what computed `r`.
    fn register(&mut self, target: Register) {
        let recent: Vec<Instruction> = (1..=HISTORY.min(self.next))
            .map(|back| self.history[(self.next - back) % HISTORY])
            .collect();
        let mut added = None;
        for instruction in &recent {
            if instruction.flow_control() != FlowControl::Next {
                break; // what comes before it is another path's
            }
            if instruction.op0_kind() != OpKind::Register
                || instruction.op0_register().full_register() != target
            {
                continue;
            }
            match (instruction.mnemonic(), added) {
                (Mnemonic::Add, None) if instruction.op1_kind() == OpKind::Register => {
                    added = Some(instruction.op1_register());
                }
                (Mnemonic::Movsxd, Some(base))
                    if instruction.op1_kind() == OpKind::Memory
                        && instruction.memory_base() == base
                        && instruction.memory_index_scale() == 4
                        && instruction.memory_displacement64() == 0 =>
                {
                    self.relative_jumps = true;
                    return;
                }
                (Mnemonic::Mov, None) if instruction.op1_kind() == OpKind::Memory => {
                    return self.memory_operand(instruction);
                }
                _ => break,
            }
        }
        self.unknown = true;
    }

    /// Adds the entries of all tables to `targets`; `false` if a jump was not
    /// understood. A table that never leads into the function (`is_own`) may be
    /// another one's; that of the jump is elsewhere then.
    pub(super) fn resolve(
        mut self,
        around: &dyn Surroundings,
        is_own: &dyn Fn(u64) -> bool,
        targets: &mut Vec<u64>,
    ) -> bool {
        if !(self.relative_jumps || self.absolute_jumps) {
            return !self.unknown;
        }
        self.addresses.sort_unstable();
        self.addresses.dedup();
        let mut found = [false; 2];
        let mut read = |table, width| {
            let known = targets.len();
            read_table(around, table, width, targets);
            let own = targets[known..]
                .iter()
                .filter(|&&target| is_own(target))
                .count();
            self.unknown |= own == MOST_ENTRIES; // and who knows how many more
            own > 0
        };
        if self.relative_jumps {
            for &table in &self.addresses {
                found[0] |= read(table, 4);
            }
        }
        if self.absolute_jumps {
            for &table in self.addresses.iter().chain(&self.absolute) {
                found[1] |= read(table, 8);
            }
        }
        !self.unknown && found[0] == self.relative_jumps && found[1] == self.absolute_jumps
    }
}

/// Reads the entries of the table at `table`.
fn read_table(around: &dyn Surroundings, table: u64, width: u64, targets: &mut Vec<u64>) {
    for index in 0..MOST_ENTRIES as u64 {
        let at = TargetAddress::new(table.wrapping_add(index * width));
        let Some(bytes) = around.read(at, width as usize) else {
            break;
        };
        let target = match <[u8; 4]>::try_from(bytes) {
            Ok(entry) => table.wrapping_add(i64::from(i32::from_le_bytes(entry)) as u64),
            Err(_) => match <[u8; 8]>::try_from(bytes) {
                Ok(entry) => u64::from_le_bytes(entry),
                Err(_) => break,
            },
        };
        if !around.is_code(TargetAddress::new(target)) {
            break;
        }
        targets.push(target);
    }
}
