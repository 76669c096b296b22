//! How the frame at an instruction leads to its caller.
//!
//! Code that midair makes runs in the frame of a function that is not its own.
//! A [`FrameState`] says for one instruction where that frame begins and which
//! callee-saved registers it holds, as call frame information does. What cannot
//! be said in it is [`FrameState::UNKNOWN`]: an unwinder has to stop there.

use super::choice::RED_ZONE;

/// What the beginning of the frame (the CFA, System V ABI 3.7) is counted from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum FrameBase {
    /// `rsp`.
    Rsp = 0,
    /// `rbp`.
    Rbp = 1,
    /// `r10`, in functions that align their stack.
    R10 = 2,
}

impl FrameBase {
    /// The register with this DWARF number.
    pub fn of(register: u16) -> Option<Self> {
        match register {
            7 => Some(Self::Rsp),
            6 => Some(Self::Rbp),
            10 => Some(Self::R10),
            _ => None,
        }
    }
}

/// The DWARF numbers of the registers that a function gives back as they were:
/// rbx, rbp, r12 to r15.
pub const CALLEE_SAVED: [u16; 6] = [3, 6, 12, 13, 14, 15];

/// Of the 16 bits of the first field, those that count words.
const OFFSET_BITS: u32 = 14;

/// How a frame leads to its caller. The return address is the word below the
/// CFA, and the caller's stack pointer is the CFA.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct FrameState {
    /// The base, and the words from it to the CFA; zero if nothing is known.
    cfa: u16,
    /// So many words below the CFA is the caller's value of each of
    /// [`CALLEE_SAVED`]; zero if the register still holds it.
    saved: [u8; 6],
}

impl FrameState {
    /// Nothing is known.
    pub const UNKNOWN: Self = Self::new(0);
    /// As after a call: the return address is on top of the stack.
    pub const CALLED: Self = Self::new(1);
    /// The same, the stack pointer having been moved below the red zone.
    pub const BELOW_RED_ZONE: Self = Self::new(1 + RED_ZONE as u16 / 8);
    /// The same, and one word pushed.
    pub const PUSHED_BELOW_RED_ZONE: Self = Self::new(2 + RED_ZONE as u16 / 8);

    const fn new(cfa: u16) -> Self {
        Self { cfa, saved: [0; 6] }
    }

    /// The CFA is `offset` bytes above `base`, and nothing is saved; none if it
    /// cannot be said.
    pub fn at(base: FrameBase, offset: i64) -> Option<Self> {
        let words = offset / 8;
        let fits = offset % 8 == 0 && (0..1 << OFFSET_BITS).contains(&words);
        let cfa = words as u16 | u16::from(base as u8) << OFFSET_BITS;
        (fits && cfa != 0).then_some(Self::new(cfa))
    }

    /// The caller's value of `register` (its DWARF number) is `below` bytes
    /// below the CFA; none if that cannot be said.
    pub fn with_saved(mut self, register: u16, below: i64) -> Option<Self> {
        let place = CALLEE_SAVED.iter().position(|&r| r == register)?;
        let words = u8::try_from(below / 8).ok()?;
        self.saved[place] = words;
        (below % 8 == 0 && words > 0).then_some(self)
    }

    /// Whether nothing is known.
    pub fn is_unknown(self) -> bool {
        self.cfa == 0
    }

    /// What the CFA is counted from, and by how many bytes it is above that.
    pub fn cfa(self) -> Option<(FrameBase, usize)> {
        let base = match self.cfa >> OFFSET_BITS {
            0 => FrameBase::Rsp,
            1 => FrameBase::Rbp,
            _ => FrameBase::R10,
        };
        let words = usize::from(self.cfa & ((1 << OFFSET_BITS) - 1));
        (!self.is_unknown()).then_some((base, words * 8))
    }

    /// The registers whose caller's value is so many bytes below the CFA.
    pub fn saved(self) -> impl Iterator<Item = (u16, usize)> {
        let all = CALLEE_SAVED.into_iter().zip(self.saved);
        all.filter(|(_, words)| *words > 0)
            .map(|(register, words)| (register, usize::from(words) * 8))
    }

    /// The same with the stack pointer `bytes` lower.
    #[must_use]
    pub fn lowered(self, bytes: u32) -> Self {
        match self.cfa() {
            Some((FrameBase::Rsp, offset)) => {
                let mut lowered = Self::at(FrameBase::Rsp, offset as i64 + i64::from(bytes));
                if let Some(state) = &mut lowered {
                    state.saved = self.saved;
                }
                lowered.unwrap_or(Self::UNKNOWN)
            }
            _ => self,
        }
    }

    /// The same with `register` (its DWARF number) put to another use, and its
    /// value on top of the stack.
    #[must_use]
    pub fn borrowed(self, register: u16) -> Self {
        let Some((base, offset)) = self.cfa() else {
            return self;
        };
        if FrameBase::of(register) == Some(base) {
            return Self::UNKNOWN;
        }
        let is_saved = self.saved().any(|(saved, _)| saved == register);
        if is_saved || !CALLEE_SAVED.contains(&register) {
            return self;
        }
        match base {
            FrameBase::Rsp => self.with_saved(register, offset as i64),
            FrameBase::Rbp | FrameBase::R10 => None,
        }
        .unwrap_or(Self::UNKNOWN)
    }
}

/// The states of a piece of code: each holds from its offset to the next one's.
pub type Frames<'a> = &'a [(u32, FrameState)];

/// Code that leaves the stack as it is after a call: gates, stubs.
pub const CALLED: Frames<'static> = &[(0, FrameState::CALLED)];
