//! The protocols of midair, checked in all their states.
//!
//! Stress tests meet the interleavings that a machine happens to run; this
//! meets all of them, of small models: `cargo test -p midair-model`. The models
//! know nothing of the library, so whoever changes a protocol changes both. A
//! mutant that fails stands beside each part of a protocol, and says what that
//! part is for (`-- --nocapture` prints how it fails, step by step).
//!
//! | module | model |
//! |---|---|
//! | `checker` | visits all states, finds a shortest way to a flaw |
//! | `code` | the bytes of an entry, and what a core may see of them |
//! | `writer` | midair: the steps of installing, removing, giving back |
//! | `reader` | a thread: instructions, signals, traps |
//! | `patching` | a writer and two readers together |
//! | `live_writes`, `reclaim` | what is proven of these |
//! | `atomic`, `quiescent`, `per_thread` | several functions that change together |
//! | `generations` | threads that keep to one version of all functions |
#![cfg(test)]

mod atomic;
mod checker;
mod code;
mod generations;
mod live_writes;
mod patching;
mod per_thread;
mod quiescent;
mod reader;
mod reclaim;
mod stacks;
mod writer;
