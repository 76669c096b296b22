//! x16 and x17: whether they hold something.
//!
//! A gate and a far branch change one of them. By the procedure call standard
//! neither holds anything at the entry of a function. Code that goes by other
//! rules (the dynamic linker's resolver, a loop whose head is the entry) is
//! found by following the paths from the entry to the first instruction that
//! reads the register; such a path ends where it is written, or at a call,
//! after which it holds nothing either. What is not known for sure counts as
//! reading.

use super::decode::{Kind, Refused, kind, rd, rn, word_at};
use super::{Function, WORD};
use alloc::vec;
use alloc::vec::Vec;

/// One of the two registers that may change between a call and its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scratch {
    /// x16, which assemblers know as `ip0`.
    X16,
    /// x17, `ip1`.
    X17,
}

impl Scratch {
    const BOTH: [Self; 2] = [Self::X16, Self::X17];

    /// The register's number.
    pub const fn number(self) -> u32 {
        match self {
            Self::X16 => 16,
            Self::X17 => 17,
        }
    }
}

/// Which of the two are in use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Busy([bool; 2]);

impl Busy {
    /// What is in use at `place` bytes into `function`.
    pub(super) fn at(function: &Function<'_>, place: usize) -> Self {
        Self(Scratch::BOTH.map(|register| is_read_first(function, place, register.number())))
    }

    /// The same after `word`.
    pub(super) fn with_mentioned(self, word: u32, kind: Kind) -> Self {
        let mut busy = self.0;
        for (busy, register) in busy.iter_mut().zip(Scratch::BOTH) {
            *busy |= mentions(word, kind, register.number());
        }
        Self(busy)
    }

    pub(super) fn free(self) -> Option<Scratch> {
        let mut both = Scratch::BOTH.into_iter().zip(self.0);
        both.find(|(_, busy)| !busy).map(|(register, _)| register)
    }
}

/// Whether a path from `place` reads `register` before it is written.
fn is_read_first(function: &Function<'_>, place: usize, register: u32) -> bool {
    let body = function.body;
    let entry = function.address.get();
    let mut seen = vec![false; body.len() / WORD + 1];
    let mut paths: Vec<usize> = vec![place];
    while let Some(mut at) = paths.pop() {
        while let Some(word) = word_at(body, at) {
            if core::mem::replace(&mut seen[at / WORD], true) {
                break;
            }
            let kind = kind(word, entry.wrapping_add(at as u64));
            let is_unknown = kind == Kind::Fixed(Refused::UnknownBranch);
            if is_unknown || reads(word, kind, register) {
                return true;
            }
            if writes(word, kind, register) || kind.is_call() {
                break;
            }
            if let Some(target) = kind.near_target() {
                // What is outside of the function is another one, to which the
                // standard applies.
                let offset = target.wrapping_sub(entry);
                if offset < body.len() as u64 {
                    paths.push(offset as usize);
                }
            }
            // An indirect jump of another kind than a table's is a call too; a
            // table's targets find the register as the jump found it, and if
            // one of them reads it, then it holds what was there at the entry,
            // which is nothing.
            if kind.ends_flow() {
                break;
            }
            at += WORD;
        }
    }
    false
}

/// `pacia1716` and its kin, of both registers.
fn is_hint_1716(word: u32) -> bool {
    matches!(word, 0xd503_211f | 0xd503_215f | 0xd503_219f | 0xd503_21df)
}

fn ra(word: u32) -> u32 {
    (word >> 10) & 31
}

fn rm(word: u32) -> u32 {
    (word >> 16) & 31
}

/// Whether `word` names `register` at all, in a field that may be one.
fn mentions(word: u32, kind: Kind, register: u32) -> bool {
    match kind {
        Kind::Branch { .. } | Kind::Call { .. } => return false,
        Kind::Conditional { .. } => return word >> 24 != 0x54 && rd(word) == register,
        Kind::Address { .. } | Kind::Literal { .. } => return rd(word) == register,
        _ => {}
    }
    is_hint_1716(word) || [rd(word), rn(word), ra(word), rm(word)].contains(&register)
}

