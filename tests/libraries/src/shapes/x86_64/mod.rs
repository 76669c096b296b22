//! The shapes of x86-64.

mod marks;
mod meanings;
mod table;

pub(super) use marks::{KEPT, call_with_marks};
pub use marks::{R10_BEFORE, R11_BEFORE, RAX_BEFORE};
pub use table::SHAPES;
