//! What the commands print, on a library of fixed bytes and on bad input.
//!
//! The snapshots under `tests/snapshots` are written anew with
//! `SNAPSHOTS=overwrite cargo test -p cargo-midair`; read the difference.

#[path = "commands/aarch64.rs"]
mod aarch64;
#[path = "commands/bad_input.rs"]
mod bad_input;
#[path = "commands/coverage.rs"]
mod coverage;
#[path = "commands/fixture.rs"]
mod fixture;
#[path = "commands/inspect.rs"]
mod inspect;
#[path = "commands/symbols.rs"]
mod symbols;
