//! `cargo midair run`: every edit of the sources becomes live in the running
//! program, and its state is kept.
//!
//! - [`capture`]: how cargo has called rustc, so that it can be called again.
//! - [`build`]: what cargo has built, and whether it can be reloaded. [`inputs`]: what
//!   cargo reads and rustc does not. [`identity`]: crates that cargo takes for others.
//!   [`toolchain`]: compilers that are known.
//! - [`quiet`]: a command that nobody waits for.
//! - [`process`]: the program, and the agent in it. [`runner`]: what starts programs
//!   of another machine.
//! - [`watch`]: files that were edited.
//! - [`replay`]: rustc again, without a linker.
//! - [`shadow`]: the sources as rustc reads them, so that nothing moves.
//! - [`units`]: the objects that have changed.
//! - [`changes`]: the functions in them that have. [`renamed`]: those with new symbols.
//! - [`judge`]: what the gate says of an edit. [`partial`]: the part of a refused one that
//!   can be applied alone.
//! - [`object`]: one object. [`names`]: where everything is. [`pool`]: where what
//!   is missing is found. [`link`]: the image of an edit. [`machine`]: what differs
//!   between processors.
//! - [`eval`]: a definition that was typed.
//! - [`lines`]: the source line of an address.
//! - [`check`]: an edit without a program. [`base`]: what it is compared with.
//! - [`session`]: one edit after the other. [`report`]: what is said of each.
//!
//! What is not here: everything that touches the program's memory, which is the
//! agent's (`midair::reload`).

pub(crate) mod capture;

mod agent_file;
mod base;
mod build;
mod changes;
mod check;
mod conventions;
mod crates;
mod eval;
mod identity;
mod inputs;
mod judge;
mod lines;
mod link;
mod machine;
mod names;
mod object;
mod partial;
mod pool;
mod process;
mod quiet;
mod renamed;
mod replay;
mod report;
mod runner;
mod session;
mod shadow;
mod toolchain;
mod units;
mod watch;

use crate::args::{Check, Run};
use crate::error::Error;
use std::process::ExitCode;

/// Builds, runs, and reloads until the program ends.
pub(crate) fn run(args: &Run) -> Result<ExitCode, Error> {
    session::run(args).map_err(|why| Error::Run { why })
}

/// Tells whether the edit on disk would become live.
pub(crate) fn check(args: &Check) -> Result<ExitCode, Error> {
    check::check(args).map_err(|why| Error::Run { why })
}
