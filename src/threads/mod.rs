//! Threads: how many there are, making their cores see new code, and moving
//! those that are inside of bytes that change.
//!
//! - [`count`]: is anybody else running?
//! - [`sync`]: `membarrier`, so that no core executes stale code.
//! - [`trap`]: the SIGTRAP handler, which asks a table where a thread that met
//!   a trap byte has to go.
//! - [`live`]: the order of writes that lets all of them run on.
//!
//! This layer knows addresses, not patches: `patch` fills the table.

pub(crate) mod count;
pub(crate) mod live;
pub(crate) mod sync;
pub(crate) mod trap;
