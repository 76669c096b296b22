//! What unwinders are told about code of the arena.

#[cfg(target_arch = "aarch64")]
mod aarch64;
#[cfg(target_arch = "x86_64")]
mod x86_64;

#[cfg(target_arch = "aarch64")]
pub(crate) use aarch64::{AnnouncedPage, FrameTable};
#[cfg(target_arch = "x86_64")]
pub(crate) use x86_64::{AnnouncedPage, FrameTable};
