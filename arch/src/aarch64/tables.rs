//! Jump tables: where the indirect jumps of a function may lead.
//!
//! Compilers load an entry of one, two or four bytes, scale it and add it to
//! an address near the jump, or to that of the table:
//!
//! ```text
//! adrp t, T; add t, t, :lo12:T      ; adr t, T in small code
//! ldrb w, [t, i]                    ; ldrh w, [t, i, lsl #1]; ldrsw x, [t, i, lsl #2]
//! adr  b, L
//! add  x, b, w, sxtb #2             ; add x, b, w, uxtw #2; add x, t, x
//! br   x
//! ```
//!
//! Every address that the function takes is read as a table of that kind, up to
//! the first entry that leads out of the function: a superset of the real one.
//! A jump of any other form is not understood, and said to be so.

use super::decode::{Kind, rd, rn};
use crate::{Surroundings, TargetAddress};
use alloc::vec::Vec;

/// No more of a table is read.
const MOST_ENTRIES: u64 = 4096;
/// How far back the instructions that compute a jump's target are looked for.
const HISTORY: usize = 8;

#[derive(Default)]
pub(super) struct Tables {
    addresses: Vec<u64>,
    history: [Option<(u32, Kind)>; HISTORY],
    next: usize,
    jumps: Vec<Jump>,
    unknown: bool,
}

/// How the entries of a jump's table are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Jump {
    /// What is added; none: the table's own address.
    base: Option<u64>,
    width: u8,
    is_signed: bool,
    shift: u32,
}

impl Tables {
    pub(super) fn address_taken(&mut self, address: u64) {
        self.addresses.push(address);
    }

    pub(super) fn seen(&mut self, word: u32, kind: Kind) {
        self.history[self.next % HISTORY] = Some((word, kind));
        self.next += 1;
    }

    /// An indirect jump.
    pub(super) fn jump(&mut self, word: u32) {
        let recent = (1..=HISTORY.min(self.next)).map(|back| (self.next - back) % HISTORY);
        let recent: Vec<(u32, Kind)> = recent.filter_map(|n| self.history[n]).collect();
        match understood(rn(word), &recent) {
            Some(jump) if !self.jumps.contains(&jump) => self.jumps.push(jump),
            Some(_) => {}
            None => self.unknown = true,
        }
    }

    /// Adds the entries of all tables to `targets`; `false` if a jump was not
    /// understood, or no table of it found.
    pub(super) fn resolve(
        mut self,
        around: &dyn Surroundings,
        is_own: &dyn Fn(u64) -> bool,
        targets: &mut Vec<u64>,
    ) -> bool {
        if self.unknown {
            return false;
        }
        self.addresses.sort_unstable();
        self.addresses.dedup();
        let jumps = core::mem::take(&mut self.jumps);
        jumps.into_iter().all(|jump| {
            let known = targets.len();
            let mut ends = true;
            for &table in &self.addresses {
                ends &= jump.read(table, around, is_own, targets);
            }
            ends && targets.len() > known
        })
    }
}

impl Jump {
    /// Reads the table at `table`; `false` if it has no end.
    fn read(
        self,
        table: u64,
        around: &dyn Surroundings,
        is_own: &dyn Fn(u64) -> bool,
        targets: &mut Vec<u64>,
    ) -> bool {
        for index in 0..MOST_ENTRIES {
            let at = table.wrapping_add(index * u64::from(self.width));
            let Some(bytes) = around.read(TargetAddress::new(at), self.width.into()) else {
                return true;
            };
            let mut entry = [0; 8];
            entry[..bytes.len()].copy_from_slice(bytes);
            let unused = 64 - 8 * u32::from(self.width);
            let entry = match self.is_signed {
                true => ((u64::from_le_bytes(entry) << unused) as i64 >> unused) as u64,
                false => u64::from_le_bytes(entry),
            };
            let base = self.base.unwrap_or(table);
            let target = base.wrapping_add(entry << self.shift);
            if !is_own(target) || target & 3 != 0 {
                return true;
            }
            targets.push(target);
        }
        false
    }
}

/// What computed `target`, from the instructions before the jump, the last one
/// first.
fn understood(target: u32, recent: &[(u32, Kind)]) -> Option<Jump> {
    // What comes before a branch or a call is another path's.
    let straight = recent
        .iter()
        .take_while(|(_, kind)| matches!(kind, Kind::Plain | Kind::Address { .. }));
    let mut straight = straight.copied();
    let (add, _) = straight.by_ref().find(|(word, _)| rd(*word) == target)?;
    let rm = (add >> 16) & 31;
    let (shift, extends) = if add & 0xffe0_0000 == 0x8b20_0000 {
        ((add >> 10) & 7, Some((add >> 13) & 7)) // add x, x, w, sxtw #2
    } else if add & 0xffe0_0000 == 0x8b00_0000 {
        ((add >> 10) & 63, None) // add x, x, x, lsl #2
    } else {
        return None;
    };
    let base_register = rn(add);
    let mut base = None;
    let mut load = None;
    for (word, kind) in straight {
        match kind {
            Kind::Address {
                target,
                page: false,
            } if base.is_none() && rd(word) == base_register => base = Some(target),
            _ if load.is_none() && rd(word) == rm => load = Some(word),
            _ => {}
        }
    }
    let load = load?;
    // ldr with a register offset, or without any.
    let is_load = load & 0x3f20_0c00 == 0x3820_0800 || load & 0x3f00_0000 == 0x3900_0000;
    let opc = (load >> 22) & 3;
    let width = match load >> 30 {
        0 => 1,
        1 => 2,
        2 => 4,
        _ => return None,
    };
    if !is_load || opc == 0 || shift > 4 {
        return None;
    }
    // sxtb, sxth, sxtw, sxtx: the load itself may have extended already.
    let is_signed = opc >= 2 || matches!(extends, Some(4..=7));
    let is_table_itself = base.is_none() && rn(load) == base_register;
    (base.is_some() || is_table_itself).then_some(Jump {
        base,
        width,
        is_signed,
        shift,
    })
}
