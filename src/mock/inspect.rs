//! What the debug information says about a function that is to be mocked.

use super::error::MockError;
use crate::symbols::{self, Symbol, debug};

/// The name of the function at `at`, for people.
pub(super) fn name(at: usize) -> String {
    let at = format!("{at:#x}");
    symbols::symbol(&at).map_or(at, |symbol| symbol.name)
}

/// All copies of the function at `at`, that one among them.
///
/// # Errors
///
/// [`MockError::Copies`] if functions may be copies and nothing tells.
pub(super) fn copies(at: usize) -> Result<Vec<usize>, MockError> {
    let Ok(copies) = debug::copies(at) else {
        // Nothing has a name there: a stripped program. What may be patched says
        // the engine.
        return Ok(vec![at]);
    };
    if !copies.uncertain.is_empty() {
        return Err(MockError::Copies {
            function: name(at),
            uncertain: copies.uncertain.into_iter().map(describe).collect(),
        });
    }
    let mut all: Vec<usize> = copies
        .same
        .iter()
        .map(|symbol| symbol.address as usize)
        .collect();
    if !all.contains(&at) {
        all.push(at);
    }
    Ok(all)
}

fn describe(symbol: Symbol) -> String {
    format!(
        "{} at {:p} in {}",
        symbol.name, symbol.address, symbol.module
    )
}

/// The name of the `async fn` whose future is polled by the function at `at`.
pub(super) fn async_name(at: usize) -> String {
    let name = name(at);
    let own = ["::{closure#0}", "::{{closure}}", "::{async_fn#0}"];
    let cut = own.iter().find_map(|end| name.strip_suffix(end));
    cut.map_or(name.clone(), str::to_owned)
}
