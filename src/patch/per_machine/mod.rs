//! What a patch has to know of the machine beyond [`crate::machine`]: where
//! gates may lie, which bytes belong to a site, what a breakpoint looks like.
//!
//! Both files have the same names.

#[cfg(target_arch = "aarch64")]
mod aarch64;
#[cfg(target_arch = "x86_64")]
mod x86_64;

#[cfg(target_arch = "aarch64")]
pub(super) use aarch64::*;
#[cfg(target_arch = "x86_64")]
pub(super) use x86_64::*;
