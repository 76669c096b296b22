//! Functions that compute and do nothing else.

use super::decode::{self, Kind};
use crate::TargetAddress;

/// Whether the function with this code, at `at`, does nothing but compute its
/// result: it calls nothing, writes to no memory and tells nothing to the system.
/// A compiler may leave nothing of such a function where it is inlined, or where
/// the result is known. What is not known to be so is not.
///
/// ```
/// use midair_arch::{TargetAddress, aarch64::is_pure};
///
/// let at = TargetAddress::new(0x1000);
/// // add w0,w0,#1; ret
/// assert!(is_pure(b"\x00\x04\x00\x11\xc0\x03\x5f\xd6", at));
/// // str w1,[x0]; ret
/// assert!(!is_pure(b"\x01\x00\x00\xb9\xc0\x03\x5f\xd6", at));
/// ```
#[must_use]
pub fn is_pure(code: &[u8], at: TargetAddress) -> bool {
    let own = at.get()..at.get().wrapping_add(code.len() as u64);
    decode::words(code, at.get()).all(|(at, word)| match decode::kind(word, at) {
        Kind::Branch { target } | Kind::Conditional { target, .. } => own.contains(&target),
        Kind::Return | Kind::Address { .. } | Kind::Literal { .. } | Kind::Prefix => true,
        Kind::Plain => match (word >> 25) & 0xf {
            0b1010 | 0b1011 => is_hint(word),
            0b0100 | 0b0110 | 0b1100 | 0b1110 => is_load(word),
            // Scalable vectors and matrices: what has this bit may be a store.
            0b0000 | 0b0010 => word >> 31 == 0,
            _ => true,
        },
        _ => false,
    })
}

/// `nop`, `bti`, `paciasp` and their kin.
fn is_hint(word: u32) -> bool {
    word & 0xffff_f01f == 0xd503_201f
}

/// Whether it is one of the ordinary loads.
fn is_load(word: u32) -> bool {
    let is_vector = word & (1 << 26) != 0;
    let kind = (word >> 22) & 3;
    match (word >> 27) & 7 {
        // ldp
        0b101 => kind & 1 == 1,
        0b111 => {
            let is_atomic = word & 0x0120_0c00 == 0x0020_0000;
            let is_store = kind == 0 || (is_vector && kind == 2);
            !is_atomic && !is_store
        }
        _ => false,
    }
}
