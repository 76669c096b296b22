//! Whether a function shares its code with others.
//!
//! rustc has LLVM merge functions that are equal (`opt-level` 2 and more; a
//! linker may do so too). Of functions that others can see, both names stay, at
//! one address. Of others one name is left: the address of `two` is then that
//! of a function that is called `one`. So it takes what the caller takes the
//! function for to notice that.

use super::instance::Instance;
use crate::symbols::error::SymbolError;
use crate::symbols::module::module_at;
use crate::symbols::names;
use crate::symbols::query::symbol;

/// Who else is at a function's address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Folded {
    /// Other functions with the same code: a patch would change them all.
    pub(crate) others: Vec<String>,
    /// Whether one of the names there is the one that was expected; none if
    /// that cannot be known.
    pub(crate) is_expected: Option<bool>,
}

/// Who shares the code of the function at `address`, of which
/// [`std::any::type_name_of_val`] says `type_name`.
///
/// # Errors
///
/// As [`symbol`]: nothing starts there.
pub(crate) fn folded(address: usize, type_name: &str) -> Result<Folded, SymbolError> {
    let own = symbol(&format!("{address:#x}"))?;
    let module = module_at(address);
    let image = module
        .as_ref()
        .and_then(|module| Some((module, module.image().ok()?)));
    let Some((module, image)) = image else {
        return Ok(Folded {
            others: Vec::new(),
            is_expected: None,
        });
    };
    let mut found: Vec<(Instance, String)> = Vec::new();
    for named in image.names().at(image, module.file_address(address).0) {
        let instance = Instance::of(&named.name.base);
        if !names::is_fragment(&named.name.base) && !found.iter().any(|(one, _)| *one == instance) {
            found.push((instance, named.name.display()));
        }
    }
    let agree: Vec<Option<bool>> = found
        .iter()
        .map(|(instance, name)| is_called(instance, name, type_name))
        .collect();
    let is_expected = if agree.contains(&Some(true)) {
        Some(true)
    } else if agree.contains(&None) || agree.is_empty() {
        None
    } else {
        Some(false)
    };
    // The one that is meant: else the one that is shown.
    let meant = agree.iter().position(|agrees| *agrees == Some(true));
    let meant = meant.or_else(|| found.iter().position(|(_, name)| *name == own.name));
    // C libraries give their functions several names on purpose.
    let is_rust = found
        .iter()
        .any(|(one, _)| !matches!(one, Instance::Other(_)));
    let others = found.into_iter().enumerate();
    let others = others.filter(|(number, _)| is_rust && Some(*number) != meant);
    Ok(Folded {
        others: others.map(|(_, (_, name))| name).collect(),
        is_expected,
    })
}

/// Whether a symbol is that of the function which Rust calls `type_name`.
fn is_called(instance: &Instance, name: &str, type_name: &str) -> Option<bool> {
    let last = |path: &str| path.rsplit("::").next().unwrap_or(path).to_owned();
    let wanted = plain(type_name);
    if let Instance::Other(raw) = instance {
        // Such a name need not be that of the function: `#[link_name]`.
        return (*raw == last(&wanted)).then_some(true);
    }
    let found = plain(name);
    if found == wanted {
        return Some(true);
    }
    // Legacy names and those of types show a method's type in other ways.
    let is_path = |path: &str| !path.contains(['<', '>', '{', ' ']);
    let is_sure = last(&found) != last(&wanted) || is_path(&found) && is_path(&wanted);
    if is_sure { Some(false) } else { None }
}

/// Without generic arguments, and with closures as Rust's own names have them.
fn plain(name: &str) -> String {
    let mut plain = names::without_generics(name).into_owned();
    while let Some(start) = plain.find("{closure#") {
        let end = plain[start..]
            .find('}')
            .map_or(plain.len(), |end| start + end + 1);
        plain.replace_range(start..end, "{{closure}}");
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::{Instance, is_called};

    #[test]
    fn names_of_symbols_are_compared_with_names_of_types() {
        let v0 = Instance::V0(String::new());
        for (name, type_name, expected) in [
            ("dep::inner::one", "dep::inner::one", Some(true)),
            (
                "dep::inner::generic::<u8>",
                "dep::inner::generic<u8>",
                Some(true),
            ),
            ("<dep::Held<u8>>::get", "dep::Held<u8>::get", Some(true)),
            ("dep::Held<T>::get", "dep::Held<u8>::get", Some(true)),
            ("<dep::A as dep::T>::m", "<dep::A as dep::T>::m", Some(true)),
            ("dep::f::{closure#2}", "dep::f::{{closure}}", Some(true)),
            ("dep::inner::one", "dep::inner::two", Some(false)),
            ("dep::other::one", "dep::inner::one", Some(false)),
            ("dep::T::m", "<dep::A as dep::T>::m", None),
            ("dep::T::n", "<dep::A as dep::T>::m", Some(false)),
        ] {
            assert_eq!(
                is_called(&v0, name, type_name),
                expected,
                "{name} {type_name}"
            );
        }
        let c = Instance::Other("open".to_owned());
        assert_eq!(is_called(&c, "open", "libc::open"), Some(true));
        assert_eq!(is_called(&c, "open", "libc::open64"), None);
    }
}
