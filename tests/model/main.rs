//! The protocols of midair, checked in all their states.

mod checker;
mod code;
mod live_writes;
mod patching;
mod reader;
mod reclaim;
mod writer;
