//! What differs between processors: what their relocations mean, how fields are
//! filled in, and where thread-locals are.
//!
//! - [`x86_64`], [`aarch64`]: bytes in, bytes out; neither knows of objects, images
//!   or processes.
//!
//! Numbers of relocations mean something only together with a machine, so whoever
//! has one asks the [`Machine`] of its object.

mod aarch64;
#[cfg(test)]
mod tests;
mod x86_64;

use object::elf::{self, RelocationType};

/// A processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Machine {
    X86_64,
    Aarch64,
}

/// What a reference needs besides its field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    Nothing,
    /// An entry of the table of addresses: it is the entry that it leads to.
    Entry,
    /// A stub that leads on, if its target may be out of reach.
    Stub,
}

/// A field to be filled in.
pub(crate) struct Field<'a> {
    pub(crate) kind: RelocationType,
    /// The section, or a copy of it.
    pub(crate) bytes: &'a mut [u8],
    /// Where in it.
    pub(crate) offset: usize,
    /// The address that the field will have.
    pub(crate) here: u64,
    /// The symbol's address or distance from the thread pointer; the entry's or the
    /// stub's address, if there is one.
    pub(crate) value: u64,
    pub(crate) addend: i64,
}

/// Why a field cannot be filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unfit {
    /// The relocation is of a type that is not known here.
    Unknown(RelocationType),
    /// What is referred to is too far away, or not where it may be.
    Reach,
    /// The field is not in the section.
    Outside,
    /// The instructions around it are not those that the relocation says.
    Instructions,
}

/// The thread-locals of an executable, as its program header has them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ThreadLocals {
    pub(crate) at: u64,
    pub(crate) len: u64,
    pub(crate) align: u64,
}

impl Machine {
    /// The one that an ELF header names.
    pub(crate) fn of(header: elf::Machine) -> Result<Self, String> {
        match header {
            elf::EM_X86_64 => Ok(Self::X86_64),
            elf::EM_AARCH64 => Ok(Self::Aarch64),
            other => Err(format!(
                "it is for machine {} of ELF's list, and only x86-64 and aarch64 can be reloaded",
                other.0
            )),
        }
    }

    /// What an ELF header calls it.
    pub(crate) fn elf(self) -> elf::Machine {
        match self {
            Self::X86_64 => elf::EM_X86_64,
            Self::Aarch64 => elf::EM_AARCH64,
        }
    }

    /// The relocation by which the dynamic linker says how far a thread-local is from the
    /// thread pointer.
    pub(crate) fn thread_distance(self) -> RelocationType {
        match self {
            Self::X86_64 => elf::R_X86_64_TPOFF64,
            Self::Aarch64 => elf::R_AARCH64_TLS_TPREL,
        }
    }

    pub(crate) fn need(self, kind: RelocationType) -> Need {
        match self {
            Self::X86_64 => x86_64::need(kind),
            Self::Aarch64 => aarch64::need(kind),
        }
    }

    /// Whether it is a plain address.
    pub(crate) fn is_address(self, kind: RelocationType) -> bool {
        match self {
            Self::X86_64 => kind == elf::R_X86_64_64,
            Self::Aarch64 => kind == elf::R_AARCH64_ABS64,
        }
    }

    /// How far behind its field an instruction counts from.
    pub(crate) fn bias(self, kind: RelocationType) -> i64 {
        match self {
            Self::X86_64 => x86_64::bias(kind),
            Self::Aarch64 => 0,
        }
    }

    /// How many bytes a relocation of data, such as debug information, writes.
    pub(crate) fn width(self, kind: RelocationType) -> usize {
        match self {
            Self::X86_64 => x86_64::width(kind),
            Self::Aarch64 => aarch64::width(kind),
        }
    }

    /// Sets what a relocation fills in at `offset` to zero.
    pub(crate) fn clear(self, kind: RelocationType, bytes: &mut [u8], offset: usize) {
        match self {
            Self::X86_64 => {
                let field = offset..offset + x86_64::width(kind);
                if let Some(field) = bytes.get_mut(field) {
                    field.fill(0);
                }
            }
            Self::Aarch64 => aarch64::clear(kind, bytes, offset),
        }
    }

    pub(crate) fn fill(self, field: Field<'_>) -> Result<(), Unfit> {
        match self {
            Self::X86_64 => x86_64::fill(field),
            Self::Aarch64 => aarch64::fill(field),
        }
    }

    /// How far a call or jump reaches in either direction.
    pub(crate) fn branch_reach(self) -> u64 {
        match self {
            // All of the executable, which is what matters.
            Self::X86_64 => u64::MAX,
            Self::Aarch64 => 1 << 27,
        }
    }

    /// Bytes of a stub.
    pub(crate) fn stub_len(self) -> u64 {
        match self {
            Self::X86_64 => x86_64::STUB,
            Self::Aarch64 => aarch64::STUB,
        }
    }

    /// The code of a stub at `at` that goes where the entry at `entry` says.
    pub(crate) fn stub(self, at: u64, entry: u64) -> Result<Vec<u8>, Unfit> {
        match self {
            Self::X86_64 => x86_64::stub(at, entry),
            Self::Aarch64 => aarch64::stub(at, entry),
        }
    }

    /// How far from the thread pointer the executable's thread-local is that stands
    /// at `value` of them.
    pub(crate) fn thread_local_at(self, all: ThreadLocals, value: u64) -> i64 {
        let align = all.align.max(1) - 1;
        let distance = match self {
            // They end at the thread pointer.
            Self::X86_64 => {
                let len = all.len;
                let end = len + (all.at.wrapping_neg().wrapping_sub(len) & align);
                value.wrapping_sub(end)
            }
            // They begin behind two words of the thread library's.
            Self::Aarch64 => {
                let own = 2 * size_of::<u64>() as u64;
                value + own + (all.at.wrapping_sub(own) & align)
            }
        };
        distance as i64
    }
}
