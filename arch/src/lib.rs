//! Bytes in, bytes out: what midair knows about machine code.
//!
//! Given the bytes of a function, this crate says how its entry can be
//! replaced by a jump ([`x86_64::Analysis`], [`x86_64::Rung`]), and makes the
//! *copy* of the displaced instructions that still does what they did, at any
//! other address ([`x86_64::relocate`]). Whatever it cannot prove it refuses,
//! with the instruction and the reason ([`Refusal`]).
//!
//! It touches no memory but the slices it is given, calls no operating system,
//! has no `unsafe` and needs only `alloc`, so that all of it is tested on every
//! host, whatever that host's own processor is.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod address;
mod refusal;
mod surroundings;
pub mod x86_64;

pub use address::{CopyAddress, TargetAddress};
pub use refusal::{Reason, Refusal};
pub use surroundings::{Gap, Surroundings};
