//! Generations in one process: its own agent, asked over a socket as `cargo midair
//! run` asks it. What reloads lead functions to is in the program already.

mod agent;
mod caches;
#[cfg(feature = "tower")]
mod layer;
mod load;
mod pins;
mod undo;
mod versions;
