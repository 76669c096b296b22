//! Kinds of address, as types: code that is to be patched and code that midair
//! made cannot be mixed up.
//!
//! Neither is a pointer: nothing here follows an address.

use core::fmt;

macro_rules! address {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u64);

        impl $name {
            /// The address `address`.
            pub const fn new(address: u64) -> Self {
                Self(address)
            }

            /// The address as a number.
            pub const fn get(self) -> u64 {
                self.0
            }

            /// The address `bytes` further on (wrapping, as the processor does).
            #[must_use]
            pub const fn plus(self, bytes: u64) -> Self {
                Self(self.0.wrapping_add(bytes))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({:#x})"), self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:#x}", self.0)
            }
        }
    };
}

address!(
    /// Where code of the patched program is: in the running process, or, for
    /// a file that is only inspected, its virtual address there.
    TargetAddress
);
address!(
    /// Where code that midair made is, or is to be: copies, gates, stubs.
    CopyAddress
);

/// The displacement that reaches `to` from an instruction that ends at `end`,
/// if it fits the 32 bits that x86-64 branches and operands have.
pub(crate) fn displacement(end: u64, to: u64) -> Option<i32> {
    i32::try_from(to.wrapping_sub(end) as i64).ok()
}
