//! Memory: writing code that others may be executing, and getting memory where
//! a jump can lead.
//!
//! - [`write`]: two ways of writing into code that stays executable throughout.
//! - [`arena`]: gates, copies and pointer slots in reach of their targets.
//! - [`frames`]: what unwinders are told about that code.
//! - [`unwinder`]: how they are told.
//! - [`layout`]: where the address space is free.
//! - [`own_file`]: files of `/proc/self`, if they still are.
//! - [`cache`]: what has to be executed before written code is fetched.
//! - `probe` (aarch64): whether what is written is what is executed.
//! - [`process`]: which process this is, also after a fork.
//!
//! What order bytes must be written in, while threads run, is the business of
//! [`crate::threads::live`]; nothing here knows of functions or patches.

pub(crate) mod arena;
pub(crate) mod cache;
pub(crate) mod frames;
pub(crate) mod layout;
pub(crate) mod own_file;
#[cfg(target_arch = "aarch64")]
mod probe;
pub(crate) mod process;
pub(crate) mod unwinder;
pub(crate) mod write;
