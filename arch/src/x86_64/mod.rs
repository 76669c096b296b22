//! x86-64: from the bytes of a function to a jump at its entry and a copy of
//! what the jump displaced.
//!
//! 1. [`Analysis::of`] decodes the *prologue* and scans the whole body for
//!    branches into it ([`Function`] is its input).
//! 2. [`Analysis::rung`] tries one rung of the *ladder* of jumps
//!    ([`Strategy`]): it says which bytes would be written, which instructions
//!    they displace and what the jump's displacement must look like ([`Byte`]).
//! 3. [`relocate`] moves the displaced instructions to another address.
//!
//! Only 64-bit mode is known; addresses are 64 bits wide.

mod branches;
pub mod choice;
mod decode;
mod depth;
pub mod eh_frame;
pub mod frame;
mod function;
pub mod jumps;
mod ladder;
mod padding;
mod pure;
mod relocate;
mod tables;

pub use crate::{Function, Line, Strategy};
pub use branches::near_branches;
pub use decode::{Displaced, disassemble};
pub use depth::stack_depth;
pub use function::Analysis;
pub use ladder::{Byte, LADDER, Rung};
pub use padding::is_padding;
pub use pure::is_pure;
pub use relocate::{Relocated, relocate};

/// The one-byte breakpoint instruction, `int3`.
pub const INT3: u8 = 0xcc;

/// No copy is longer than this many bytes: five instructions at most, of which
/// the longest forms take about fifty bytes.
pub const MOST_COPY: usize = 320;

/// Bytes of `jmp rel32`.
pub const JUMP: usize = 5;
