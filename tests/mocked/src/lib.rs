//! Code as it is written every day, on other people's crates.
