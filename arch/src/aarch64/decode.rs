//! What a word does to addresses.
//!
//! The architecture has few instructions that know their own address: those of
//! the group of branches, `adr` and `adrp`, the loads of literals, and those
//! that sign with the program counter. Everything in these groups that is not
//! known here is refused; what is outside of them does the same anywhere.
//! (Arm ARM, C4.1: top-level encodings.)

use crate::Reason;

/// A word at an address, by what its own address means to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Does the same anywhere.
    Plain,
    /// `b`.
    Branch { target: u64 },
    /// `bl`.
    Call { target: u64 },
    /// `b.cond`, `bc.cond`, `cbz`, `cbnz`, `tbz`, `tbnz`.
    Conditional { target: u64, field: Field },
    /// `adr`, `adrp`: the address that the register gets.
    Address { target: u64, page: bool },
    /// `ldr`, `ldrsw` or `prfm` of a literal of `size` bytes.
    Literal { target: u64, size: u8 },
    /// `br`, `braa` and its kin.
    IndirectBranch,
    /// `blr`, `blraa` and its kin.
    IndirectCall,
    /// `ret`, `retaa`, `retab`, `eret`, `drps`.
    Return,
    /// Begins an exclusive sequence: `ldxr`, `ldaxp`, ….
    LoadExclusive,
    /// Ends one: `stxr`, `stlxp`, ….
    StoreExclusive,
    /// `movprfx`, which belongs to the next instruction.
    Prefix,
    /// Cannot be moved.
    Fixed(Refused),
}

/// Why a word cannot be moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    Invalid,
    UnknownBranch,
    SignsOwnAddress,
    /// `cpyp` and its kin: the kernel goes back to the first of the three when
    /// a thread moves to another kind of core.
    MemoryCopy,
}

impl Refused {
    pub(crate) fn reason(self) -> Reason {
        match self {
            Self::Invalid => Reason::InvalidInstruction,
            Self::UnknownBranch => Reason::UnknownBranch,
            Self::SignsOwnAddress => Reason::SignsOwnAddress,
            Self::MemoryCopy => Reason::TornSequence,
        }
    }
}

/// Where in a word the distance of a branch stands, counted in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Field {
    pub(crate) bits: u32,
    pub(crate) shift: u32,
}

/// `b`, `bl`: ±128 MB.
pub(crate) const FIELD_26: Field = Field { bits: 26, shift: 0 };
/// `b.cond`, `cbz`, literals: ±1 MB.
pub(crate) const FIELD_19: Field = Field { bits: 19, shift: 5 };
/// `tbz`: ±32 KB.
pub(crate) const FIELD_14: Field = Field { bits: 14, shift: 5 };

impl Field {
    /// The address that the field of `word`, at `at`, names.
    fn target(self, word: u32, at: u64) -> u64 {
        at.wrapping_add((sign_extend(word >> self.shift, self.bits) << 2) as u64)
    }

    /// `word` at `at` with `target` in its field, if it is in reach.
    pub(crate) fn with_target(self, word: u32, at: u64, target: u64) -> Option<u32> {
        let distance = target.wrapping_sub(at) as i64;
        let words = distance >> 2;
        let fits = distance & 3 == 0 && words == sign_extend(words as u32, self.bits);
        let mask = ((1 << self.bits) - 1) << self.shift;
        fits.then_some(word & !mask | ((words as u32) << self.shift) & mask)
    }
}

/// The low `bits` of `value` as a signed number.
pub(crate) fn sign_extend(value: u32, bits: u32) -> i64 {
    i64::from((value << (32 - bits)) as i32 >> (32 - bits))
}

pub(crate) const B: u32 = 0x1400_0000;
const BL: u32 = 0x9400_0000;
pub(crate) const NOP: u32 = 0xd503_201f;
pub(crate) const PACIASP: u32 = 0xd503_233f;
pub(crate) const PACIBSP: u32 = 0xd503_237f;
pub(crate) const AUTIASP: u32 = 0xd503_23bf;
/// `pacm`: makes the `paciasp` behind it sign with its address.
const PACM: u32 = 0xd503_24ff;

