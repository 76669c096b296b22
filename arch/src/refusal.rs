//! Why a function, or one way of patching it, was refused.

use crate::TargetAddress;
use alloc::string::String;
use core::fmt;

/// A refusal: what stands in the way, where, and what to do about it.
///
/// Nothing was written when one is returned.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refusal {
    /// The function's name, if the caller knew it.
    pub symbol: Option<String>,
    /// The function's address.
    pub address: TargetAddress,
    /// Bytes from the function's entry to what stands in the way.
    pub offset: i64,
    /// The instruction that stands in the way, disassembled.
    pub instruction: Option<String>,
    /// What is wrong with it.
    pub reason: Reason,
}

/// The reason of a [`Refusal`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// The bytes are no instruction.
    InvalidInstruction,
    /// The function's bytes end in the middle of an instruction.
    Truncated,
    /// A breakpoint stands at the entry that midair did not put there.
    ForeignBreakpoint,
    /// The code differs from its file: something else has patched it.
    Modified {
        /// The byte in memory.
        found: u8,
        /// The byte in the file.
        expected: u8,
    },
    /// A branch whose operand-size prefix Intel and AMD read differently.
    OperandSizeBranch,
    /// An operand relative to EIP: its address is cut to 32 bits.
    AddressSizeRip,
    /// A far branch, whose segment cannot be followed.
    FarBranch,
    /// An instruction of the group of branches that is not understood.
    UnknownBranch,
    /// The instruction signs or checks a return address with its own address.
    SignsOwnAddress,
    /// The instruction belongs to a sequence that must not be torn apart, and
    /// whose end is not found: a load-exclusive and its store, `cpyp` and its
    /// kin, `movprfx` and what it prefixes.
    TornSequence,
    /// Neither x16 nor x17 is free where a branch needs one.
    NoFreeRegister,
    /// Code enters behind a `paciasp`, with a return address that may not be
    /// signed.
    EnteredBehindSigning,
    /// This form of jump is another machine's.
    OtherMachine,
    /// A call through the stack pointer: the emulated push would move it.
    StackRelativeCall,
    /// An operand out of reach of the copy, in an instruction that leaves no
    /// register free to hold its address.
    OperandOutOfReach {
        /// The address that the operand names.
        operand: u64,
    },
    /// The function reads its own first bytes as data.
    ReadsItself,
    /// A branch leads into the bytes that a jump would cover.
    BranchIntoSpan {
        /// Offset of the branch's target from the entry.
        target: u32,
    },
    /// A branch leads into the middle of an instruction: the code overlaps.
    OverlappingCode {
        /// Offset of the branch's target from the entry.
        target: u32,
    },
    /// Not enough bytes before the next function, and no padding.
    NoRoom {
        /// Bytes that the jump needs.
        needed: u8,
        /// Bytes that belong to the function or are padding.
        available: u8,
    },
    /// No padding of five bytes is in reach of a short jump.
    NoPaddingInReach,
    /// No memory could be had where a jump of this form would lead.
    NoMemoryInReach,
    /// The bytes that would be written belong to another patch.
    Taken {
        /// Address of the function whose patch uses them.
        by: TargetAddress,
    },
    /// Nothing is mapped at the address.
    NotMapped,
    /// The address is not executable.
    NotCode,
    /// The address is inside of a function, not at its start.
    InsideFunction {
        /// Start of the function that it is inside of.
        start: TargetAddress,
    },
    /// The bytes cannot be written in a way that is safe for running threads.
    Unwritable {
        /// What the operating system said.
        why: String,
    },
}

impl Refusal {
    /// A refusal of the function at `address` because of what is `offset`
    /// bytes into it.
    pub fn new(address: TargetAddress, offset: i64, reason: Reason) -> Self {
        Self {
            symbol: None,
            address,
            offset,
            instruction: None,
            reason,
        }
    }

    /// The same refusal with the text of the instruction.
    #[must_use]
    pub fn with_instruction(mut self, text: String) -> Self {
        self.instruction = Some(text);
        self
    }

    /// The same refusal with the name of the function.
    #[must_use]
    pub fn with_symbol(mut self, name: String) -> Self {
        self.symbol = Some(name);
        self
    }
}

