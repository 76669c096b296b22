//! Workloads: what real programs ask of a library, with one [`Digest`] over all
//! that it answered.
//!
//! Each is loaded from a path, so that it runs a library of ours or the
//! system's. A workload's digest is the same each time for the same library;
//! of two versions of a library it may differ. What is random by design (keys,
//! randomised signatures) is checked, not digested.
//!
//! [`Digest`]: crate::Digest

pub mod crypto;
pub mod sqlite;
pub mod zlib;
