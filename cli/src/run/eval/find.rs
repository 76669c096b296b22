//! The function that is meant, in the sources of a crate.
//!
//! Modules are followed from the crate's first file as rustc does, but only into
//! files that rustc has read: so what is configured out is not found. What a macro
//! makes is not found either, nor what is inside of a function.

use super::definition::{Definition, without_spaces};
use quote::ToTokens;
use std::ops::Range;
use std::path::{Path, PathBuf};
use syn::spanned::Spanned as _;
use syn::{Attribute, Block, ImplItem, Item, Signature, TraitItem};

/// A function with a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Function {
    pub(crate) file: PathBuf,
    /// From its first word behind the visibility to the end of its body.
    pub(crate) bytes: Range<usize>,
    pub(crate) line: usize,
    /// The crate, modules, the type or trait if it is a method, and the name.
    pub(crate) path: Vec<String>,
    /// The trait that it is of, in an `impl` of one, and the type.
    of_trait: Option<(String, String)>,
}

impl Function {
    fn is_meant(&self, definition: &Definition) -> bool {
        if let Some((of, name)) = &definition.of_trait {
            let of_trait = self.of_trait.as_ref();
            let same = |(its_type, its_trait): &(String, String)| {
                ends_with(its_type, of) && ends_with(its_trait, name)
            };
            return of_trait.is_some_and(same) && self.path.last() == definition.path.last();
        }
        let wanted = match definition.path.split_first() {
            Some((first, rest)) if first == "crate" => rest,
            _ => &definition.path[..],
        };
        self.path.ends_with(wanted)
    }

    pub(crate) fn name(&self) -> String {
        match (&self.of_trait, self.path.last()) {
            (Some((of, name)), Some(last)) => format!("<{of} as {name}>::{last}"),
            _ => self.path.join("::"),
        }
    }
}

/// Whether a path is the other one or ends with it.
fn ends_with(path: &str, end: &str) -> bool {
    path == end
        || path
            .strip_suffix(end)
            .is_some_and(|before| before.ends_with("::"))
}

/// All functions of a crate.
pub(crate) fn functions(
    crate_name: &str,
    root: &Path,
    sources: &[PathBuf],
) -> Result<Vec<Function>, String> {
    let mut search = Search {
        sources,
        found: Vec::new(),
    };
    let folder = root.parent().unwrap_or(Path::new(""));
    let done = search.file(root, folder, &[crate_name.to_owned()]);
    proc_macro2::extra::invalidate_current_thread_spans();
    done.map(|()| search.found)
}

/// The only function that is meant, or which there are.
pub(crate) fn only<'a>(
    all: &'a [Function],
    definition: &Definition,
) -> Result<&'a Function, String> {
    let name = definition.name();
    let mut meant: Vec<&Function> = all.iter().filter(|one| one.is_meant(definition)).collect();
    // A file may be in several crates.
    meant.dedup_by(|a, b| (&a.file, &a.bytes) == (&b.file, &b.bytes));
    match meant.as_slice() {
        [only] => Ok(only),
        [] => {
            let last = definition.path.last();
            let near: Vec<String> = all
                .iter()
                .filter(|one| one.path.last() == last)
                .map(Function::name)
                .collect();
            Err(match near.is_empty() {
                true => format!(
                    "no function of the workspace's crates is called `{name}`, or a macro makes it"
                ),
                false => format!(
                    "no function is called `{name}`; there is {}",
                    near.join(", ")
                ),
            })
        }
        several => {
            let places: Vec<String> = several
                .iter()
                .map(|one| format!("{} ({}:{})", one.name(), one.file.display(), one.line))
                .collect();
            Err(format!(
                "`{name}` is several functions: {}; write more of the path, or \
                 `<Type as Trait>::name`",
                places.join(", ")
            ))
        }
    }
}

struct Search<'a> {
    sources: &'a [PathBuf],
    found: Vec<Function>,
}

/// Where a search is.
struct Place<'a> {
    file: &'a Path,
    /// What the file's name must be that a module of it without a path is in.
    folder: PathBuf,
    /// Whether it is in a module with a body.
    is_inside: bool,
    path: Vec<String>,
}

