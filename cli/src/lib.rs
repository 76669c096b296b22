//! The parts of `cargo midair` that are tested on their own.

/// Hot reload: `cargo midair run`.
pub mod run {
    pub mod gate;
}
