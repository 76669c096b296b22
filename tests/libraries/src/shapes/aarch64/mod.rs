//! The shapes of aarch64.

mod marks;
mod table;

pub(super) use marks::{KEPT, call_with_marks};
pub use table::SHAPES;
