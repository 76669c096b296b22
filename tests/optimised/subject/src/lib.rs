//! Code under test, which knows nothing of midair but an attribute.
//!
//! [`opaque`] and [`plain`] are the same functions with and without it: each lets
//! the optimiser find out something else, by which a caller gets along without
//! the call, or without a part of what it passes. [`ordinary`] says nothing to the
//! compiler at all.

#[macro_use]
mod inferred;
pub mod kinds;
pub mod ordinary;

/// Functions with the attribute.
pub mod opaque {
    functions!(#[midair_macros::mockable]);
}

/// Functions that are out of line, and no more.
pub mod plain {
    functions!(#[inline(never)]);
}