impl Search<'_> {
    fn file(&mut self, file: &Path, folder: &Path, path: &[String]) -> Result<(), String> {
        let text = std::fs::read_to_string(file).map_err(|e| format!("{}: {e}", file.display()))?;
        let syntax: syn::File = syn::parse_str(&same_length_without_first_line(&text))
            .map_err(|e| format!("{}:{}: {e}", file.display(), e.span().start().line))?;
        let place = Place {
            file,
            folder: folder.to_owned(),
            is_inside: false,
            path: path.to_owned(),
        };
        self.items(&syntax.items, &place)
    }

    fn items(&mut self, items: &[Item], place: &Place<'_>) -> Result<(), String> {
        for item in items {
            match item {
                Item::Fn(item) if !is_for_tests(&item.attrs) => {
                    self.add(place, &[], None, &item.sig, &item.block);
                }
                Item::Impl(item) if !is_for_tests(&item.attrs) => {
                    let of = text(&item.self_ty);
                    let of_trait = item.trait_.as_ref().map(|(_, path, _)| text(path));
                    let of_trait = of_trait.map(|name| (of.clone(), name));
                    for method in &item.items {
                        if let ImplItem::Fn(method) = method
                            && !is_for_tests(&method.attrs)
                        {
                            let (sig, block) = (&method.sig, &method.block);
                            self.add(place, &[plain(&of)], of_trait.clone(), sig, block);
                        }
                    }
                }
                Item::Trait(item) if !is_for_tests(&item.attrs) => {
                    for method in &item.items {
                        if let TraitItem::Fn(method) = method
                            && let Some(block) = &method.default
                        {
                            let name = item.ident.to_string();
                            self.add(place, &[name], None, &method.sig, block);
                        }
                    }
                }
                Item::Mod(item) if !is_for_tests(&item.attrs) => self.module(item, place)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn module(&mut self, item: &syn::ItemMod, place: &Place<'_>) -> Result<(), String> {
        let name = item.ident.to_string();
        let name = name.strip_prefix("r#").unwrap_or(&name);
        let mut path = place.path.clone();
        path.push(name.to_owned());
        let named = item.attrs.iter().find_map(path_of);
        if let Some((_, items)) = &item.content {
            let place = Place {
                file: place.file,
                folder: place.folder.join(named.as_deref().unwrap_or(name)),
                is_inside: true,
                path,
            };
            return self.items(items, &place);
        }
        let beside = match place.is_inside {
            true => &place.folder,
            false => place.file.parent().unwrap_or(Path::new("")),
        };
        let candidates = match named {
            Some(named) => vec![(beside.join(&named), None)],
            None => vec![
                (place.folder.join(format!("{name}.rs")), Some(name)),
                (place.folder.join(name).join("mod.rs"), None),
            ],
        };
        for (file, below) in candidates {
            let Ok(file) = file.canonicalize() else {
                continue;
            };
            // One that rustc has not read is configured out.
            if self.sources.contains(&file) {
                let folder = file.parent().unwrap_or(Path::new(""));
                let folder = below.map_or(folder.to_owned(), |name| folder.join(name));
                return self.file(&file, &folder, &path);
            }
        }
        Ok(())
    }

    fn add(
        &mut self,
        place: &Place<'_>,
        within: &[String],
        of_trait: Option<(String, String)>,
        sig: &Signature,
        block: &Block,
    ) {
        let (start, end) = (sig.span(), block.brace_token.span.close());
        let mut path = place.path.clone();
        path.extend(within.iter().cloned());
        path.push(sig.ident.to_string());
        self.found.push(Function {
            file: place.file.to_owned(),
            bytes: start.byte_range().start..end.byte_range().end,
            line: start.start().line,
            path,
            of_trait,
        });
    }
}

/// A byte order mark or a line that begins with `#!` is not for the parser; what comes
/// behind keeps its place.
fn same_length_without_first_line(text: &str) -> String {
    let mut bytes = text.as_bytes().to_vec();
    let mark = if text.starts_with('\u{feff}') { 3 } else { 0 };
    let rest = &text[mark..];
    let script = match rest.starts_with("#!") && !rest[2..].trim_start().starts_with('[') {
        true => rest.find('\n').unwrap_or(rest.len()),
        false => 0,
    };
    bytes[..mark + script].fill(b' ');
    String::from_utf8(bytes).unwrap_or_default()
}

fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("test")
            || attribute.path().is_ident("cfg") && text(&attribute.meta) == "cfg(test)"
    })
}

/// The value of `#[path = "…"]`.
fn path_of(attribute: &Attribute) -> Option<String> {
    let syn::Meta::NameValue(named) = &attribute.meta else {
        return None;
    };
    match &named.value {
        syn::Expr::Lit(syn::ExprLit {
            lit: syn::Lit::Str(value),
            ..
        }) if named.path.is_ident("path") => Some(value.value()),
        _ => None,
    }
}

