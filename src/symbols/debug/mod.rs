//! What the compiler knew of a function and its symbol does not tell.
//!
//! - [`copies`]: every copy of it in this process, in other crates and modules.
//! - [`inlined`]: who has it inlined, where, and in which lines.
//! - [`folded`]: whether other functions share its code.
//! - [`signature`]: the types of its parameters and its result.
//! - [`coroutine`]: where a future of an `async fn` keeps its arguments.
//!
//! All but the first and the third read DWARF, of the module itself or of its
//! debug file, and say [`Unknown`] where there is none. A file's DWARF is walked
//! once, by [`scan`], when it is first asked; every question after it goes to
//! the few entries it is about. Split DWARF (`.dwo`) and compressed sections are
//! not read.

mod abbreviations;
mod copies;
mod coroutine;
mod coverage;
mod declaration;
mod forms;
mod function;
mod index;
mod inlined;
mod instance;
mod reader;
mod scan;
mod types;
mod unknown;

pub(crate) use copies::{Copies, copies};
pub(crate) use coroutine::{Argument, Coroutine, coroutine};
pub(crate) use inlined::{Inlined, InlinedInto, inlined};
pub(super) use reader::DebugSlot;
pub(crate) use types::Type;
pub(crate) use unknown::Unknown;

#[cfg(test)]
mod tests;
