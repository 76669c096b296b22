//! `cargo midair symbols`: the functions of a file or a process by name.
//!
//! [`find`] asks the file, or every module of the process in the order in
//! which they are mapped; [`text`] prints the table.

mod command;
mod find;
mod text;

pub(crate) use command::run;
