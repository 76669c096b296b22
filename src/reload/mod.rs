//! The in-process half of hot reload: an agent that loads code which another
//! process has linked, and leads the program's functions to it.
//!
//! - [`protocol`]: what `cargo midair run` and the agent say to each other.
//! - `agent`: a thread that answers. `developer`: the way back, for questions.
//! - `area`: address space in reach of the executable, kept for images.
//! - `caches`: what the program remembers of its modules is forgotten.
//! - `generations`: what each reload has changed, and the way back.
//! - `image`: an image is loaded at the address that it was linked to.
//! - `reserve`: thread-local memory for thread-locals that come later.
//! - `swaps`: the patches of a reload, changed in one transaction.
//!
//! The agent knows nothing of sources, compilers, names of functions or layouts:
//! whoever sends an image vouches for it.

mod agent;
mod area;
mod caches;
#[cfg(any(debug_assertions, feature = "control"))]
pub(crate) mod developer;
mod generations;
mod image;
pub mod protocol;
mod reserve;
mod swaps;

pub(crate) use agent::start;
