//! The ladder of jumps: the ways of leaving a function at its entry, best
//! first.
//!
//! A `b` covers one instruction, so no thread can be inside of it. The longer
//! forms cover three or four; they are for a function around which nothing is
//! in reach of a `b`, and have no traps inside: whoever writes them sees to it
//! that no thread is there.

use super::decode::{AUTIASP, Kind};
use super::frame::{self, Frames};
use super::registers::Scratch;
use super::{Analysis, BREAKPOINT, Displaced, JUMP, is_exchangeable, jumps, relocate};
use crate::{CopyAddress, Reason, Refusal, Strategy, Surroundings, TargetAddress};
use alloc::vec::Vec;

/// The ways of leaving a function here, best first.
pub const LADDER: [Strategy; 4] = [
    Strategy::Jump,
    Strategy::LongJump,
    Strategy::LiteralJump,
    Strategy::Breakpoint,
];

/// Instructions from a load-exclusive to its store: 128 bytes.
const MOST_IN_SEQUENCE: usize = 32;

/// One rung of the ladder, for one function.
#[derive(Clone, Debug)]
pub struct Rung {
    /// The way of leaving the function.
    pub strategy: Strategy,
    /// Where it is written.
    pub place: TargetAddress,
    /// Bytes written there.
    pub written: usize,
    /// The instructions that the copy replaces. They may be more than are
    /// written over, and begin before the place: a sequence that must stay
    /// together is copied as a whole, and so is the `paciasp` that stays.
    pub displaced: Vec<Displaced>,
    /// The bytes that stand at `place` now, as many as are written.
    pub existing: Vec<u8>,
    /// The register that gates and stubs of the function may change.
    pub scratch: Scratch,
    /// What the gate executes first, where the landing pad signs the return
    /// address.
    undo: Option<u32>,
}

impl Rung {
    /// Where the function goes on behind the displaced instructions.
    pub fn resume(&self) -> TargetAddress {
        TargetAddress::new(
            self.displaced
                .last()
                .map_or(self.place.get(), Displaced::end),
        )
    }

    /// The offsets from `place`, of bytes that will be written, at which an
    /// instruction of the old code begins (the first one apart).
    pub fn boundaries(&self) -> impl Iterator<Item = usize> + '_ {
        let place = self.place.get();
        let written = self.written;
        self.displaced
            .iter()
            .map(move |d| d.address().wrapping_sub(place) as usize)
            .filter(move |&n| n > 0 && n < written)
    }

    /// How many bytes the gate may be away from `place`, either way; `None` if
    /// it may be anywhere.
    pub fn reach(&self) -> Option<u64> {
        match self.strategy {
            Strategy::Jump => Some(jumps::NEAR_REACH),
            Strategy::LongJump => Some(jumps::LONG_REACH),
            _ => None,
        }
    }

    /// Whether the entry may lead directly to a replacement, without a gate: by
    /// a `b`, and not where the gate has to take a signature off.
    pub fn may_be_straight(&self) -> bool {
        self.undo.is_none() && matches!(self.strategy, Strategy::Jump)
    }

    /// Whether the architecture lets the bytes be exchanged while others
    /// execute them: one word, and the old one as well as the new one in the
    /// list of [`is_exchangeable`]. Back again is the same question.
    pub fn is_exchangeable(&self) -> bool {
        let old = super::decode::word_at(&self.existing, 0);
        self.written == JUMP && old.is_some_and(is_exchangeable)
    }

    /// The bytes at [`Rung::place`] that lead to a gate at `gate`, if that is
    /// in reach.
    pub fn entry_bytes(&self, gate: u64) -> Option<Vec<u8>> {
        let place = self.place.get();
        match self.strategy {
            Strategy::Breakpoint => Some(BREAKPOINT.to_le_bytes().to_vec()),
            Strategy::LongJump => Some(jumps::long(place, gate, self.scratch)?.to_vec()),
            Strategy::LiteralJump => Some(jumps::absolute(gate, self.scratch).to_vec()),
            _ => Some(jumps::near(place, gate)?.to_vec()),
        }
    }

    /// The gate at `at`, through the pointer at `slot`.
    pub fn gate(&self, at: CopyAddress, slot: u64) -> Option<[u8; jumps::GATE]> {
        jumps::gate(at, slot, self.scratch, self.undo)
    }

    /// The frames of the gate.
    pub fn gate_frames(&self) -> Frames<'static> {
        match self.undo {
            None => frame::CALLED,
            Some(AUTIASP) => frame::SIGNED,
            Some(_) => frame::SIGNED_WITH_B,
        }
    }

    /// A stub at `at`, through the pointer at `slot`: what a replacement calls
    /// as the original, while another one is below it.
    pub fn stub(&self, at: CopyAddress, slot: u64) -> Option<[u8; jumps::GATE]> {
        jumps::gate(at, slot, self.scratch, None)
    }
}

