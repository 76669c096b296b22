//! The order of writes that lets threads run on while entries change.
//!
//! A [`Change`](super::change::Change) replaces a few bytes at one entry; each machine has rules of its
//! own for that ([`x86_64`], [`aarch64`]).

#[cfg(target_arch = "aarch64")]
mod aarch64;
#[cfg(target_arch = "x86_64")]
mod x86_64;

#[cfg(target_arch = "aarch64")]
pub use aarch64::allow_unsanctioned_stores;
#[cfg(target_arch = "aarch64")]
pub(crate) use aarch64::apply;
#[cfg(target_arch = "x86_64")]
pub(crate) use x86_64::apply;
