//! The function that is to be patched, and what its bytes say.

use super::branches::{self, Scan};
use super::decode::{self, Displaced, decoder};
use super::{INT3, JUMP};
use crate::{Function, Reason, Refusal, Surroundings, TargetAddress};
use alloc::vec::Vec;
use iced_x86::Mnemonic;

/// Bytes of `endbr64`.
const ENDBR64: usize = 4;

/// What the bytes of a function say about patching its entry.
#[derive(Clone, Debug)]
pub struct Analysis {
    pub(super) address: TargetAddress,
    /// Bytes before the place of the jump: 4 where `endbr64` stands first.
    pub(super) skip: u8,
    /// Bytes of the body from the place of the jump on.
    pub(super) room: usize,
    /// Proven padding behind the body, into which a short body does not run on.
    pub(super) padding: usize,
    /// The bytes that stand where the jump goes, as many as are known.
    pub(super) existing: Vec<u8>,
    pub(super) instructions: Vec<Displaced>,
    pub(super) scan: Scan,
}

impl Analysis {
    /// Analyses `function`.
    ///
    /// # Errors
    ///
    /// A [`Refusal`] if the first instruction cannot be decoded, or a foreign
    /// breakpoint stands there. Whether a certain form of jump fits is asked
    /// later, of [`Analysis::rung`].
    pub fn of(function: &Function<'_>, around: &dyn Surroundings) -> Result<Self, Refusal> {
        let refuse = |offset, reason| Refusal::new(function.address, offset, reason);
        let address = function.address.get();
        let mut instructions = Vec::new();
        let mut skip = 0;
        let mut room = function.body.len();
        let mut decode = decoder(function.body, address);
        while decode.can_decode() {
            let instruction = decode.decode();
            let offset = instruction.ip().wrapping_sub(address) as usize;
            if instruction.is_invalid() {
                if !instructions.is_empty() {
                    break; // the rungs that need it will see that it is missing
                }
                let reason = if decode.last_error() == iced_x86::DecoderError::NoMoreBytes {
                    Reason::Truncated
                } else {
                    Reason::InvalidInstruction
                };
                return Err(refuse(offset as i64, reason));
            }
            // Compilers make it without further prefixes; with any, it is
            // displaced like all others.
            let is_landing_pad = instruction.mnemonic() == Mnemonic::Endbr64;
            if offset == 0 && is_landing_pad && instruction.len() == ENDBR64 {
                skip = ENDBR64;
                continue;
            }
            instructions.push(Displaced::new(
                function.body,
                function.address,
                &decode,
                instruction,
            ));
            let end = offset + instruction.len();
            if !function.exact && decode::ends_flow(&instruction) {
                room = end;
                break;
            }
            if end >= skip + JUMP {
                break;
            }
        }
        let Some(first) = instructions.first() else {
            return Err(refuse(skip as i64, Reason::Truncated));
        };
        if first.bytes[0] == INT3 {
            return Err(refuse(i64::from(first.offset), Reason::ForeignBreakpoint)
                .with_instruction(first.text()));
        }
        let gap = &function.after[..function.gap.min(function.after.len())];
        // What a body runs on into is no padding. All instructions are known of
        // one that is short enough to need it.
        let ends = room - skip >= JUMP
            || instructions
                .last()
                .is_some_and(|last| last.ends_flow() && last.end_offset() as usize == room);
        let padding = if ends && room == function.body.len() && super::is_padding(gap) {
            gap.len()
        } else {
            0
        };
        let existing = function.body[skip..]
            .iter()
            .chain(function.after)
            .take(2 * JUMP)
            .copied()
            .collect();
        let scan = branches::scan(function, skip as u8, around);
        Ok(Self {
            address: function.address,
            skip: skip as u8,
            room: room - skip,
            padding,
            existing,
            instructions,
            scan,
        })
    }

    /// The function's address.
    pub fn address(&self) -> TargetAddress {
        self.address
    }

    /// Where the jump goes: behind an `endbr64`, else at the entry.
    pub fn place(&self) -> TargetAddress {
        self.address.plus(u64::from(self.skip))
    }

    /// How many branches of the body lead back to the entry: these pass
    /// through the patch like a call.
    pub fn branches_to_entry(&self) -> u32 {
        self.scan.to_entry
    }

    /// Whether every branch that may lead into the prologue is known. If not,
    /// the bytes of a jump at which an instruction of the old code begins have
    /// to be traps ([`Byte::Trap`](super::Byte)).
    pub fn is_complete(&self) -> bool {
        self.scan.complete
    }

    pub(super) fn refuse(&self, offset: i64, reason: Reason) -> Refusal {
        Refusal::new(self.address, offset, reason)
    }
}
