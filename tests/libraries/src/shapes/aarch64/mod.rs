//! The shapes of aarch64.

mod probe;
mod table;

pub use probe::{Disturbed, probe};
pub use table::SHAPES;