/// Whether `word` is `bti`, `bti c`, `bti j` or `bti jc`.
pub(crate) fn is_bti(word: u32) -> bool {
    word & 0xffff_ff3f == 0xd503_241f
}

/// What undoes `word`, if that signs the return address and is a landing pad.
pub(crate) fn undoes_signing(word: u32) -> Option<u32> {
    match word {
        PACIASP => Some(AUTIASP),
        PACIBSP => Some(0xd503_23ff),
        _ => None,
    }
}

/// The register in the lowest field (`Rd`, `Rt`).
pub(crate) fn rd(word: u32) -> u32 {
    word & 31
}

/// The register in the second field (`Rn`).
pub(crate) fn rn(word: u32) -> u32 {
    (word >> 5) & 31
}

/// Whether one core may execute `word` while another one exchanges it for an
/// instruction that is in this list as well: `b`, `bl`, `brk`, `hvc`, `isb`,
/// `nop`, `smc`, `svc` (Arm ARM B2.2.5, *Concurrent modification and execution of
/// instructions*). Of any other pair the architecture promises nothing.
///
/// ```
/// use midair_arch::aarch64::is_exchangeable;
/// assert!(is_exchangeable(0xd503_201f)); // nop
/// assert!(is_exchangeable(0x1400_0001)); // b
/// assert!(!is_exchangeable(0xa9bf_7bfd)); // stp x29,x30,[sp,#-16]!
/// ```
pub const fn is_exchangeable(word: u32) -> bool {
    let is_branch = matches!(word & 0xfc00_0000, B | BL);
    let is_exception = matches!(
        word & 0xffe0_001f,
        0xd400_0001 // svc
            | 0xd400_0002 // hvc
            | 0xd400_0003 // smc
            | 0xd420_0000 // brk
    );
    is_branch || is_exception || word == NOP || word & 0xffff_f0ff == 0xd503_30df // isb
}

/// What `word` at `at` is.
pub(crate) fn kind(word: u32, at: u64) -> Kind {
    match (word >> 25) & 0xf {
        0b0000 if word == 0 || word >> 16 != 0 && word >> 31 == 0 => Kind::Fixed(Refused::Invalid),
        0b0001 | 0b0011 => Kind::Fixed(Refused::Invalid),
        0b0010 if word & 0xffff_fc00 == 0x0420_bc00 || word & 0xff3e_e000 == 0x0410_2000 => {
            Kind::Prefix
        }
        0b1000 | 0b1001 => immediate(word, at),
        0b1010 | 0b1011 => branch(word, at),
        0b0100 | 0b0110 | 0b1100 | 0b1110 => load_or_store(word, at),
        // pacnbiasppc, paciasppc, autiasppcr, pacia171615 and their kin.
        _ if word & 0xffff_801f == 0xdac1_801e => Kind::Fixed(Refused::SignsOwnAddress),
        _ => Kind::Plain,
    }
}

fn immediate(word: u32, at: u64) -> Kind {
    if word & 0x1f00_0000 == 0x1000_0000 {
        let value = sign_extend(((word >> 5) & 0x7_ffff) << 2 | (word >> 29) & 3, 21);
        let page = word >> 31 == 1;
        let target = match page {
            true => (at & !0xfff).wrapping_add((value << 12) as u64),
            false => at.wrapping_add(value as u64),
        };
        return Kind::Address { target, page };
    }
    // autiasppc and autibsppc name where the return address was signed.
    if word & 0xff80_0000 == 0xf380_0000 {
        return Kind::Fixed(Refused::SignsOwnAddress);
    }
    Kind::Plain
}

