//! What the bytes of a function say about patching its entry.

use super::branches::{self, Scan};
use super::decode::{is_bti, undoes_signing, word_at};
use super::registers::Busy;
use super::{BREAKPOINT, Displaced, WORD, text};
use crate::{Function, Reason, Refusal, Surroundings, TargetAddress};
use alloc::vec::Vec;

/// The longest of the jumps, in instructions.
const LONGEST: usize = 4;
/// How far a load-exclusive may be from its store (Arm ARM B2.12.5), and the
/// branch behind that.
const LONGEST_SEQUENCE: usize = 128 / WORD + 1;

/// Breakpoints of others: gdb's and lldb's, that of the kernel's uprobes.
const FOREIGN: [u32; 2] = [0xd420_0000, 0xd420_00a0];

/// What the bytes of a function say about patching its entry.
#[derive(Clone, Debug)]
pub struct Analysis {
    pub(super) address: TargetAddress,
    /// Bytes before the place of the jump: 4 where a landing pad stands first.
    pub(super) skip: u8,
    /// Bytes of the body from the place of the jump on.
    pub(super) room: usize,
    /// The bytes that stand where the jump goes, as many as are known.
    pub(super) existing: Vec<u8>,
    /// The instructions from the place of the jump on; where the landing pad
    /// signs the return address, from that.
    pub(super) instructions: Vec<Displaced>,
    /// What undoes the signing, where the landing pad does it.
    pub(super) undo: Option<u32>,
    /// What is in use at the place of the jump.
    pub(super) busy: Busy,
    pub(super) scan: Scan,
}

impl Analysis {
    /// Analyses `function`.
    ///
    /// # Errors
    ///
    /// A [`Refusal`] if the first instruction is none, or a foreign breakpoint
    /// stands there. Whether a certain form of jump fits is asked later, of
    /// [`Analysis::rung`].
    pub fn of(function: &Function<'_>, around: &dyn Surroundings) -> Result<Self, Refusal> {
        let refuse = |offset: usize, reason| Refusal::new(function.address, offset as i64, reason);
        let body = function.body;
        let first = word_at(body, 0).ok_or_else(|| refuse(0, Reason::Truncated))?;
        let undo = undoes_signing(first);
        let skip = match is_bti(first) || undo.is_some() {
            true => WORD,
            false => 0,
        };
        let head = word_at(body, skip).ok_or_else(|| refuse(skip, Reason::Truncated))?;
        if FOREIGN.contains(&head) || head == BREAKPOINT {
            let at = function.address.plus(skip as u64).get();
            let refusal = refuse(skip, Reason::ForeignBreakpoint);
            return Err(refusal.with_instruction(text::text(head, at)));
        }
        let busy = Busy::at(function, skip);
        let from = if undo.is_some() { 0 } else { skip };
        let len = (skip - from) + (LONGEST + LONGEST_SEQUENCE) * WORD;
        let at = function.address.plus(from as u64);
        let mut instructions = Displaced::decode_with(&body[from..], at, len, busy);
        for d in &mut instructions {
            d.offset += from as u32;
        }
        if instructions
            .last()
            .is_none_or(|d| d.end_offset() as usize <= skip)
        {
            return Err(refuse(skip, Reason::InvalidInstruction));
        }
        // Of a body whose end is not known, nothing behind the first end of
        // flow is taken for the function's.
        let end = instructions.iter().position(Displaced::ends_flow);
        let room = match end.filter(|_| !function.exact) {
            Some(last) => instructions[last].end_offset() as usize,
            None => body.len(),
        };
        Ok(Self {
            address: function.address,
            skip: skip as u8,
            room: room - skip,
            existing: body[skip..].iter().take(LONGEST * WORD).copied().collect(),
            instructions,
            undo,
            busy,
            scan: branches::scan(function, skip as u8, around),
        })
    }

    /// The function's address.
    pub fn address(&self) -> TargetAddress {
        self.address
    }

    /// Where the jump goes: behind a landing pad, else at the entry.
    pub fn place(&self) -> TargetAddress {
        self.address.plus(u64::from(self.skip))
    }

    /// How many branches of the body lead back to the entry: these pass
    /// through the patch like a call.
    pub fn branches_to_entry(&self) -> u32 {
        self.scan.to_entry
    }

    /// Whether every branch that may lead into the prologue is known. If not,
    /// only what is one word long can be written while others run.
    pub fn is_complete(&self) -> bool {
        self.scan.complete
    }

    pub(super) fn refuse(&self, offset: i64, reason: Reason) -> Refusal {
        Refusal::new(self.address, offset, reason)
    }
}
