//! What relocation makes, on whatever machine.

use crate::TargetAddress;
use alloc::vec::Vec;

/// The relocated copy of displaced instructions.
#[derive(Clone, Debug)]
pub struct Relocated {
    /// The code, ending with a jump back unless it cannot be reached.
    pub bytes: Vec<u8>,
    /// For each displaced instruction its address in the function and the
    /// offset of its copy in `bytes`.
    pub map: Vec<(TargetAddress, u32)>,
    /// Where the copy moves the stack pointer by itself.
    pub moves: Vec<Moved>,
    /// The offset behind the last instruction's copy: the jump back, if any.
    pub end: u32,
}

/// The stack pointer of a copy, compared with that of the original.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moved {
    /// From this offset in the copy to that of the next one,
    pub from: u32,
    /// the stack pointer is so many bytes lower than the original's before the
    /// displaced instruction, and
    pub lower: u32,
    /// the value of the register with this DWARF number is on top of the stack,
    /// the register itself being in use for something else.
    pub borrowed: Option<u16>,
}
