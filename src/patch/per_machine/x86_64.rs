//! x86-64: boundaries inside of a jump are traps, so the address of a gate may
//! be prescribed.

use super::super::locate::read_byte;
use crate::memory::arena::Arena;
use crate::threads::change::Few;
use midair_arch::x86_64::{Byte, INT3, JUMP, Rung, Strategy, jumps};
use midair_arch::{Reason, TargetAddress};
use std::ops::Range;

/// No claim is longer.
pub(in super::super) const LONGEST_CLAIM: usize = JUMP;

/// The bytes of the program that a rung writes and relies on: at the entry, and
/// in padding.
pub(in super::super) fn claims(rung: &Rung) -> [Range<usize>; 2] {
    let place = rung.place.get() as usize;
    let jump = rung.jump.get() as usize;
    match rung.strategy {
        Strategy::Breakpoint => [place..place + 1, place..place],
        Strategy::ShortJump => [place..place + 2, jump..jump + JUMP],
        _ => [place..place + JUMP, place..place],
    }
}

/// Whether boundaries can be made traps, where no address of a gate does it.
pub(in super::super) fn check(rung: &Rung) -> Result<(), Reason> {
    if rung.strategy == Strategy::ShortJump {
        let bytes = rung.entry_bytes(0).ok_or(Reason::NoPaddingInReach)?;
        if bytes[1] != INT3 {
            return Err(Reason::NoPaddingInReach);
        }
    }
    Ok(())
}

/// Whether the gate has to be at an address that fits the rung's pattern.
pub(in super::super) fn is_prescribed(rung: &Rung, needs_traps: bool) -> bool {
    let is_direct = !matches!(rung.strategy, Strategy::Breakpoint | Strategy::ShortJump);
    is_direct
        && rung.pattern.iter().any(|byte| match byte {
            Byte::Free => false,
            Byte::Trap => needs_traps,
            Byte::Fixed(_) => true,
        })
}

/// A place for a gate whose address makes every boundary a trap.
pub(in super::super) fn place_gate(rung: &Rung, arena: &mut Arena) -> Option<usize> {
    let end = rung.jump.get() as usize + JUMP;
    arena.punned(end, rung.pattern, jumps::GATE).ok()
}

/// The entry's bytes that lead to `gate`.
pub(in super::super) fn entry_bytes(rung: &Rung, gate: usize) -> Option<Few> {
    let first = |bytes: &[u8]| Few::first(rung.written, bytes);
    Some(match rung.strategy {
        Strategy::Breakpoint | Strategy::ShortJump => first(&rung.entry_bytes(gate as u64)?),
        // Without memory of its own: transactions have thousands.
        _ => first(&jumps::near(rung.place.get(), gate as u64)?),
    })
}

/// The entry's bytes that lead to `destination` without a gate, if it is in
/// reach.
pub(in super::super) fn straight(rung: &Rung, destination: usize) -> Option<[u8; JUMP]> {
    jumps::near(rung.place.get(), destination as u64)
}

/// The `jmp rel32` in padding that a short jump leads to, and where it stands.
pub(in super::super) fn padding_jump(rung: &Rung, gate: usize) -> Option<(TargetAddress, Few)> {
    let jump = jumps::near(rung.jump.get(), gate as u64)?;
    Some((rung.jump, Few::first(JUMP, &jump)))
}

/// Whether the byte at `offset` from `at` is, or is part of, a breakpoint.
pub(in super::super) fn is_breakpoint_at(at: usize, offset: usize) -> bool {
    read_byte(at + offset) == INT3
}

/// Fills up a unit of the arena with traps.
pub(in super::super) fn pad(code: &mut Vec<u8>) {
    code.resize(code.len().next_multiple_of(16), INT3);
}

/// Whether the branch at the start of `code` is a call.
pub(in super::super) fn is_direct_call(code: &[u8]) -> bool {
    code.first() == Some(&0xe8)
}

/// Whether the gate may lead to a choice: choices change no register.
pub(in super::super) fn check_choice(_: &Rung) -> Result<(), Reason> {
    Ok(())
}

/// Of what addresses of instructions are multiples.
pub(in super::super) const ALIGNMENT: usize = 1;