impl Analysis {
    /// What `strategy` would take, or why it does not fit this function.
    ///
    /// # Errors
    ///
    /// A [`Refusal`] that names the instruction in the way.
    pub fn rung(&self, strategy: Strategy, _: &dyn Surroundings) -> Result<Rung, Refusal> {
        let written = match strategy {
            Strategy::Jump | Strategy::Breakpoint => JUMP,
            Strategy::LongJump => jumps::LONG,
            Strategy::LiteralJump => jumps::ABSOLUTE,
            _ => return Err(self.refuse(0, Reason::OtherMachine)),
        };
        let skip = i64::from(self.skip);
        if self.scan.reads_itself(written) {
            return Err(self.refuse(skip, Reason::ReadsItself));
        }
        if self.undo.is_some() && self.scan.is_entered_behind_pad {
            return Err(self.refuse(skip, Reason::EnteredBehindSigning));
        }
        if self.room < written {
            let reason = Reason::NoRoom {
                needed: written as u8,
                available: self.room as u8,
            };
            return Err(self.refuse(skip, reason));
        }
        if let Some(target) = self.scan.first_target(written) {
            let target = target as u32 + u32::from(self.skip);
            return Err(self.refuse(target.into(), Reason::BranchIntoSpan { target }));
        }
        let Some(scratch) = self.busy.free() else {
            return Err(self.refuse(skip, Reason::NoFreeRegister));
        };
        Ok(Rung {
            strategy,
            place: self.place(),
            written,
            displaced: self.displaced(written)?,
            existing: self.existing.iter().take(written).copied().collect(),
            scratch,
            undo: self.undo,
        })
    }

    /// Every instruction that begins in the first `written` bytes, and what
    /// belongs to them.
    fn displaced(&self, written: usize) -> Result<Vec<Displaced>, Refusal> {
        let end = u32::from(self.skip) + written as u32;
        let all = &self.instructions;
        let covered = all.iter().take_while(|d| d.end_offset() <= end).count();
        if covered.checked_sub(1).map(|last| all[last].end_offset()) != Some(end) {
            let offset = all.last().map_or(0, Displaced::end_offset);
            return Err(self.refuse(offset.into(), Reason::InvalidInstruction));
        }
        let refuse = |d: &Displaced, reason| {
            let refusal = self.refuse(d.offset.into(), reason);
            Err(refusal.with_instruction(d.text()))
        };
        let Some(count) = with_sequences(all, covered) else {
            return refuse(&all[covered - 1], Reason::TornSequence);
        };
        let displaced = &all[..count];
        match displaced
            .iter()
            .find_map(|d| Some((d, relocate::check(d)?)))
        {
            Some((d, reason)) => refuse(d, reason),
            None => Ok(displaced.to_vec()),
        }
    }
}

/// How many of `all` are copied so that no sequence is torn, if the first
/// `covered` are written over.
///
/// A load-exclusive makes a promise only if its store follows within 128 bytes,
/// with no other access to memory and no indirect branch in between (Arm ARM
/// B2.12.5). So the copy goes on up to the store, and up to the branch behind it
/// that tries again: the loop then runs in the copy as it did in the function.
/// The bytes that are only copied stay as they are for those who enter there.
fn with_sequences(all: &[Displaced], covered: usize) -> Option<usize> {
    let last = all[..covered].last()?;
    if last.kind == Kind::Prefix {
        return (covered < all.len()).then_some(covered + 1);
    }
    let is = |n: usize, kind| all[n].kind == kind;
    let opened = (0..covered).rfind(|&n| is(n, Kind::LoadExclusive));
    let Some(opened) = opened else {
        return Some(covered);
    };
    if (opened..covered).any(|n| is(n, Kind::StoreExclusive)) {
        return Some(covered);
    }
    let limit = all.len().min(opened + MOST_IN_SEQUENCE);
    let straight = (opened..limit).take_while(|&n| !all[n].ends_flow() && !all[n].kind.is_call());
    let store = straight
        .into_iter()
        .find(|&n| is(n, Kind::StoreExclusive))?;
    let tries_again = all.get(store + 1).is_some_and(|d| {
        matches!(d.kind, Kind::Conditional { target, .. }
            if all[..=store].iter().any(|d| d.address() == target))
    });
    Some(store + 1 + usize::from(tries_again))
}
