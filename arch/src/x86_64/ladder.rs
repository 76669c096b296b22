//! The ladder of jumps: the ways of leaving a function at its entry, best
//! first.
//!
//! All but the last are `jmp`s. What they ask of memory is said as a pattern
//! of the displacement's four bytes ([`Byte`]): whoever places the gate finds
//! an address for it that fits.

use super::decode::Displaced;
use super::frame::{CALLED, Frames};
use super::function::Analysis;
use super::{INT3, JUMP, is_padding, jumps, padding, relocate};
use crate::{CopyAddress, Reason, Refusal, Strategy, Surroundings, TargetAddress};
use alloc::vec::Vec;

/// Padding is not longer than this: functions are aligned to a cache line at
/// most.
const LONGEST_GAP: u64 = 64;

/// The ways of leaving a function here, best first.
pub const LADDER: [Strategy; 5] = [
    Strategy::Jump,
    Strategy::JumpIntoPadding,
    Strategy::ShortJump,
    Strategy::PunnedJump,
    Strategy::Breakpoint,
];

/// What one byte of a jump's displacement has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Byte {
    /// Anything.
    Free,
    /// An instruction of the old code begins here: a thread that wakes up at
    /// it must trap. May be anything where no thread can.
    Trap,
    /// This byte, which stands there already.
    Fixed(u8),
}

/// One rung of the ladder, for one function.
#[derive(Clone, Debug)]
pub struct Rung {
    /// The way of leaving the function.
    pub strategy: Strategy,
    /// Where it is written.
    pub place: TargetAddress,
    /// Bytes written there: they are the first of the jump.
    pub written: usize,
    /// Where the `rel32` jump stands: `place`, or padding for a short jump.
    pub jump: TargetAddress,
    /// What the displacement of the jump has to look like.
    pub pattern: [Byte; 4],
    /// The instructions that the copy replaces.
    pub displaced: Vec<Displaced>,
    /// The bytes that stand at `place` now, as many as the jump has.
    pub existing: Vec<u8>,
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
            Strategy::Breakpoint => None,
            _ => Some(1 << 31),
        }
    }

    /// Whether the entry may lead directly to a replacement, without a gate.
    pub fn may_be_straight(&self) -> bool {
        matches!(self.strategy, Strategy::Jump | Strategy::JumpIntoPadding)
    }

    /// The gate at `at`, through the pointer at `slot`.
    pub fn gate(&self, at: CopyAddress, slot: u64) -> Option<[u8; jumps::GATE]> {
        jumps::gate(at, slot)
    }

    /// The frames of the gate.
    pub fn gate_frames(&self) -> Frames<'static> {
        CALLED
    }

    /// A stub at `at`, through the pointer at `slot`: what a replacement calls
    /// as the original, while another one is below it.
    pub fn stub(&self, at: CopyAddress, slot: u64) -> Option<[u8; jumps::GATE]> {
        jumps::gate(at, slot)
    }

    /// The bytes at [`Rung::place`] that lead to a gate at `gate`: all of the
    /// bytes of the jump, also those beyond `written`, which stay.
    pub fn entry_bytes(&self, gate: u64) -> Option<Vec<u8>> {
        match self.strategy {
            Strategy::Breakpoint => Some([INT3].to_vec()),
            Strategy::ShortJump => Some(jumps::short(self.place, self.jump)?.to_vec()),
            _ => Some(jumps::near(self.place.get(), gate)?.to_vec()),
        }
    }
}

impl Analysis {
    /// What `strategy` would take, or why it does not fit this function.
    ///
    /// # Errors
    ///
    /// A [`Refusal`] that names the instruction in the way.
    pub fn rung(&self, strategy: Strategy, around: &dyn Surroundings) -> Result<Rung, Refusal> {
        if self.scan.reads_itself {
            return Err(self.refuse(i64::from(self.skip), Reason::ReadsItself));
        }
        match strategy {
            Strategy::Jump if self.room < JUMP => Err(self.no_room(JUMP, self.room)),
            Strategy::Jump => self.jump(strategy, JUMP),
            Strategy::JumpIntoPadding if self.room >= JUMP || self.room + self.padding < JUMP => {
                Err(self.no_room(JUMP, self.room + self.padding))
            }
            Strategy::JumpIntoPadding => self.jump(strategy, self.room),
            Strategy::ShortJump => self.short_jump(around),
            Strategy::PunnedJump => self.punned_jump(),
            Strategy::Breakpoint => self.build(strategy, 1, 1),
            Strategy::LongJump | Strategy::LiteralJump => Err(self.refuse(0, Reason::OtherMachine)),
        }
    }

