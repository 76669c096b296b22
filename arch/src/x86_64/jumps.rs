//! The jumps that midair writes, as bytes.

use crate::address::displacement;
use crate::{CopyAddress, TargetAddress};
use alloc::vec::Vec;

/// Bytes of `jmp qword ptr [rip+disp32]`, the form of a gate.
pub const INDIRECT: usize = 6;

/// Bytes of a gate.
pub const GATE: usize = INDIRECT;

/// Bytes of an absolute jump: `jmp qword ptr [rip+0]` and its address.
pub const ABSOLUTE: usize = 14;

/// `jmp rel32` at `at` to `to`, if it is in reach.
pub fn near(at: u64, to: u64) -> Option<[u8; 5]> {
    let [a, b, c, d] = displacement(at.wrapping_add(5), to)?.to_le_bytes();
    Some([0xe9, a, b, c, d])
}

/// `jmp rel8` at `at` to `to`, if it is in reach.
pub fn short(at: TargetAddress, to: TargetAddress) -> Option<[u8; 2]> {
    let distance = to.get().wrapping_sub(at.get().wrapping_add(2)) as i64;
    Some([0xeb, i8::try_from(distance).ok()? as u8])
}

/// A gate: `jmp qword ptr [rip+…]` at `at` through the pointer at `slot`, if
/// that is in reach. It changes no register and no flag.
pub fn gate(at: CopyAddress, slot: u64) -> Option<[u8; INDIRECT]> {
    let end = at.get().wrapping_add(INDIRECT as u64);
    let [a, b, c, d] = displacement(end, slot)?.to_le_bytes();
    Some([0xff, 0x25, a, b, c, d])
}

/// An absolute jump to `to`, from anywhere.
pub fn absolute(to: u64) -> [u8; ABSOLUTE] {
    let mut bytes = [0; ABSOLUTE];
    bytes[..6].copy_from_slice(&[0xff, 0x25, 0, 0, 0, 0]);
    bytes[6..].copy_from_slice(&to.to_le_bytes());
    bytes
}

/// The shortest jump at `at` to `to`: `rel32` if in reach, else absolute.
pub fn any(at: u64, to: u64) -> Vec<u8> {
    match near(at, to) {
        Some(bytes) => bytes.to_vec(),
        None => absolute(to).to_vec(),
    }
}
