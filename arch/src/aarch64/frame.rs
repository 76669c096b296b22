//! How the frame at an instruction leads to its caller.
//!
//! Code that midair makes runs in the frame of a function that is not its own.
//! A [`FrameState`] says for one instruction where that frame begins, which
//! callee-saved registers it holds, and whether the return address is signed, as
//! call frame information does. What cannot be said in it is
//! [`FrameState::UNKNOWN`]: an unwinder has to stop there.

/// What the beginning of the frame (the CFA) is counted from.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum FrameBase {
    /// `sp`.
    Sp,
    /// `x29`.
    X29,
}

impl FrameBase {
    /// The register with this DWARF number.
    pub fn of(register: u16) -> Option<Self> {
        match register {
            31 => Some(Self::Sp),
            29 => Some(Self::X29),
            _ => None,
        }
    }
}

/// The DWARF number of x30: the return address, until a function keeps it.
pub const RETURN: u16 = 30;

/// The DWARF numbers of the registers that lead to the caller and its values:
/// x19 to x30, and of d8 to d15 (AAPCS64 6.1).
pub const CALLEE_SAVED: [u16; 20] = [
    19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, RETURN, 72, 73, 74, 75, 76, 77, 78, 79,
];

/// How a frame leads to its caller, whose stack pointer is the CFA.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct FrameState {
    /// The base, and the words from it to the CFA.
    cfa: Option<(FrameBase, u16)>,
    /// The return address is signed with key A and the CFA.
    is_signed: bool,
    /// So many words below the CFA is the caller's value of each of
    /// [`CALLEE_SAVED`]; zero if the register still holds it.
    saved: [u8; CALLEE_SAVED.len()],
}

impl FrameState {
    /// Nothing is known.
    pub const UNKNOWN: Self = Self::new(None);
    /// As after a call: the return address is in x30, the stack as it was.
    pub const CALLED: Self = Self::new(Some((FrameBase::Sp, 0)));
    /// The same, and the stack pointer 16 bytes lower.
    pub const TWO_PUSHED: Self = Self::new(Some((FrameBase::Sp, 2)));

    const fn new(cfa: Option<(FrameBase, u16)>) -> Self {
        Self {
            cfa,
            is_signed: false,
            saved: [0; CALLEE_SAVED.len()],
        }
    }

    /// The CFA is `offset` bytes above `base`, and nothing is saved; none if it
    /// cannot be said.
    pub fn at(base: FrameBase, offset: i64) -> Option<Self> {
        let words = u16::try_from(offset / 8).ok()?;
        (offset % 8 == 0).then_some(Self::new(Some((base, words))))
    }

    /// The caller's value of `register` (its DWARF number) is `below` bytes
    /// below the CFA; none if that cannot be said.
    pub fn with_saved(mut self, register: u16, below: i64) -> Option<Self> {
        let place = CALLEE_SAVED.iter().position(|&r| r == register)?;
        let words = u8::try_from(below / 8).ok()?;
        self.saved[place] = words;
        (below % 8 == 0 && words > 0).then_some(self)
    }

    /// The same, the return address being signed with key A, or not.
    #[must_use]
    pub const fn signed(mut self, is_signed: bool) -> Self {
        self.is_signed = is_signed;
        self
    }

    /// The same, x30 being in use for something else.
    #[must_use]
    pub fn without_link(self) -> Self {
        let is_saved = self.saved().any(|(register, _)| register == RETURN);
        if is_saved { self } else { Self::UNKNOWN }
    }

    /// Whether the return address is signed.
    pub fn is_signed(self) -> bool {
        self.is_signed
    }

    /// What the CFA is counted from, and by how many bytes it is above that;
    /// none if nothing is known.
    pub fn cfa(self) -> Option<(FrameBase, usize)> {
        self.cfa.map(|(base, words)| (base, usize::from(words) * 8))
    }

    /// The registers whose caller's value is so many bytes below the CFA.
    pub fn saved(self) -> impl Iterator<Item = (u16, usize)> {
        let all = CALLEE_SAVED.into_iter().zip(self.saved);
        all.filter(|(_, words)| *words > 0)
            .map(|(register, words)| (register, usize::from(words) * 8))
    }
}

/// The states of a piece of code: each holds from its offset to the next one's.
pub type Frames<'a> = &'a [(u32, FrameState)];

/// Code that leaves the stack as it is after a call: gates, stubs.
pub const CALLED: Frames<'static> = &[(0, FrameState::CALLED)];

/// The gate of a function that has signed its return address with key A: the
/// first instruction takes the signature off.
pub(super) const SIGNED: Frames<'static> = &[
    (0, FrameState::CALLED.signed(true)),
    (4, FrameState::CALLED),
];

/// The same with key B, about which only an entry of its own could speak.
pub(super) const SIGNED_WITH_B: Frames<'static> =
    &[(0, FrameState::UNKNOWN), (4, FrameState::CALLED)];
