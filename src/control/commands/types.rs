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
    fits(&known(target)?, &known(replacement)?)
}

fn fits(target: &Signature, replacement: &Signature) -> Result<(), String> {
    for one in [target, replacement] {
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
        text(target),
        replacement.function,
        text(replacement)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn signature(parameters: &[(&str, u64)], (result, size): (&str, u64)) -> Signature {
        let kind = |name: &str, size| Type {
            name: name.to_owned(),
            size: Some(size),
            is_rust: true,
        };
        let parameters = parameters.iter();
        Signature {
            function: "f".to_owned(),
            parameters: parameters
                .map(|(name, size)| Some(kind(name, *size)))
                .collect(),
            result: kind(result, size),
            is_kept: true,
        }
    }

    #[test]
    fn what_differs_in_one_type_or_is_called_otherwise_does_not_fit() {
        let target = signature(&[("u32", 4), ("app::S", 8)], ("u8", 1));
        assert_eq!(fits(&target, &target), Ok(()));
        for other in [
            signature(&[("u32", 4)], ("u8", 1)),
            signature(&[("u32", 4), ("app::R", 8)], ("u8", 1)),
            signature(&[("u32", 4), ("app::S", 16)], ("u8", 1)),
            signature(&[("app::S", 8), ("u32", 4)], ("u8", 1)),
            signature(&[("u32", 4), ("app::S", 8)], ("bool", 1)),
            signature(&[("u32", 4), ("app::S", 8)], ("()", 0)),
        ] {
            let why = fits(&target, &other).unwrap_err();
            assert!(why.ends_with("; nothing was patched"), "{why}");
            assert!(fits(&other, &target).is_err());
        }
        let closure = signature(&[("app::f::{closure_env#0}", 8)], ("u8", 1));
        assert!(fits(&closure, &closure).is_err());
        let mut unknown = target.clone();
        unknown.parameters[0] = None;
        assert!(fits(&unknown, &unknown).is_err());
        let mut changed = target.clone();
        changed.is_kept = false;
        for (target, replacement) in [(&target, &changed), (&changed, &target)] {
            let why = fits(target, replacement).unwrap_err();
            assert!(why.starts_with("the optimiser has changed"), "{why}");
        }
    }
}
