//! Addresses and literals: `adr`, `adrp`, `ldr`, `ldrsw` and `prfm` of a label.
//!
//! In reach: the same word with another distance. Out of reach: the address by
//! `adrp` and `add`, or by `movz` and `movk`, in the register that the
//! instruction writes; for a literal then a load through it. A vector register
//! holds no address: there x16 or x17 does, if one is free.

use super::super::Displaced;
use super::super::decode::{FIELD_19, NOP, rd};
use super::Emitter;
use crate::Reason;

/// `xzr` as a destination.
const ZERO: u32 = 31;

impl Emitter {
    pub(super) fn address(&mut self, d: &Displaced, target: u64) {
        match rd(d.word) {
            ZERO => self.put(NOP),
            register => self.load_address(target, register),
        }
    }

    pub(super) fn literal(&mut self, d: &Displaced, target: u64) -> Result<(), Reason> {
        if let Some(word) = FIELD_19.with_target(d.word, self.here(), target) {
            self.put(word);
            return Ok(());
        }
        let register = rd(d.word);
        let is_vector = d.word & (1 << 26) != 0;
        // The same of [register], by size and what is loaded.
        let load = match (d.word >> 30, is_vector) {
            (0, false) => 0xb940_0000, // ldr w
            (1, false) => 0xf940_0000, // ldr x
            (2, false) => 0xb980_0000, // ldrsw
            (_, false) => 0xf980_0000, // prfm
            (0, true) => 0xbd40_0000,  // ldr s
            (1, true) => 0xfd40_0000,  // ldr d
            (_, true) => 0x3dc0_0000,  // ldr q
        };
        let is_prefetch = load == 0xf980_0000;
        let holds_address = !is_vector && !is_prefetch && register != ZERO;
        let base = match holds_address {
            true => register,
            false => match d.scratch() {
                Some(scratch) => scratch.number(),
                // A hint may be left out.
                None if is_prefetch => {
                    self.put(NOP);
                    return Ok(());
                }
                None => return Err(Reason::OperandOutOfReach { operand: target }),
            },
        };
        self.load_address(target, base);
        self.put(load | base << 5 | register);
        Ok(())
    }
}
