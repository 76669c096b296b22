//! What may be taken for padding between two functions.
//!
//! Only bytes that belong to no function are ever asked about, and only `int3`
//! and whole no-operations count. Zeros do not: tables in the code are full of
//! them.

use super::INT3;
use super::decode::decoder;
use iced_x86::Mnemonic;

/// Whether all of `bytes`, a gap between two functions, is padding: `int3`
/// bytes and whole no-operations.
///
/// ```
/// use midair_arch::x86_64::is_padding;
/// assert!(is_padding(&[0xcc; 7]));
/// assert!(is_padding(&[0x66, 0x90, 0x0f, 0x1f, 0x40, 0x00])); // xchg ax,ax; nop [rax+0]
/// assert!(!is_padding(&[0x00; 8])); // may be a table
/// assert!(!is_padding(&[0x0f, 0x1f])); // half a nop
/// ```
pub fn is_padding(bytes: &[u8]) -> bool {
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at] == INT3 {
            at += 1;
            continue;
        }
        let instruction = decoder(&bytes[at..], 0).decode();
        // `66 90` is written as `xchg ax,ax`; iced names it nop like the others.
        if instruction.is_invalid() || instruction.mnemonic() != Mnemonic::Nop {
            return false;
        }
        at += instruction.len();
    }
    true
}
