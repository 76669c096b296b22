//! A definition that was typed, in the place of one in a file that stays as it is.
//!
//! - [`definition`]: what was typed: `fn path::of::function(…) … { … }`.
//! - [`find`]: the function that is meant, in the sources of the crates.
//! - [`overlay`]: what rustc reads in place of files.
//!
//! The rest is what an edit is: rustc is called again, and what has changed goes live.

pub(crate) mod definition;
pub(crate) mod find;
pub(crate) mod overlay;
