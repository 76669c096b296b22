//! Bytes in, bytes out: what midair knows about machine code.
//!
//! Given the bytes of a function, this crate says how its entry can be
//! replaced by a jump ([`x86_64::Analysis`], [`x86_64::Rung`]), and makes the
//! *copy* of the displaced instructions that still does what they did, at any
//! other address ([`x86_64::relocate`]). [`aarch64`] has the same names. Whatever it cannot prove it refuses,
//! with the instruction and the reason ([`Refusal`]).
//!
//! It touches no memory but the slices it is given, calls no operating system,
//! has no `unsafe` and needs only `alloc`, so that all of it is tested on every
//! host, whatever that host's own processor is.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod aarch64;
mod address;
mod call_frames;
mod function;
mod line;
mod refusal;
mod relocated;
mod strategy;
mod surroundings;
pub mod x86_64;

pub use address::{CopyAddress, TargetAddress};
pub use function::Function;
pub use line::Line;
pub use refusal::{Reason, Refusal};
pub use relocated::Relocated;
pub use strategy::Strategy;
pub use surroundings::{Gap, Surroundings};