/// Whether `word` may read `register`.
fn reads(word: u32, kind: Kind, register: u32) -> bool {
    let [d, n, a, m] = [rd(word), rn(word), ra(word), rm(word)].map(|r| r == register);
    match kind {
        Kind::Branch { .. } | Kind::Call { .. } | Kind::Address { .. } | Kind::Literal { .. } => {
            return false;
        }
        Kind::Conditional { .. } => return word >> 24 != 0x54 && d,
        _ => {}
    }
    match (word >> 25) & 0xf {
        // Data processing with an immediate.
        0b1000 | 0b1001 => match (word >> 23) & 7 {
            0b101 => (word >> 29) & 3 == 3 && d,      // movk
            0b110 => n || (word >> 29) & 3 == 1 && d, // bfm
            0b111 => n || m,                          // extr
            _ => n,
        },
        // Exceptions, hints, system registers, indirect branches.
        0b1010 | 0b1011 => match word >> 24 {
            0xd4 => false,
            0xd5 => is_hint_1716(word) || word & (1 << 21) == 0 && d,
            0xd7 => n || d, // with a key
            _ => n,
        },
        0b0100 | 0b0110 | 0b1100 | 0b1110 => load_or_store_reads(word, [d, n, a, m]),
        // Data processing with registers.
        0b0101 | 0b1101 => n || m || a && (word >> 24) & 0x1f == 0b11011,
        // Vectors: a general register is read by moves, conversions and `dup`.
        0b0111 | 0b1111 => {
            let converts = word & 0x5f20_0000 == 0x1e20_0000 && word & 0xfc00 == 0
                || word & 0x5f20_0000 == 0x1e00_0000;
            let copies = word & 0x9fe0_8400 == 0x0e00_0400;
            n && (converts || copies)
        }
        _ => d || n || m,
    }
}

/// The forms of loads and stores whose fields are told apart.
enum Access {
    /// `ldp`, `stp` and their kin.
    Pair,
    /// One register and a base; with an index, or an offset.
    Single { is_indexed: bool },
    /// Exclusives, atomics, vectors of many registers, ….
    Other,
}

impl Access {
    fn of(word: u32) -> Self {
        if word & 0x3a00_0000 == 0x2800_0000 {
            return Self::Pair;
        }
        let is_scaled = word & 0x3b00_0000 == 0x3900_0000;
        let is_unscaled = word & 0x3b20_0000 == 0x3800_0000;
        let is_indexed = word & 0x3b20_0c00 == 0x3820_0800;
        match is_scaled || is_unscaled || is_indexed {
            true => Self::Single { is_indexed },
            false => Self::Other,
        }
    }
}

/// Loads and stores of vectors have no general register but for addresses.
fn is_vector(word: u32) -> bool {
    word & (1 << 26) != 0
}

fn load_or_store_reads(word: u32, [d, n, a, m]: [bool; 4]) -> bool {
    let is_general = !is_vector(word);
    match Access::of(word) {
        Access::Pair => {
            let stores = word & (1 << 22) == 0;
            n || is_general && stores && (d || a)
        }
        Access::Single { is_indexed } => {
            let stores = word & 0x00c0_0000 == 0;
            n || is_indexed && m || is_general && stores && d
        }
        Access::Other => n || m || is_general && (d || a),
    }
}

fn load_writes(word: u32, d: bool, a: bool) -> bool {
    if is_vector(word) {
        return false;
    }
    match Access::of(word) {
        Access::Pair => word & (1 << 22) != 0 && (d || a),
        Access::Single { .. } => {
            let is_load = word & 0x00c0_0000 != 0;
            let is_prefetch = word & 0xc0c0_0000 == 0xc080_0000;
            d && is_load && !is_prefetch
        }
        Access::Other => false,
    }
}

/// Whether `word` certainly writes all of `register` and nothing read it
/// before.
fn writes(word: u32, kind: Kind, register: u32) -> bool {
    let d = rd(word) == register;
    match kind {
        Kind::Address { .. } => return d,
        Kind::Literal { size, .. } => return d && !is_vector(word) && size != 0,
        Kind::Plain => {}
        _ => return false,
    }
    match (word >> 25) & 0xf {
        0b1000 | 0b1001 => d,
        0b0100 | 0b0110 | 0b1100 | 0b1110 => load_writes(word, d, ra(word) == register),
        0b0101 | 0b1101 => {
            let has_result = matches!((word >> 24) & 0x1f, 0b01010 | 0b01011 | 0b11011)
                || matches!((word >> 21) & 0xff, 0b1101_0100 | 0b1101_0110);
            d && has_result
        }
        _ => false,
    }
}
