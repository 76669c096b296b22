//! Patches: the registry of all sites and what users hold of it.
//!
//! - [`locate`]: from an address to the function there and what is around it.
//! - [`plan`]: the best rung of the ladder that can be had, and its memory.
//! - [`site`]: one patched function: its gate, its copy, the stack of patches.
//! - [`sites`]: all of them, found by their function's address.
//! - [`staged`]: code that is about to be written.
//! - [`registry`]: all sites, behind one lock; every change goes through it.
//! - `listed`: what is patched, for the control socket.
//! - [`lock`]: that lock, which is fair.
//! - [`handle`]: [`RawPatch`] and [`Patch`], which take a patch off when dropped.
//! - [`transaction`]: many changes, all or none.
//! - [`fork`]: the locks across a fork.
//! - [`perf_map`]: names of gates and copies for profilers.
//! - [`arrival`]: how generated code hands an address to a function of any type.
//! - [`selector`]: calls go one way or the other, by the calling thread.
//! - [`versions`]: calls go to one of several versions, by the thread that makes them.
//! - [`function`], [`closure`]: function pointers and closures as replacements.
//!
//! What differs from one machine to the next is in [`per_machine`] and in files
//! of the machines' names.
//!
//! Calls of patched functions never come here: they go through code and one
//! pointer. Only changes take the lock.

pub(crate) mod arrival;
mod atomic;
mod choosing;
mod closure;
mod consistency;
mod entry;
mod fork;
mod function;
mod handle;
pub(crate) mod inside;
pub(crate) mod leads;
mod limbo;
#[cfg(any(debug_assertions, feature = "control"))]
pub(crate) mod listed;
mod locate;
mod lock;
mod original;
mod per_machine;
mod per_thread;
mod perf_map;
mod plan;
mod quiescent;
mod reclaim;
mod registry;
pub(crate) mod selector;
mod site;
mod sites;
mod staged;
mod transaction;
pub(crate) mod versions;

pub use closure::{Closure, patch_closure};
pub use consistency::{Consistency, Holdout, Whereabouts};
pub use function::FnPtr;
pub use handle::{Patch, Patches, RawPatch, patch, patch_raw, patch_symbol};
pub use locate::ImageSurroundings;
pub use per_thread::Transition;
pub use perf_map::{PerfMapError, perf_map};
pub use plan::{Plan, can_patch};
pub use reclaim::{Reclaimed, Stats, reclaim, stats};
pub use registry::unpatch_all;
pub use transaction::{Committed, Transactable, Transaction};
