//! What the debug information says about a function that is to be mocked.

use super::error::MockError;
use crate::symbols;

/// The name of the function at `at`, for people.
pub(super) fn name(at: usize) -> String {
    let at = format!("{at:#x}");
    symbols::symbol(&at).map_or(at, |symbol| symbol.name)
}

/// All copies of the function at `at`, that one among them.
pub(super) fn copies(at: usize) -> Result<Vec<usize>, MockError> {
    Ok(vec![at])
}
