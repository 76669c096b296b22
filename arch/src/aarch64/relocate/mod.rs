//! Relocation: the displaced instructions, made to do the same at another
//! address.
//!
//! An instruction that does not know its own address is copied as it is. The
//! others fall into classes, one file each: branches ([`branch`]), calls
//! ([`call`]), addresses and literals ([`operand`]). In reach, only the distance
//! in the word changes.
//!
//! The copy keeps every register but the one that a far branch needs, and the
//! flags. A call puts the address into x30 that it would have put there in the
//! original, so that return addresses and unwinding are those of the original
//! function; the price is a mispredicted return.

mod branch;
mod call;
mod operand;

use super::Displaced;
use super::decode::{B, FIELD_26, Field, Kind, Refused};
use super::frame::FrameState;
use super::jumps;
use super::registers::Scratch;
use crate::{CopyAddress, Reason, Refusal, TargetAddress};
use alloc::vec::Vec;

/// No copy is longer than this many bytes: an exclusive sequence of 128 bytes
/// in which every instruction takes the longest form, and the jump back.
pub const MOST_COPY: usize = 1024;

/// The relocated copy of displaced instructions.
#[derive(Clone, Debug)]
pub struct Relocated {
    /// The code, ending with a jump back unless it cannot be reached.
    pub bytes: Vec<u8>,
    /// For each displaced instruction its address in the function and the
    /// offset of its copy in `bytes`.
    pub map: Vec<(TargetAddress, u32)>,
    /// From these offsets on to the next instruction's copy x30 is no longer what
    /// it is in the original before the instruction: a call puts its own there.
    pub linked: Vec<u32>,
    /// The offset behind the last instruction's copy: the jump back, if any.
    pub end: u32,
}

impl Relocated {
    /// How the frame is to be found at each byte of the copy. `original` says it
    /// for an address in the original function, if no more than the
    /// instructions before it have been executed. A copy moves the stack pointer
    /// where its original does and nowhere else.
    pub fn frames(
        &self,
        resume: TargetAddress,
        mut original: impl FnMut(TargetAddress) -> FrameState,
    ) -> Vec<(u32, FrameState)> {
        let mut frames = Vec::with_capacity(self.map.len() + self.linked.len() + 1);
        let ends = self.map.iter().skip(1).map(|(_, from)| *from);
        for (&(address, from), end) in self.map.iter().zip(ends.chain([self.end])) {
            let before = original(address);
            frames.push((from, before));
            let linked = self.linked.iter().filter(|at| (from..end).contains(at));
            frames.extend(linked.map(|&at| (at, before.without_link())));
        }
        if (self.end as usize) < self.bytes.len() {
            frames.push((self.end, original(resume)));
        }
        frames
    }
}

/// Moves `displaced` to `to`; behind them the copy jumps to `resume`.
///
/// # Errors
///
/// The first instruction that cannot do there what it did, and why.
pub fn relocate(
    function: TargetAddress,
    displaced: &[Displaced],
    resume: TargetAddress,
    to: CopyAddress,
) -> Result<Relocated, Refusal> {
    let mut emitter = Emitter {
        words: Vec::with_capacity(16),
        at: to.get(),
        map: Vec::with_capacity(displaced.len()),
        inner: Vec::new(),
        linked: Vec::new(),
        start: displaced.first().map_or(0, Displaced::address),
        end: displaced.last().map_or(0, Displaced::end),
    };
    for d in displaced {
        let offset = 4 * emitter.words.len() as u32;
        emitter.map.push((TargetAddress::new(d.address()), offset));
        check(d)
            .map_or_else(|| emitter.instruction(d), Err)
            .map_err(|reason| {
                Refusal::new(function, i64::from(d.offset), reason).with_instruction(d.text())
            })?;
    }
    let end = 4 * emitter.words.len() as u32;
    // A call returns to the original, wherever it stands.
    if let Some(last) = displaced.last()
        && !last.ends_flow()
        && !last.kind.is_call()
    {
        let resumed = emitter.jump(resume.get(), last.scratch());
        resumed.map_err(|reason| Refusal::new(function, i64::from(last.end_offset()), reason))?;
    }
    emitter.fix_inner_branches(function)?;
    let words = emitter.words.iter();
    Ok(Relocated {
        bytes: words.flat_map(|word| word.to_le_bytes()).collect(),
        map: emitter.map,
        linked: emitter.linked,
        end,
    })
}

