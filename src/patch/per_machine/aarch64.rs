//! aarch64: a `b` covers one instruction, so it has no boundaries, and its gate
//! may be anywhere in reach. The longer forms have boundaries and no traps: they
//! are for a process without other threads.

use super::super::locate::read_byte;
use crate::memory::arena::Arena;
use crate::threads::change::Few;
use midair_arch::aarch64::{BREAKPOINT, JUMP, Rung, Scratch, WORD, jumps};
use midair_arch::{Reason, TargetAddress};
use std::ops::Range;

/// No claim is longer.
pub(in super::super) const LONGEST_CLAIM: usize = jumps::ABSOLUTE;

/// The bytes of the program that a rung writes.
pub(in super::super) fn claims(rung: &Rung) -> [Range<usize>; 2] {
    let place = rung.place.get() as usize;
    [place..place + rung.written, place..place]
}

/// Boundaries cannot be made traps.
pub(in super::super) fn check(_: &Rung) -> Result<(), Reason> {
    Err(Reason::NoMemoryInReach)
}

/// No gate has to be at a certain address.
pub(in super::super) fn is_prescribed(_: &Rung, _: bool) -> bool {
    false
}

/// There is no such place.
pub(in super::super) fn place_gate(_: &Rung, _: &mut Arena) -> Option<usize> {
    None
}

/// The entry's bytes that lead to `gate`.
pub(in super::super) fn entry_bytes(rung: &Rung, gate: usize) -> Option<Few> {
    Some(Few::first(rung.written, &rung.entry_bytes(gate as u64)?))
}

/// The entry's bytes that lead to `destination` without a gate, if it is in
/// reach.
pub(in super::super) fn straight(rung: &Rung, destination: usize) -> Option<[u8; JUMP]> {
    jumps::near(rung.place.get(), destination as u64)
}

/// Nothing is put into padding.
pub(in super::super) fn padding_jump(_: &Rung, _: usize) -> Option<(TargetAddress, Few)> {
    None
}

/// Whether the byte at `offset` from `at` is part of a breakpoint, whoever's:
/// compilers put none at the entry of a function.
pub(in super::super) fn is_breakpoint_at(at: usize, offset: usize) -> bool {
    let first = (at + offset) & !(WORD - 1);
    let word = u32::from_le_bytes([0, 1, 2, 3].map(|n| read_byte(first + n)));
    word & 0xffe0_001f == BREAKPOINT & 0xffe0_001f
}

/// Fills up a unit of the arena with breakpoints. They are not midair's own, of
/// which the trap handler knows.
pub(in super::super) fn pad(code: &mut Vec<u8>) {
    const BRK_1: u32 = 0xd420_0020;
    while !code.len().is_multiple_of(16) {
        code.extend(BRK_1.to_le_bytes());
    }
}

/// Whether the branch at the start of `code` is a call: `bl`.
pub(in super::super) fn is_direct_call(code: &[u8]) -> bool {
    code.get(3).is_some_and(|byte| byte >> 2 == 0b10_0101)
}

/// Whether the gate may lead to a choice, which changes x16: not where the
/// function reads that.
pub(in super::super) fn check_choice(rung: &Rung) -> Result<(), Reason> {
    match rung.scratch {
        Scratch::X16 => Ok(()),
        Scratch::X17 => Err(Reason::NoFreeRegister),
    }
}

/// Of what addresses of instructions are multiples.
pub(in super::super) const ALIGNMENT: usize = WORD;
