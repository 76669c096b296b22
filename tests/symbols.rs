//! Symbols against real things: this process, its libraries, and fixtures
//! built by the compilers that every user has.

#[path = "symbols/build.rs"]
mod build;
#[path = "symbols/debug_files.rs"]
mod debug_files;
#[path = "symbols/extents.rs"]
mod extents;
#[path = "symbols/malformed.rs"]
mod malformed;
#[path = "symbols/modules.rs"]
mod modules;
#[path = "symbols/queries.rs"]
mod queries;
#[path = "symbols/rust_names.rs"]
mod rust_names;
#[path = "symbols/timing.rs"]
mod timing;
