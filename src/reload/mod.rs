//! The in-process half of hot reload: an agent that loads code which another
//! process has linked, and leads the program's functions to it.
//!
//! - [`protocol`]: what `cargo midair run` and the agent say to each other.
//! - `agent`: a thread that answers. `developer`: the way back, for questions.
//! - `area`: address space in reach of the executable, kept for images.
//! - `caches`: what the program remembers of its modules is forgotten.
//! - `constants`: constants that are overwritten where they are.
//! - `generations`: what each reload has changed, who runs which, and the way back.
//! - `image`: an image is loaded at the address that it was linked to.
//! - `images`: all of them, and which can be unloaded; `scan`: who points into one.
//! - `active`: threads that are in old code.
//! - `listed`: what there is to say about generations.
//! - `pins`: who holds on to a generation.
//! - `reserve`: thread-local memory for thread-locals that come later.
//!
//! The agent knows nothing of sources, compilers, names of functions or layouts:
//! whoever sends an image vouches for it.

mod active;
mod agent;
mod area;
mod caches;
mod constants;
#[cfg(any(debug_assertions, feature = "control"))]
pub(crate) mod developer;
mod generations;
mod image;
mod images;
mod listed;
mod pins;
pub mod protocol;
mod reserve;
mod scan;

pub(crate) use agent::start;
#[doc(hidden)]
pub use area::address_space;
#[doc(hidden)]
pub use images::own_heap;
#[cfg(any(debug_assertions, feature = "control"))]
pub(crate) use listed::newest;
pub use listed::{Generation, NoGenerations, PinnedThread, generations};
#[doc(hidden)]
pub use pins::{Interface, interface};
pub use pins::{Pin, Pinned, pin, pinned};
