//! What the compiler knew of a function and its symbol does not tell.
//!
//! - [`copies`]: every copy of it in this process, in other crates and modules.
//! - [`inlined`]: who has it inlined, where, and in which lines.
//! - [`traceless`]: whether it may be inlined and nothing tells.
//! - [`folded`]: whether other functions share its code.
//! - [`signature`]: the types of its parameters and its result.
//! - [`coroutine`]: where a future of an `async fn` keeps its arguments.
//!
//! All but [`copies`] and [`folded`] read DWARF, of the module itself or of its
//! debug file, and say [`Unknown`] where there is none. A file's DWARF is walked
//! once, by [`scan`], when it is first asked; every question after it goes to
//! the few entries it is about. Split DWARF (`.dwo`) and compressed sections are
//! not read.
//!
//! The walk does 12 ns of work for each byte of `.debug_info` where this crate is
//! not optimised, 3 ns where it is, shared among up to eight threads
//! (`debug::tests::timing` prints times for any file).

mod abbreviations;
mod copies;
mod coroutine;
mod coverage;
mod declaration;
mod folded;
mod forms;
mod function;
mod index;
mod inlined;
mod instance;
mod reader;
mod scan;
mod signature;
mod table;
mod traceless;
mod type_name;
mod types;
mod unknown;

pub(crate) use copies::copies;
pub(crate) use coroutine::{Coroutine, coroutine};
pub(crate) use folded::folded;
pub(crate) use inlined::{Inlined, inlined};
pub(super) use reader::DebugSlot;
#[allow(
    unused_imports,
    reason = "named by `control`, which release builds leave out"
)]
pub(crate) use signature::Signature;
pub(crate) use signature::{Comparison, keeps_signature, signature};
pub(crate) use traceless::traceless;
pub(crate) use types::Type;

#[cfg(test)]
use unknown::Unknown;

#[cfg(test)]
mod tests;