fn branch(word: u32, at: u64) -> Kind {
    let conditional = |field: Field| Kind::Conditional {
        target: field.target(word, at),
        field,
    };
    match word >> 24 {
        0x14..=0x17 => Kind::Branch {
            target: FIELD_26.target(word, at),
        },
        0x94..=0x97 => Kind::Call {
            target: FIELD_26.target(word, at),
        },
        0x34 | 0x35 | 0xb4 | 0xb5 | 0x54 => conditional(FIELD_19),
        0x36 | 0x37 | 0xb6 | 0xb7 => conditional(FIELD_14),
        // retaasppc, retabsppc: with the address that was signed.
        0x55 => Kind::Fixed(Refused::SignsOwnAddress),
        0xd5 if word == PACM => Kind::Fixed(Refused::SignsOwnAddress),
        0xd4 | 0xd5 => Kind::Plain,
        0xd6 | 0xd7 => branch_register(word),
        _ => Kind::Fixed(Refused::UnknownBranch),
    }
}

fn branch_register(word: u32) -> Kind {
    let unknown = Kind::Fixed(Refused::UnknownBranch);
    if (word >> 16) & 31 != 31 {
        return unknown;
    }
    let with_key = (word >> 10) & 0b11_1110 == 0b00_0010;
    let plain = (word >> 10) & 0b11_1111 == 0 && rd(word) == 0;
    let zero_key = with_key && rd(word) == 31;
    match (word >> 21) & 0xf {
        0b0000 if plain || zero_key => Kind::IndirectBranch,
        0b0001 if plain || zero_key => Kind::IndirectCall,
        0b0010 if plain || zero_key && rn(word) == 31 => Kind::Return,
        // retaasppcr, retabsppcr
        0b0010 if with_key && rn(word) == 31 => Kind::Fixed(Refused::SignsOwnAddress),
        0b0100 if rn(word) == 31 && (plain || zero_key) => Kind::Return,
        0b0101 if rn(word) == 31 && plain => Kind::Return,
        0b1000 if with_key => Kind::IndirectBranch,
        0b1001 if with_key => Kind::IndirectCall,
        _ => unknown,
    }
}

fn load_or_store(word: u32, at: u64) -> Kind {
    if word & 0x3b00_0000 == 0x1800_0000 {
        let is_vector = word & (1 << 26) != 0;
        let size = match (word >> 30, is_vector) {
            (0, _) => 4,
            (1, _) => 8,
            (2, false) => 4,
            (2, true) => 16,
            (_, false) => 0, // prfm
            (_, true) => return Kind::Fixed(Refused::Invalid),
        };
        return Kind::Literal {
            target: FIELD_19.target(word, at),
            size,
        };
    }
    let is_pair_compare = word & (1 << 21) != 0 && word >> 31 == 0; // casp
    if word & 0x3f80_0000 == 0x0800_0000 && !is_pair_compare {
        return match word & (1 << 22) != 0 {
            true => Kind::LoadExclusive,
            false => Kind::StoreExclusive,
        };
    }
    if word & 0x3b20_0c00 == 0x1900_0400 {
        return Kind::Fixed(Refused::MemoryCopy);
    }
    Kind::Plain
}

impl Kind {
    /// The target of a direct branch or call.
    pub(crate) fn near_target(self) -> Option<u64> {
        match self {
            Self::Branch { target } | Self::Call { target } | Self::Conditional { target, .. } => {
                Some(target)
            }
            _ => None,
        }
    }

    /// Whether control never reaches what follows it.
    pub(crate) fn ends_flow(self) -> bool {
        matches!(
            self,
            Self::Branch { .. } | Self::IndirectBranch | Self::Return
        )
    }

    /// Whether it puts the address behind itself into x30.
    pub(crate) fn is_call(self) -> bool {
        matches!(self, Self::Call { .. } | Self::IndirectCall)
    }
}

/// The word at `offset` of `bytes`, if all of it is there.
pub(crate) fn word_at(bytes: &[u8], offset: usize) -> Option<u32> {
    let bytes = bytes.get(offset..)?.first_chunk::<4>()?;
    Some(u32::from_le_bytes(*bytes))
}

/// The words of `bytes`, code at `at`, with their addresses.
pub(crate) fn words(bytes: &[u8], at: u64) -> impl Iterator<Item = (u64, u32)> + '_ {
    let words = bytes.as_chunks::<4>().0.iter();
    words
        .enumerate()
        .map(move |(n, word)| (at.wrapping_add(4 * n as u64), u32::from_le_bytes(*word)))
}
