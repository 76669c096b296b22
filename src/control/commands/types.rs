//! Whether one function may stand in for another, by what debug information says of
//! their types.
//!
//! Compared are the number of parameters, and the names and sizes of their types and of
//! the result; and that the optimiser has left both as they are declared. Not
//! compared, because it is not told: the calling convention (`extern "C"` or not),
//! lifetimes, and what is inside of a type whose name and size are the same.

use crate::symbols::debug::{self, Signature, Type};

/// The type of a function in words.
pub(super) fn of(at: usize) -> Result<String, String> {
    let signature = debug::signature(at).map_err(|unknown| unknown.to_string())?;
    Ok(text(&signature))
}

/// Nothing, if the function at `replacement` has the type of that at `target`.
pub(super) fn check(target: usize, replacement: usize) -> Result<(), String> {
    let known = |at| {
        let signature: Result<Signature, _> = debug::signature(at);
        signature.map_err(|unknown| {
            format!(
                "types are not compared: {unknown}; or write `patch --unchecked`, if you know \
                 that they are the same"
            )
        })
    };
    let (target, replacement) = (known(target)?, known(replacement)?);
    for one in [&target, &replacement] {
        if !one.is_kept {
            return Err(format!(
                "the optimiser has changed how {} is called; build it at opt-level 0",
                one.function
            ));
        }
    }
    let is_same = target.parameters.len() == replacement.parameters.len()
        && same(&target.result, &replacement.result)
        && target
            .parameters
            .iter()
            .zip(&replacement.parameters)
            .all(|pair| matches!(pair, (Some(a), Some(b)) if same(a, b)));
    if is_same {
        return Ok(());
    }
    Err(format!(
        "{} is {}, and {} is {}; nothing was patched",
        target.function,
        text(&target),
        replacement.function,
        text(&replacement)
    ))
}

/// Closures and futures of one function have one name.
fn same(a: &Type, b: &Type) -> bool {
    a.name == b.name && a.size == b.size && a.size.is_some() && !a.name.contains('{')
}

fn text(signature: &Signature) -> String {
    let name = |kind: &Option<Type>| kind.as_ref().map_or("?", |kind| &kind.name).to_owned();
    let parameters: Vec<String> = signature.parameters.iter().map(name).collect();
    let result = match signature.result.name.as_str() {
        "()" => String::new(),
        result => format!(" -> {result}"),
    };
    format!("fn({}){result}", parameters.join(", "))
}
