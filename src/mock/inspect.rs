//! What the debug information says about a function that is to be mocked.

use super::error::MockError;
use crate::symbols::debug::{self, Inlined};
use crate::symbols::{self, Symbol};

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

/// Callers that a mock of the function at `at` does not reach, because it is
/// inlined there, but which only concern the standard library itself.
///
/// # Errors
///
/// [`MockError::Inlined`] if there are others, [`MockError::NotKnown`] if it cannot
/// be known.
pub(super) fn not_reached(at: usize) -> Result<Vec<String>, MockError> {
    let Ok(into) = debug::inlined(at) else {
        return Err(MockError::NotKnown {
            function: name(at),
            why: vec!["nothing has a name at its address".to_owned()],
        });
    };
    let function = name(at);
    let is_standard = standard(&function);
    let (own, others): (Vec<_>, Vec<_>) = into
        .places
        .into_iter()
        .partition(|place| is_standard && standard(&place.caller));
    if !others.is_empty() {
        let callers = others.iter().map(caller).collect();
        return Err(MockError::Inlined { function, callers });
    }
    if !into.unknown.is_empty() {
        let why = into
            .unknown
            .into_iter()
            .map(|(_, why)| why.to_string())
            .collect();
        return Err(MockError::NotKnown { function, why });
    }
    let mut own: Vec<String> = own.iter().map(caller).collect();
    own.dedup();
    Ok(own)
}

fn caller(place: &Inlined) -> String {
    let at = place
        .call
        .as_ref()
        .map_or(String::new(), |(file, line)| format!(" at {file}:{line}"));
    let doubt = if place.is_certain {
        ""
    } else {
        " (or another function of that name)"
    };
    format!("{}{at}{doubt}", place.caller)
}

/// Whether a function is of the standard library.
fn standard(name: &str) -> bool {
    let path = name.trim_start_matches(['<', '&', '*']);
    ["std::", "core::", "alloc::"]
        .iter()
        .any(|of| path.starts_with(of))
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