    fn no_room(&self, needed: usize, available: usize) -> Refusal {
        let reason = Reason::NoRoom {
            needed: needed as u8,
            available: available.min(255) as u8,
        };
        self.refuse(i64::from(self.skip), reason)
    }

    /// A whole `jmp rel32`, of which `own` bytes cover the function.
    fn jump(&self, strategy: Strategy, own: usize) -> Result<Rung, Refusal> {
        self.no_entry_before(JUMP)?;
        self.build(strategy, own, JUMP)
    }

    /// Refuses if control may enter in `1..limit`.
    fn no_entry_before(&self, limit: usize) -> Result<(), Refusal> {
        match self.scan.first_target(limit) {
            None => Ok(()),
            Some(target) => {
                let target = target as u32 + u32::from(self.skip);
                Err(self.refuse(i64::from(target), Reason::BranchIntoSpan { target }))
            }
        }
    }

    fn short_jump(&self, around: &dyn Surroundings) -> Result<Rung, Refusal> {
        let own = self.room.min(2);
        if own + self.padding < 2 {
            return Err(self.no_room(2, own));
        }
        self.no_entry_before(2)?;
        let mut rung = self.build(Strategy::ShortJump, own, 2)?;
        let place = self.place();
        // Asked for with what is around it, so that no nop is cut.
        let reach = TargetAddress::new(place.get().saturating_sub(126 + LONGEST_GAP))
            ..TargetAddress::new(
                place
                    .get()
                    .saturating_add(2 + 127 + JUMP as u64 + LONGEST_GAP),
            );
        let needs_trap = rung.boundaries().next().is_some();
        let mut best = None;
        for gap in around.gaps(reach) {
            if !is_padding(gap.bytes) || !padding::is_behind_an_end(gap.address, around) {
                continue;
            }
            let last = gap.bytes.len().saturating_sub(JUMP - 1) as u64;
            for slot in (0..last).map(|n| gap.address.plus(n)) {
                let Some([_, distance]) = jumps::short(place, slot) else {
                    continue;
                };
                // Padding behind a one-byte function holds the short jump's own
                // end.
                let from_place = slot.get().wrapping_sub(place.get()) as i64;
                if (1 - JUMP as i64..2).contains(&from_place) {
                    continue;
                }
                if !needs_trap || distance == INT3 {
                    rung.jump = slot;
                    return Ok(rung);
                }
                best = best.or(Some(slot));
            }
        }
        match best {
            Some(slot) => {
                rung.jump = slot;
                Ok(rung)
            }
            None => Err(self.refuse(i64::from(self.skip), Reason::NoPaddingInReach)),
        }
    }

    fn punned_jump(&self) -> Result<Rung, Refusal> {
        let own = self.scan.first_target(JUMP).unwrap_or(JUMP).min(self.room);
        if own >= JUMP || self.existing.len() < JUMP {
            return Err(self.no_room(JUMP, self.existing.len()));
        }
        self.build(Strategy::PunnedJump, own, own)
    }

    /// A rung that displaces every instruction that begins in the first `own`
    /// bytes and writes `written`.
    fn build(&self, strategy: Strategy, own: usize, written: usize) -> Result<Rung, Refusal> {
        let skip = u32::from(self.skip);
        let displaced: Vec<Displaced> = self
            .instructions
            .iter()
            .take_while(|d| d.offset - skip < own as u32)
            .cloned()
            .collect();
        let end = displaced.last().map_or(0, |d| d.end_offset() - skip) as usize;
        if end < own {
            // The next instruction could not be decoded.
            let reason = Reason::InvalidInstruction;
            return Err(self.refuse((end as u32 + skip).into(), reason));
        }
        // Displaced instructions may reach further than the bytes written. What
        // enters there finds the old bytes.
        for d in &displaced {
            relocate::check(d).map_err(|reason| {
                self.refuse(i64::from(d.offset), reason)
                    .with_instruction(d.text())
            })?;
        }
        let place = self.place();
        let mut rung = Rung {
            strategy,
            place,
            written,
            jump: place,
            pattern: [Byte::Free; 4],
            displaced,
            existing: self.existing.iter().take(JUMP).copied().collect(),
        };
        if !matches!(strategy, Strategy::ShortJump | Strategy::Breakpoint) {
            for n in written..JUMP {
                rung.pattern[n - 1] = Byte::Fixed(self.existing[n]);
            }
            let boundaries: Vec<usize> = rung.boundaries().collect();
            for n in boundaries {
                rung.pattern[n - 1] = Byte::Trap;
            }
        }
        Ok(rung)
    }
}
