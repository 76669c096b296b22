//! The jumps that midair writes, as bytes. None changes a flag.

use super::decode::{B, FIELD_26, NOP};
use super::registers::Scratch;
use crate::CopyAddress;
use alloc::vec::Vec;

/// Bytes of a gate.
pub const GATE: usize = 16;

/// Bytes of `adrp`, `add`, `br`.
pub const LONG: usize = 12;

/// Bytes of `ldr`, `br` and an address.
pub const ABSOLUTE: usize = 16;

/// How far a `b` reaches: 128 MB either way.
pub const NEAR_REACH: u64 = 128 << 20;

/// How far `adrp` reaches: 4 GB either way.
pub const LONG_REACH: u64 = 4 << 30;

/// `b` at `at` to `to`, if it is in reach.
pub fn near(at: u64, to: u64) -> Option<[u8; 4]> {
    Some(FIELD_26.with_target(B, at, to)?.to_le_bytes())
}

/// `adrp`, `add` and `br` at `at` to `to`, if it is in reach.
pub fn long(at: u64, to: u64, scratch: Scratch) -> Option<[u8; LONG]> {
    let register = scratch.number();
    let words = [
        page(at, to, register)?,
        add_low(to, register),
        br(scratch.number()),
    ];
    Some(bytes(words))
}

/// `ldr`, `br` and the address `to`, from anywhere.
pub fn absolute(to: u64, scratch: Scratch) -> [u8; ABSOLUTE] {
    let register = scratch.number();
    // ldr x, .+8
    let words = [
        0x5800_0000 | 2 << 5 | register,
        br(register),
        to as u32,
        (to >> 32) as u32,
    ];
    bytes(words)
}

/// A gate: at `at`, through the pointer at `slot`, which is aligned to eight
/// bytes and in reach of `adrp`. It changes nothing but `scratch`. `undo` is
/// executed first: what takes the signature off the return address.
pub fn gate(at: CopyAddress, slot: u64, scratch: Scratch, undo: Option<u32>) -> Option<[u8; GATE]> {
    let register = scratch.number();
    let at = at.get().wrapping_add(if undo.is_some() { 4 } else { 0 });
    let adrp = page(at, slot, register)?;
    // ldr x, [x, #offset]
    let low = ((slot & 0xfff) / 8) as u32;
    let ldr = 0xf940_0000 | low << 10 | register << 5 | register;
    if slot & 7 != 0 {
        return None;
    }
    let words = match undo {
        Some(undo) => [undo, adrp, ldr, br(register)],
        None => [adrp, ldr, br(register), NOP],
    };
    Some(bytes(words))
}

fn bytes<const WORDS: usize, const BYTES: usize>(words: [u32; WORDS]) -> [u8; BYTES] {
    let mut bytes = [0; BYTES];
    for (place, word) in bytes.chunks_mut(4).zip(words) {
        place.copy_from_slice(&word.to_le_bytes());
    }
    bytes
}

fn br(register: u32) -> u32 {
    0xd61f_0000 | register << 5
}

/// `adrp` at `at` of the page of `to`.
fn page(at: u64, to: u64, register: u32) -> Option<u32> {
    address(0x9000_0000, (at >> 12) as i64, (to >> 12) as i64, register)
}

/// `adr` or `adrp`, by `opcode`, with the distance from `at` to `to`.
fn address(opcode: u32, at: i64, to: i64, register: u32) -> Option<u32> {
    let distance = to.wrapping_sub(at);
    if !(-(1 << 20)..1 << 20).contains(&distance) {
        return None;
    }
    let distance = distance as u32;
    Some(opcode | (distance & 3) << 29 | (distance >> 2 & 0x7_ffff) << 5 | register)
}

/// `add` of what `adrp` leaves out.
fn add_low(to: u64, register: u32) -> u32 {
    0x9100_0000 | ((to & 0xfff) as u32) << 10 | register << 5 | register
}

/// The shortest instructions at `at` that put `value` into `register`.
pub(super) fn load_address(at: u64, value: u64, register: u32) -> Vec<u32> {
    if let Some(adr) = address(0x1000_0000, at as i64, value as i64, register) {
        return [adr].to_vec();
    }
    if let Some(adrp) = page(at, value, register) {
        let mut words = [adrp].to_vec();
        if value & 0xfff != 0 {
            words.push(add_low(value, register));
        }
        return words;
    }
    // movz of the first part that is not zero, movk of the others.
    let mut words = Vec::new();
    for part in 0..4 {
        let bits = (value >> (16 * part)) as u32 & 0xffff;
        if bits != 0 {
            let opcode = if words.is_empty() {
                0xd280_0000
            } else {
                0xf280_0000
            };
            words.push(opcode | (part as u32) << 21 | bits << 5 | register);
        }
    }
    if words.is_empty() {
        words.push(0xd280_0000 | register);
    }
    words
}