/// Why `displaced` is of a kind that cannot be relocated at all, if it is.
pub(super) fn check(displaced: &Displaced) -> Option<Reason> {
    match displaced.kind {
        Kind::Fixed(refused) => Some(Refused::reason(refused)),
        _ => None,
    }
}

/// Where the code of a copy grows.
struct Emitter {
    words: Vec<u32>,
    at: u64,
    map: Vec<(TargetAddress, u32)>,
    /// Branches that lead to displaced instructions, as indices of words.
    inner: Vec<(usize, Field, TargetAddress)>,
    linked: Vec<u32>,
    /// The displaced instructions are those from `start` to before `end`.
    start: u64,
    end: u64,
}

impl Emitter {
    fn instruction(&mut self, d: &Displaced) -> Result<(), Reason> {
        match d.kind {
            Kind::Branch { target } => self.jump(target, d.scratch()),
            Kind::Conditional { target, field } => self.conditional(d, target, field),
            Kind::Call { target } => self.call_direct(d, target),
            Kind::IndirectCall => self.call_indirect(d),
            Kind::Address { target, .. } => {
                self.address(d, target);
                Ok(())
            }
            Kind::Literal { target, .. } => self.literal(d, target),
            Kind::Fixed(refused) => Err(refused.reason()),
            Kind::Plain
            | Kind::IndirectBranch
            | Kind::Return
            | Kind::LoadExclusive
            | Kind::StoreExclusive
            | Kind::Prefix => {
                self.put(d.word);
                Ok(())
            }
        }
    }

    /// The address of the next word.
    fn here(&self) -> u64 {
        self.at.wrapping_add(4 * self.words.len() as u64)
    }

    fn put(&mut self, word: u32) {
        self.words.push(word);
    }

    /// A jump to `to`, which may be any address of the original program. Far
    /// ones are returns, for which no landing pad is needed.
    fn jump(&mut self, to: u64, scratch: Option<Scratch>) -> Result<(), Reason> {
        if self.is_displaced(to) {
            self.inner_branch(B, FIELD_26, to);
        } else if let Some(branch) = FIELD_26.with_target(B, self.here(), to) {
            self.put(branch);
        } else {
            let register = scratch.ok_or(Reason::NoFreeRegister)?.number();
            self.load_address(to, register);
            self.put(RET | register << 5);
        }
        Ok(())
    }

    /// `branch` to the copy of the instruction at `to`.
    fn inner_branch(&mut self, branch: u32, field: Field, to: u64) {
        let to = TargetAddress::new(to);
        self.inner.push((self.words.len(), field, to));
        self.put(branch);
    }

    fn load_address(&mut self, value: u64, register: u32) {
        let words = jumps::load_address(self.here(), value, register);
        self.words.extend(words);
    }

    /// Whether `to` is one of the displaced instructions, so that a branch to
    /// it has to stay in the copy.
    fn is_displaced(&self, to: u64) -> bool {
        to.wrapping_sub(self.start) < self.end.wrapping_sub(self.start)
    }

    fn fix_inner_branches(&mut self, function: TargetAddress) -> Result<(), Refusal> {
        for &(index, field, target) in &self.inner {
            let copy = self.map.iter().find(|(address, _)| *address == target);
            let from = 4 * index as u64;
            // Both ends lie in one copy of a few hundred bytes.
            let branch =
                copy.and_then(|(_, to)| field.with_target(self.words[index], from, u64::from(*to)));
            let Some(branch) = branch else {
                let offset = target.get().wrapping_sub(function.get());
                let reason = Reason::OverlappingCode {
                    target: offset as u32,
                };
                return Err(Refusal::new(function, offset as i64, reason));
            };
            self.words[index] = branch;
        }
        Ok(())
    }
}

/// `ret`, with the register in its second field.
const RET: u32 = 0xd65f_0000;
