//! Memory comes back.
