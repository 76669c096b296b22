//! The function that is to be patched, of whatever machine.

use crate::TargetAddress;

/// A function as the analysis gets it.
#[derive(Clone, Copy, Debug)]
pub struct Function<'a> {
    /// Address of its first byte.
    pub address: TargetAddress,
    /// Its bytes, from the entry to its end.
    pub body: &'a [u8],
    /// Whether `body` is known to be the whole function. If not (code made at
    /// run time, a label without a size), `body` is what is readable, and
    /// nothing behind the first return or jump is taken for the function's.
    pub exact: bool,
    /// The bytes behind the body, at least four where they exist.
    pub after: &'a [u8],
    /// How many of `after` belong to no function.
    pub gap: usize,
}
