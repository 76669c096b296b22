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

/// The name of the `async fn` whose future is polled by the function at `at`.
pub(super) fn async_name(at: usize) -> String {
    let name = name(at);
    let own = ["::{closure#0}", "::{{closure}}", "::{async_fn#0}"];
    let cut = own.iter().find_map(|end| name.strip_suffix(end));
    cut.map_or(name.clone(), str::to_owned)
}
