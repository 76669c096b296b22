//! aarch64: from the bytes of a function to a jump at its entry and a copy of
//! what the jump displaced. The names are those of [`crate::x86_64`].
//!
//! 1. [`Analysis::of`] reads the *prologue* and scans the whole body for
//!    branches into it ([`Function`] is its input).
//! 2. [`Analysis::rung`] tries one rung of the *ladder* of jumps
//!    ([`Strategy`], [`LADDER`]): it says which bytes would be written and which
//!    instructions they displace.
//! 3. [`relocate`] moves the displaced instructions to another address.
//! 4. [`is_exchangeable`] and [`maintenance`] say what the architecture asks of
//!    whoever writes code that other threads run.
//!
//! Instructions are words of four bytes, and a `b` is one of them: it covers
//! the first instruction of any function and never part of the next.
//!
//! Three conventions of the architecture decide what stands where:
//!
//! - **x16 and x17** may be changed by whatever lies between a call and its
//!   target (AAPCS64 6.1.1), so gates and veneers take one of the two. Where
//!   code reads them all the same, the other one is taken; where it reads both,
//!   what needs one is refused.
//! - **Landing pads** (BTI): a `bti` at the entry stays, the jump goes behind
//!   it. A `paciasp` or `pacibsp` is a landing pad as well, so it stays too; the
//!   gate takes the signature off again (`autiasp`, `autibsp`) and the copy
//!   begins with signing. Copies and gates lie in memory without `PROT_BTI`, so
//!   that an indirect branch from or to them is never refused.
//! - **Far branches of a copy** lead back into the middle of code, where no
//!   landing pad is. They are `ret x16`: a return sets no branch type. Nothing
//!   here works with a guarded control stack (FEAT_GCS), as an emulated call
//!   does not either.

mod branches;
mod cache;
pub mod choice;
mod decode;
mod displaced;
pub mod eh_frame;
pub mod frame;
mod function;
pub mod jumps;
mod ladder;
mod pure;
mod registers;
mod relocate;
mod tables;
mod text;

pub use crate::{Function, Line, Strategy};
pub use branches::near_branches;
pub use cache::{Maintenance, maintenance};
pub use decode::is_exchangeable;
pub use displaced::Displaced;
pub use function::Analysis;
pub use ladder::{LADDER, Rung};
pub use pure::is_pure;
pub use registers::Scratch;
pub use relocate::{MOST_COPY, Relocated, relocate};
pub use text::disassemble;

/// Bytes of an instruction.
pub const WORD: usize = 4;

/// Bytes of `b`.
pub const JUMP: usize = WORD;

/// The breakpoint that midair writes: `brk` with a number of its own, so that
/// it is not taken for a debugger's (0) or the kernel's.
pub const BREAKPOINT: u32 = 0xd420_0000 | (0x6d61 << 5);
