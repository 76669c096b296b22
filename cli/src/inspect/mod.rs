//! `cargo midair inspect`: how one function of a file would be patched.
//!
//! [`choose`] finds the function, [`report`] says what would be written and
//! why so, [`notes`] what to keep in mind, [`text`] prints it. Addresses of
//! copies and gates are examples: a process finds its own.

mod choose;
mod command;
mod notes;
mod report;
mod text;

pub(crate) use command::run;
