//! `cargo midair coverage`: how the functions of files could be patched.
//!
//! [`measure`] decides every function of a file, [`tally`] counts, [`text`]
//! prints. Functions are those of unwind information and symbols; stubs of the
//! dynamic linker and parts that were split off (`.cold`) are not counted.

mod command;
mod listed;
mod measure;
mod tally;
mod text;

pub(crate) use command::run;
