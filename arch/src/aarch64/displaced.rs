//! The one instruction that a jump displaces.

use super::decode::{Kind, Refused, kind, word_at};
use super::registers::{Busy, Scratch};
use super::{WORD, text};
use crate::TargetAddress;
use alloc::string::String;
use alloc::vec::Vec;

/// An instruction of the original function that a copy replaces.
#[derive(Clone, Debug)]
pub struct Displaced {
    /// Bytes from the function's entry.
    pub offset: u32,
    /// The instruction's bytes as they stand in the function.
    pub bytes: Vec<u8>,
    pub(crate) word: u32,
    pub(crate) kind: Kind,
    address: u64,
    /// Which of x16 and x17 hold something when the instruction is done.
    busy: Busy,
}

impl Displaced {
    /// The instructions at the start of `bytes`, code at `at`, that cover at
    /// least `len` bytes, or as many as are known; `offset` counts from the
    /// first.
    pub fn decode(bytes: &[u8], at: TargetAddress, len: usize) -> Vec<Self> {
        Self::decode_with(bytes, at, len, Busy::default())
    }

    /// The same, where `busy` are in use at the entry.
    pub(super) fn decode_with(
        bytes: &[u8],
        at: TargetAddress,
        len: usize,
        mut busy: Busy,
    ) -> Vec<Self> {
        let mut all = Vec::new();
        for offset in (0..len).step_by(WORD) {
            let Some(word) = word_at(bytes, offset) else {
                break;
            };
            let address = at.get().wrapping_add(offset as u64);
            let kind = kind(word, address);
            if kind == Kind::Fixed(Refused::Invalid) {
                break;
            }
            busy = busy.with_mentioned(word, kind);
            all.push(Self {
                offset: offset as u32,
                bytes: bytes[offset..offset + WORD].to_vec(),
                word,
                kind,
                address,
                busy,
            });
        }
        all
    }

    /// The address of the instruction where it stands in the function.
    pub fn address(&self) -> u64 {
        self.address
    }

    /// The address after it.
    pub fn end(&self) -> u64 {
        self.address.wrapping_add(WORD as u64)
    }

    /// Bytes from the function's entry to the end of the instruction.
    pub fn end_offset(&self) -> u32 {
        self.offset + WORD as u32
    }

    /// The instruction as text.
    pub fn text(&self) -> String {
        text::text(self.word, self.address)
    }

    /// Whether the architecture lets it be exchanged while others execute it
    /// ([`is_exchangeable`](super::is_exchangeable)).
    pub fn is_exchangeable(&self) -> bool {
        super::is_exchangeable(self.word)
    }

    /// Whether control never reaches what follows it.
    pub(crate) fn ends_flow(&self) -> bool {
        self.kind.ends_flow()
    }

    /// A register for a branch from here.
    pub(crate) fn scratch(&self) -> Option<Scratch> {
        self.busy.free()
    }
}
