//! `#[mockable]`: functions that stay mockable in optimised test builds.
//!
//! [midair](https://docs.rs/midair) mocks a function by patching its code. That
//! has no effect on a caller into which the optimiser has put a copy of the
//! function, nor on one that needs no call any more as the optimiser knows what
//! the call does. [`macro@mockable`] takes both away from the optimiser, in
//! builds in which midair takes part. In all others it is nothing: the tokens that
//! it gets are the tokens that it returns.
//!
//! ```
//! # use midair_macros::mockable;
//! #[mockable]
//! pub fn price(of: &str) -> u32 {
//!     of.len() as u32
//! }
//!
//! struct Till {
//!     sum: u32,
//! }
//!
//! #[mockable]
//! impl Till {
//!     fn new() -> Till {
//!         Till { sum: 0 }
//!     }
//!     fn add(&mut self, of: &str) {
//!         self.sum += price(of);
//!     }
//! }
//! # let mut till = Till::new();
//! # till.add("tea");
//! # assert_eq!(till.sum, 3);
//! ```
//!
//! # When it has an effect
//!
//! This crate has a feature, `mockable`, that midair turns on (its own feature of
//! that name, a default one, does). So all crates of a build see the attribute
//! work if midair is part of that build:
//!
//! ```toml
//! [dependencies]
//! midair-macros = "0.1"
//!
//! [dev-dependencies]
//! midair = "0.1"
//! ```
//!
//! Cargo counts dev-dependencies only where it builds tests, examples or benches:
//! `cargo test --release` has mockable functions, in the crate itself and in its
//! dependencies, `cargo build --release` has none. `cfg(test)` would reach the
//! unit tests of one crate and nothing below them; a `--cfg` could be forgotten,
//! and then mocks would have no effect and nobody would say so; and
//! `debug_assertions` are off where this is for.
//!
//! Three things follow. Programs that `cargo test` builds on the way, for
//! integration tests, have mockable functions: ship those of `cargo build`. With
//! `resolver = "1"` (a workspace without a package of its own has it, if it does
//! not say otherwise) dev-dependencies always count: say `resolver = "2"` or later.
//! And who has midair among ordinary dependencies says `default-features = false`
//! there.
//!
//! # What it does
//!
//! - The function is `#[inline(never)]`; an `inline` of its own is dropped.
//! - Its body moves to a closure, which it calls by a pointer that the optimiser
//!   cannot follow. So it may return anything, or never, unwind, read and write
//!   any memory, keep its arguments, and use all of them.
//! - Its own address is known to nobody knows whom, so that nobody is known to be
//!   its only caller: parameters are not dropped, made constant or passed in
//!   another way, and no copy of it is made for one caller.
//! - It names itself where code is compared, so that it is folded with no other.
//! - The future of an `async fn` is treated so as well, and polled out of line.
//!
//! A call then costs about a nanosecond more.
//!
//! # What it does not do
//!
//! `const fn` and `#[track_caller]` are errors. Closures, and functions that are
//! not written in Rust, have no attribute.

mod error;
mod expand;
mod function;
mod item;
mod template;

use proc_macro::TokenStream;

/// Keeps a function, or all functions of an `impl` block, mockable in optimised
/// builds; see [the crate](crate).
///
/// A function has to be able to name itself. A method does so by its receiver, and
/// what says `Self` is known to be in an `impl`. Of all others in an `impl`, and
/// of those in an `impl` of a trait that is not in scope, the attribute has to be
/// told, or put on the block:
///
/// ```
/// # use midair_macros::mockable;
/// struct Dice;
///
/// impl Dice {
///     #[mockable(Self)]
///     fn sides() -> u32 {
///         6
///     }
/// }
///
/// impl std::fmt::Display for Dice {
///     #[mockable(std::fmt::Display)]
///     fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
///         write!(f, "d{}", Dice::sides())
///     }
/// }
/// # assert_eq!(Dice.to_string(), "d6");
/// ```
#[proc_macro_attribute]
pub fn mockable(argument: TokenStream, item: TokenStream) -> TokenStream {
    match item::mockable(argument, item.clone()) {
        Ok(opaque) if cfg!(feature = "mockable") => opaque,
        Ok(_) => item,
        Err(error) => error.with(item),
    }
}
