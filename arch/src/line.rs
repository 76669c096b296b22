//! Listings.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::{self, Write as _};

/// One instruction as a listing shows it; prints as `address  bytes  text`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Where the instruction is.
    pub address: u64,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Its text: Intel syntax, with `(bad)` for a byte that begins none; or
    /// Arm's, with `.inst` for a word that has no name.
    pub text: String,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = String::new();
        for byte in &self.bytes {
            write!(bytes, "{byte:02x} ")?;
        }
        write!(f, "{:>14x}  {bytes:<30} {}", self.address, self.text)
    }
}