fn text(tokens: &impl ToTokens) -> String {
    without_spaces(&tokens.to_token_stream().to_string())
}

/// The name of a type without what it is of: `Till` of `shop::Till<T>`.
fn plain(kind: &str) -> String {
    let name = kind.split('<').next().unwrap_or(kind);
    name.rsplit("::").next().unwrap_or(name).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The text of the function in `crate::` that is meant.
    fn found(files: &[(&str, &str)], typed: &str) -> Result<String, String> {
        let name = typed
            .bytes()
            .fold(0_u64, |n, b| n.wrapping_mul(31) + u64::from(b));
        let folder =
            std::env::temp_dir().join(format!("midair-find-{}-{name}", std::process::id()));
        for (name, text) in files {
            let file = folder.join(name);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, text).unwrap();
        }
        let folder = folder.canonicalize().unwrap();
        let sources: Vec<PathBuf> = files.iter().map(|(name, _)| folder.join(name)).collect();
        let all = functions("shop", &sources[0], &sources)?;
        let definition = Definition::parse(typed).unwrap();
        let found = only(&all, &definition).map(|function| {
            let text = std::fs::read_to_string(&function.file).unwrap();
            text[function.bytes.clone()].to_owned()
        });
        std::fs::remove_dir_all(folder).unwrap();
        found
    }

    const MAIN: &str = "#!/usr/bin/env x\n//! ü\nmod till; mod inner { pub mod deep; \
        #[path = \"odd.rs\"] mod other; pub(crate) const unsafe fn a() -> u8 { 1 } }\n\
        mod absent;\n#[cfg(test)] mod tests { fn a() {} }\n\
        #[inline] fn main() { fn nested() {} }\n\
        struct Till<T>(T); impl<T> Till<T> { async fn price(&self) { 2 } }\n\
        impl<T> From<T> for Till<T> { fn from(t: T) -> Self { Self(t) } }\n\
        impl From<Till<u8>> for u8 { fn from(t: Till<u8>) -> u8 { t.0 } }\n\
        trait Priced { fn tax() -> u8 { 3 } fn rate() -> u8; }\n";
    const FILES: [(&str, &str); 5] = [
        ("main.rs", MAIN),
        ("till/mod.rs", "mod drawer;\nfn open() { \"till\" }"),
        ("till/drawer.rs", "/// Opens.\npub fn open() { \"drawer\" }"),
        ("inner/deep.rs", "fn open() { \"deep\" }"),
        ("inner/odd.rs", "fn odd() {}"),
    ];

    #[test]
    fn modules_are_followed_and_methods_found() {
        let same = |typed: &str, text: &str| {
            assert_eq!(found(&FILES, typed).as_deref(), Ok(text), "{typed}");
        };
        same("fn main() {}", "fn main() { fn nested() {} }");
        same("fn inner::a() {}", "const unsafe fn a() -> u8 { 1 }");
        same("fn a() {}", "const unsafe fn a() -> u8 { 1 }");
        same("fn shop::till::open() {}", "fn open() { \"till\" }");
        same("fn drawer::open() {}", "fn open() { \"drawer\" }");
        same("fn crate::inner::deep::open() {}", "fn open() { \"deep\" }");
        same("fn odd() {}", "fn odd() {}");
        same("fn Till::price() {}", "async fn price(&self) { 2 }");
        same("fn Priced::tax() {}", "fn tax() -> u8 { 3 }");
        same(
            "fn <u8 as From<Till<u8>>>::from() {}",
            "fn from(t: Till<u8>) -> u8 { t.0 }",
        );
    }

    #[test]
    fn what_is_not_there_or_there_twice_is_an_error_with_names() {
        let error = |typed: &str| found(&FILES, typed).unwrap_err();
        let several = error("fn open() {}");
        assert!(several.contains("is several functions"), "{several}");
        assert!(several.contains("till::drawer::open"), "{several}");
        assert!(several.contains("till/mod.rs:2"), "{several}");
        assert!(error("fn nowhere::main() {}").contains("there is shop::main"));
        assert!(error("fn nested() {}").contains("a macro makes it"));
        assert!(error("fn rate() {}").contains("a macro makes it"));
        let broken = [("main.rs", "fn main() {\n let x = ;\n}")];
        let why = found(&broken, "fn main() {}").unwrap_err();
        assert!(why.contains("main.rs:2: "), "{why}");
    }
}
