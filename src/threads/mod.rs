//! Threads: how many there are, making their cores see new code, and moving
//! those that are inside of bytes that change.
//!
//! - [`count`]: is anybody else running?
//! - [`sync`]: `membarrier`, so that no core executes stale code.
//! - [`trap`]: the SIGTRAP handler, which asks a table where a thread that met
//!   a trap byte has to go.
//! - [`blocked`]: no thread blocks the signal of a trap meanwhile.
//! - [`live`]: the order of writes that lets all of them run on.
//! - `hold` (aarch64): nobody runs while an instruction is exchanged.
//! - [`emulated`]: whether `/proc` speaks of our threads at all.
//! - [`rest`]: a stretch of time in which no other thread runs.
//! - `quiet`: threads of midair's own.
//! - [`look`]: what each thread is doing, without stopping it or waking it:
//!   [`tasks`] lists them, [`sleeper`] reads those that sleep, [`ask`] and
//!   [`answer`] make those that run copy themselves, [`front`] keeps the signal
//!   for that; [`view`] is what was seen, [`frames`] walks it.
//!
//! What differs from one machine to the next is in [`machine`] and in files of
//! the machines' names.
//!
//! This layer knows addresses, not patches: `patch` fills the table.

mod answer;
mod ask;
pub(crate) mod blocked;
pub(crate) mod change;
pub(crate) mod count;
mod emulated;
pub(crate) mod frames;
mod front;
#[cfg(target_arch = "aarch64")]
pub(crate) mod hold;
pub(crate) mod live;
pub(crate) mod look;
pub(crate) mod machine;
pub(crate) mod own_memory;
pub(crate) mod quiet;
pub(crate) mod registers;
pub(crate) mod rest;
mod sleeper;
pub(crate) mod stretch;
pub(crate) mod sync;
pub(crate) mod system_call;
pub(crate) mod tasks;
pub(crate) mod trap;
pub(crate) mod view;

#[cfg(test)]
mod tests;
