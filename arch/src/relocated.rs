//! What every machine's relocation makes, for who shows it.

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
}
