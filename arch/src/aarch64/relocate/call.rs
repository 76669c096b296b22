//! Calls: the original return address is put into x30, then comes a jump.

use super::super::Displaced;
use super::super::decode::{rd, rn};
use super::Emitter;
use crate::Reason;

/// The bit by which `blr` differs from `br`, and `blraa` from `braa`.
const LINK: u32 = 1 << 21;
const X30: u32 = 30;

impl Emitter {
    pub(super) fn call_direct(&mut self, d: &Displaced, target: u64) -> Result<(), Reason> {
        self.link(d);
        self.jump(target, d.scratch())
    }

    /// Puts into x30 what the call would have put there.
    fn link(&mut self, d: &Displaced) {
        self.linked.push(4 * self.words.len() as u32 + 4);
        self.load_address(d.end(), X30);
    }

    /// In memory without `PROT_BTI`, where copies are, a `br` is to a landing
    /// pad what a `blr` is.
    pub(super) fn call_indirect(&mut self, d: &Displaced) -> Result<(), Reason> {
        let mut branch = d.word & !LINK;
        let uses_key = d.word & 0x0100_0800 == 0x0100_0800;
        let target_is_x30 = rn(d.word) == X30;
        let key_is_x30 = uses_key && rd(d.word) == X30;
        if target_is_x30 || key_is_x30 {
            let scratch = d.scratch().ok_or(Reason::NoFreeRegister)?.number();
            self.put(0xaa1e_03e0 | scratch); // mov scratch, x30
            if target_is_x30 {
                branch = branch & !(31 << 5) | scratch << 5;
            }
            if key_is_x30 {
                branch = branch & !31 | scratch;
            }
        }
        self.link(d);
        self.put(branch);
        Ok(())
    }
}