impl Reason {
    /// What the user can do about it.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::InvalidInstruction | Self::Truncated => {
                "check that the address is the start of a function of this machine"
            }
            Self::ForeignBreakpoint => {
                "remove the breakpoint or uprobe first (gdb: `delete`), then patch"
            }
            Self::Modified { .. } => {
                "take the other patch off first; two engines cannot share an entry"
            }
            Self::OperandSizeBranch
            | Self::AddressSizeRip
            | Self::FarBranch
            | Self::StackRelativeCall
            | Self::UnknownBranch
            | Self::SignsOwnAddress
            | Self::TornSequence
            | Self::EnteredBehindSigning
            | Self::OverlappingCode { .. } => "patch its callers, or rebuild the function",
            Self::NoFreeRegister => {
                "free address space within 128 MB of the function, or patch its callers"
            }
            Self::OtherMachine => "a form of the machine's own is tried",
            Self::OperandOutOfReach { .. } | Self::NoMemoryInReach => {
                "free address space within 2 GB of the function, or patch its callers"
            }
            Self::ReadsItself => "the function checks its own code; patch its callers",
            Self::BranchIntoSpan { .. } | Self::NoRoom { .. } | Self::NoPaddingInReach => {
                "another form of jump is tried; if none fits, patch its callers"
            }
            Self::Taken { .. } => "drop the other patch first",
            Self::NotMapped | Self::NotCode => "pass the address of a function",
            Self::InsideFunction { .. } => "pass the start of the function",
            Self::Unwritable { .. } => "allow /proc/self/mem or writable code (see the README)",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidInstruction => write!(f, "the bytes are no valid instruction"),
            Self::Truncated => write!(f, "the function ends in the middle of an instruction"),
            Self::ForeignBreakpoint => write!(f, "a foreign breakpoint stands at the entry"),
            Self::Modified { found, expected } => write!(
                f,
                "the code was changed by someone else (byte {found:#04x}, in the file {expected:#04x})"
            ),
            Self::OperandSizeBranch => {
                write!(
                    f,
                    "a branch with an operand-size prefix means different things to Intel and AMD"
                )
            }
            Self::AddressSizeRip => write!(f, "the operand's address is cut to 32 bits"),
            Self::FarBranch => write!(f, "a far branch cannot be followed"),
            Self::UnknownBranch => write!(f, "a branch that is not understood"),
            Self::SignsOwnAddress => write!(
                f,
                "the return address is signed with the instruction's own address"
            ),
            Self::TornSequence => write!(
                f,
                "it belongs to a sequence that must stay together, of which no end is found"
            ),
            Self::NoFreeRegister => write!(f, "neither x16 nor x17 is free for a branch"),
            Self::EnteredBehindSigning => write!(
                f,
                "other code enters behind the instruction that signs the return address"
            ),
            Self::OtherMachine => write!(f, "another machine's form of jump"),
            Self::StackRelativeCall => {
                write!(f, "a call through the stack pointer cannot be moved")
            }
            Self::OperandOutOfReach { operand } => {
                write!(
                    f,
                    "the operand at {operand:#x} is out of reach and no register is free"
                )
            }
            Self::ReadsItself => write!(f, "the function reads its own first bytes as data"),
            Self::BranchIntoSpan { target } => {
                write!(f, "a branch leads into the jump's bytes, at +{target}")
            }
            Self::OverlappingCode { target } => {
                write!(
                    f,
                    "a branch leads into the middle of an instruction, at +{target}"
                )
            }
            Self::NoRoom { needed, available } => {
                write!(
                    f,
                    "the jump needs {needed} bytes and only {available} are free"
                )
            }
            Self::NoPaddingInReach => write!(f, "no padding in reach of a short jump"),
            Self::NoMemoryInReach => write!(f, "no memory to be had where the jump can lead"),
            Self::Taken { by } => {
                write!(f, "the bytes belong to the patch of the function at {by}")
            }
            Self::NotMapped => write!(f, "nothing is mapped there"),
            Self::NotCode => write!(f, "it is not executable"),
            Self::InsideFunction { start } => {
                write!(f, "it is inside of the function that starts at {start}")
            }
            Self::Unwritable { why } => write!(f, "the code cannot be written: {why}"),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.symbol {
            Some(name) => write!(f, "cannot patch `{name}` at {}", self.address)?,
            None => write!(f, "cannot patch the function at {}", self.address)?,
        }
        if let Some(text) = &self.instruction {
            write!(f, ", `{text}` at {:+}", self.offset)?;
        } else if self.offset != 0 {
            write!(f, ", at {:+}", self.offset)?;
        }
        write!(f, ": {}; {}", self.reason, self.reason.remedy())
    }
}

impl core::error::Error for Refusal {}
