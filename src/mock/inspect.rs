//! What the debug information says about a function that is to be mocked.

use super::error::MockError;
use super::signature::{Arguments, Signature};
use crate::Error;
use crate::symbols::debug::{self, Comparison, Inlined, Type};
use crate::symbols::{self, Symbol};
use std::any::type_name;

/// The name of the function at `at`, for people.
pub(super) fn name(at: usize) -> String {
    let at = format!("{at:#x}");
    symbols::symbol(&at).map_or(at, |symbol| symbol.name)
}

/// All copies of the function at `at`, that one among them.
///
/// # Errors
///
/// [`MockError::Copies`] if functions may be copies and nothing tells,
/// [`MockError::Changed`] if one is not called as its type says.
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
    for &copy in &all {
        // An optimiser that knows all callers leaves out arguments.
        if let Ok(false) = debug::keeps_signature(copy) {
            return Err(MockError::Changed {
                function: name(copy),
            });
        }
    }
    Ok(all)
}

/// Makes sure that the code at `at` is that of one function only, the one that the
/// compiler calls `item`.
///
/// # Errors
///
/// [`MockError::Folded`].
pub(super) fn is_one(at: usize, item: Option<&str>) -> Result<(), MockError> {
    let folded = debug::folded(at, item.unwrap_or_default());
    if let Ok(folded) = folded {
        let is_other = item.is_some() && folded.is_expected == Some(false);
        if !folded.others.is_empty() || is_other {
            let function = item.map_or_else(|| name(at), str::to_owned);
            let mut others = folded.others;
            if is_other {
                others.push(name(at));
            }
            return Err(MockError::Folded { function, others });
        }
    }
    Ok(())
}

/// The function called `query`, whose type is `P`.
pub(super) fn named<P: Signature>(query: &str) -> Result<P, MockError> {
    let symbol = symbols::symbol(query).map_err(Error::from)?;
    let at = symbol.address as usize;
    let found = debug::signature(at).map_err(|unknown| MockError::Unchecked {
        function: symbol.name.clone(),
        why: unknown.to_string(),
    })?;
    if !found.is_kept {
        let function = symbol.name;
        return Err(MockError::Changed { function });
    }
    let names = P::Args::names();
    let sizes = P::Args::SIZES;
    let called = |kind: &Option<Type>| kind.as_ref().map_or("?".to_owned(), |k| k.name.clone());
    let mismatch = || MockError::Signature {
        function: symbol.name.clone(),
        given: format!("fn({}) -> {}", names.join(", "), type_name::<P::Ret>()),
        found: format!(
            "fn({}) -> {}",
            found
                .parameters
                .iter()
                .map(called)
                .collect::<Vec<_>>()
                .join(", "),
            found.result.name,
        ),
    };
    if found.parameters.len() != names.len() {
        return Err(mismatch());
    }
    let same = |(found, (name, size)): (&Option<Type>, (&&str, &usize))| {
        found
            .as_ref()
            .is_some_and(|found| found.compare(name, *size) == Comparison::Equal)
    };
    let given = names.iter().zip(sizes);
    let result = found
        .result
        .compare(type_name::<P::Ret>(), size_of::<P::Ret>());
    if !found.parameters.iter().zip(given).all(same) || result != Comparison::Equal {
        return Err(mismatch());
    }
    // SAFETY: a function of this type is there.
    Ok(unsafe { P::from_address(symbol.address) })
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
    let (certain, uncertain): (Vec<_>, Vec<_>) =
        others.into_iter().partition(|place| place.is_certain);
    if !certain.is_empty() {
        let callers = listed(&certain);
        return Err(MockError::Inlined { function, callers });
    }
    if !uncertain.is_empty() {
        let mut why = vec![
            "there are line tables only, in which a function has no full name; \
             one of that name was inlined into"
                .to_owned(),
        ];
        why.extend(listed(&uncertain));
        return Err(MockError::NotKnown { function, why });
    }
    // Functions of C are reached by their symbol from outside of their library;
    // inside it, only what is known to be inlined can be told.
    if !into.unknown.is_empty() && is_rust(at) {
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

fn is_rust(at: usize) -> bool {
    let symbol = symbols::symbol(&format!("{at:#x}"));
    symbol.is_ok_and(|symbol| symbol.name != symbol.raw_name)
}

/// So many callers are listed.
const LISTED: usize = 10;

fn listed(places: &[Inlined]) -> Vec<String> {
    let mut callers: Vec<String> = places.iter().map(caller).collect();
    callers.sort();
    callers.dedup();
    if callers.len() > LISTED {
        let more = callers.len() - LISTED;
        callers.truncate(LISTED);
        callers.push(format!("and {more} more"));
    }
    callers
}

fn caller(place: &Inlined) -> String {
    let at = place
        .call
        .as_ref()
        .map_or(String::new(), |(file, line)| format!(" at {file}:{line}"));
    format!("{}{at}", place.caller)
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
