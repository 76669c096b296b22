//! What only the source tells of how a function is called.
//!
//! A `#[track_caller]` function takes where it is called from as one more argument, of
//! which neither its name nor its debug information tells anything. If the attribute
//! comes or goes, a caller that runs already would call the new code in the old way. So that
//! is refused. The same goes for `extern "C"`, and for `#[repr(C)]` on types: a `struct P(u32,
//! u32)` is passed in two registers and with it in one, from the same places in memory.
//!
//! The files are compared with what they were when their code went live. If crates are
//! configured otherwise, what has such an attribute by `cfg` is refused without a comparison.
//! Functions and types that macros make and those inside of functions are not seen.

use super::shadow::Texts;
use quote::ToTokens as _;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use syn::{Attribute, Fields, ImplItem, Item, Signature, TraitItem};

const ATTRIBUTE: &str = "track_caller";

/// No file without one of these words has such a function or type.
const WORDS: [&str; 3] = [ATTRIBUTE, "extern", "repr"];

/// How a function is called, or a value of a type is passed.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Way {
    Function { is_tracked: bool, abi: String },
    Type { repr: String },
}

impl Way {
    /// Whether it is another one than Rust's.
    fn is_own(&self) -> bool {
        match self {
            Self::Function { is_tracked, abi } => *is_tracked || !abi.is_empty(),
            Self::Type { repr } => !repr.is_empty(),
        }
    }

    /// What of it is another one than `was`, and how code that runs does it.
    fn said(&self, was: &Self, name: &str, path: &Path) -> String {
        let path = path.display();
        match (self, was) {
            (Self::Type { repr }, Self::Type { repr: was }) => {
                let now = match repr.as_str() {
                    "" => format!("is not `#[repr({was})]` any more"),
                    _ => format!("is `#[repr({repr})]` now"),
                };
                let name = name.trim_end();
                format!("type `{name}` of {path} {now}: code that runs passes it as it was")
            }
            (Self::Function { is_tracked, abi }, Self::Function { abi: old, .. }) => {
                let (now, how) = match is_tracked {
                    _ if abi != old => (
                        match abi.as_str() {
                            "" => format!("is not `{old}` any more"),
                            _ => format!("is `{abi}` now"),
                        },
                        "as it was",
                    ),
                    true => (
                        "is `#[track_caller]` now".to_owned(),
                        "without its caller's place",
                    ),
                    false => (
                        "is not `#[track_caller]` any more".to_owned(),
                        "with its caller's place",
                    ),
                };
                format!("function `{name}` of {path} {now}: code that runs calls it {how}")
            }
            _ => format!("`{name}` of {path} is something else now"),
        }
    }
}

/// The sources of what runs.
#[derive(Debug, Default)]
pub(crate) struct Conventions {
    texts: Texts,
}

impl Conventions {
    /// These files are what runs.
    pub(crate) fn run(&mut self, texts: &Texts) {
        let texts = texts.iter();
        self.texts
            .extend(texts.map(|(path, text)| (path.clone(), text.clone())));
    }

    /// The same, of files that were edited and have become live.
    pub(crate) fn are_live(&mut self, edited: &BTreeSet<PathBuf>) {
        for path in edited {
            if let Ok(text) = std::fs::read(path) {
                self.texts.insert(path.clone(), text.into());
            }
        }
    }

    /// Why these edits may not become live.
    pub(crate) fn refused(&self, edited: &BTreeSet<PathBuf>) -> Vec<String> {
        let mut refused = Vec::new();
        for path in edited {
            let (Some(old), Ok(new)) = (self.texts.get(path), std::fs::read_to_string(path)) else {
                continue;
            };
            let old = String::from_utf8_lossy(old);
            let has_one = |text: &str| WORDS.iter().any(|word| text.contains(word));
            if old == new || !(has_one(&old) || has_one(&new)) {
                continue;
            }
            let different = different(&old, &new).into_iter();
            refused.extend(different.map(|(name, was, is)| is.said(&was, &name, path)));
        }
        // What was parsed is kept until then.
        proc_macro2::extra::invalidate_current_thread_spans();
        refused
    }

    /// Why what is made of the files `now` may not become live if crates are configured
    /// otherwise than in what runs (features): functions and types with a way of their own
    /// come or go with the configuration, and others of their names may be what runs.
    pub(crate) fn by_configuration(&self, now: &BTreeSet<&PathBuf>) -> Vec<String> {
        let was: BTreeSet<&PathBuf> = self.texts.keys().collect();
        let mut refused = Vec::new();
        for path in was.union(now) {
            let Ok(text) = std::fs::read_to_string(path) else {
                continue;
            };
            if !WORDS.iter().any(|word| text.contains(word)) {
                continue;
            }
            let Ok(file) = syn::parse_file(&text) else {
                continue;
            };
            let is_whole = !(was.contains(path) && now.contains(path));
            let mut found = BTreeSet::new();
            configured(&file.items, is_whole, &mut found);
            refused.extend(found.into_iter().map(|name| {
                format!(
                    "`{}` of {} depends on the configuration: code that runs may call or pass \
                     it in another way",
                    name.trim_end(),
                    path.display()
                )
            }));
        }
        proc_macro2::extra::invalidate_current_thread_spans();
        refused
    }
}

/// The functions and types among these items with a way of their own that are there, or
/// have it, only by `cfg`; all of them, if the items are.
fn configured(all: &[Item], are: bool, found: &mut BTreeSet<String>) {
    for item in all {
        let are = are || attributes(item).iter().any(is_configured);
        match item {
            Item::Mod(module) => {
                let items = module.content.as_ref().map(|(_, items)| items);
                configured(items.map_or(&[][..], |items| items), are, found);
                continue;
            }
            Item::Macro(one) => {
                let text = one.mac.tokens.to_string();
                if text.contains("cfg") && WORDS.iter().any(|word| text.contains(word)) {
                    found.insert(one.mac.path.to_token_stream().to_string() + "!");
                }
                continue;
            }
            _ => {}
        }
        let mut methods = match item {
            Item::Impl(block) => {
                let methods = block.items.iter().filter_map(|item| match item {
                    ImplItem::Fn(method) => Some(&method.attrs),
                    _ => None,
                });
                methods.collect()
            }
            Item::Trait(block) => {
                let methods = block.items.iter().filter_map(|item| match item {
                    TraitItem::Fn(method) => Some(&method.attrs),
                    _ => None,
                });
                methods.collect()
            }
            _ => Vec::new(),
        }
        .into_iter();
        if are || methods.any(|all| all.iter().any(is_configured)) {
            let mut ways = BTreeMap::new();
            items(std::slice::from_ref(item), "", &mut ways);
            let own = ways.into_iter().filter(|(_, way)| way.is_own());
            found.extend(own.map(|(name, _)| name));
        }
    }
}

/// Whether it depends on the configuration, other than on being a test.
fn is_configured(attribute: &Attribute) -> bool {
    let path = attribute.path();
    let is_test = |one: &Attribute| one.meta.to_token_stream().to_string() == "cfg (test)";
    (path.is_ident("cfg") && !is_test(attribute)) || path.is_ident("cfg_attr")
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Fn(one) => &one.attrs,
        Item::Impl(one) => &one.attrs,
        Item::Trait(one) => &one.attrs,
        Item::Struct(one) => &one.attrs,
        Item::Union(one) => &one.attrs,
        Item::Enum(one) => &one.attrs,
        Item::Mod(one) => &one.attrs,
        _ => &[],
    }
}

/// The functions and types that are in both: how they were and how they are.
fn different(old: &str, new: &str) -> Vec<(String, Way, Way)> {
    let (Some(mut old), Some(new)) = (ways(old), ways(new)) else {
        return Vec::new();
    };
    let pairs = new.into_iter().filter_map(|(name, is)| {
        let was = old.remove(&name)?;
        (was != is).then_some((name, was, is))
    });
    pairs.collect()
}

/// All functions and types; what several versions (by `cfg`) have counts for all. None if
/// this is not Rust.
fn ways(text: &str) -> Option<BTreeMap<String, Way>> {
    let mut found = BTreeMap::new();
    items(&syn::parse_file(text).ok()?.items, "", &mut found);
    Some(found)
}

fn items(all: &[Item], path: &str, found: &mut BTreeMap<String, Way>) {
    let mut types = Vec::new();
    let mut add = |path: &str, signature: &Signature, attributes: &[Attribute]| {
        let is_tracked = is_tracked(attributes);
        let abi = signature.abi.as_ref();
        let abi = abi.map_or_else(String::new, |abi| match &abi.name {
            Some(name) => format!("extern {}", name.token()),
            None => "extern \"C\"".to_owned(),
        });
        let way = found.entry(format!("{path}{}", signature.ident));
        let way = way.or_insert(Way::Function {
            is_tracked,
            abi: String::new(),
        });
        if let Way::Function {
            is_tracked: any,
            abi: all,
        } = way
        {
            *any |= is_tracked;
            if !all.contains(&abi) {
                all.push_str(&abi);
            }
        }
    };
    let mut inner = Vec::new();
    for item in all {
        match item {
            Item::Fn(function) => add(path, &function.sig, &function.attrs),
            Item::Impl(block) => {
                let own = block.self_ty.to_token_stream();
                let of = match &block.trait_ {
                    Some((_, name, _)) => format!("{path}<{own} as {}>::", name.to_token_stream()),
                    None => format!("{path}{own}::"),
                };
                for item in &block.items {
                    if let ImplItem::Fn(method) = item {
                        add(&of, &method.sig, &method.attrs);
                    }
                }
            }
            Item::Trait(definition) => {
                let of = format!("{path}{}::", definition.ident);
                for item in &definition.items {
                    if let TraitItem::Fn(method) = item {
                        add(&of, &method.sig, &method.attrs);
                    }
                }
            }
            Item::Struct(one) => types.push((&one.ident, &one.attrs, false)),
            Item::Union(one) => types.push((&one.ident, &one.attrs, false)),
            Item::Enum(one) => {
                let mut variants = one.variants.iter();
                if variants.any(|variant| !matches!(variant.fields, Fields::Unit)) {
                    types.push((&one.ident, &one.attrs, true));
                }
            }
            Item::Mod(module) => {
                if let Some((_, items)) = &module.content {
                    inner.push((format!("{path}{}::", module.ident), items));
                }
            }
            _ => {}
        }
    }
    for (name, attributes, is_enum) in types {
        // Beside a function of the same name, as of a tuple.
        let way = found.entry(format!("{path}{name} ")).or_insert(Way::Type {
            repr: String::new(),
        });
        if let Way::Type { repr: all } = way {
            let repr = repr(attributes, is_enum);
            if !all.contains(&repr) {
                all.push_str(&repr);
            }
        }
    }
    for (path, all) in inner {
        items(all, &path, found);
    }
}

/// What of `#[repr]` changes how values are passed, and not where anything is in them: `C`,
/// and the type of an enum's tag.
fn repr(attributes: &[Attribute], is_enum: bool) -> String {
    let mut found = BTreeSet::new();
    let all = attributes.iter().filter(|one| !one.path().is_ident("doc"));
    for text in all.map(|one| one.meta.to_token_stream().to_string()) {
        let Some((_, words)) = text.split_once("repr") else {
            continue;
        };
        let words = words.split(|c: char| !c.is_ascii_alphanumeric());
        let is_integer = |word: &str| {
            let size = word.strip_prefix(['u', 'i']);
            size.is_some_and(|size| size == "size" || size.parse::<u8>().is_ok())
        };
        found.extend(
            words
                .filter(|word| *word == "C" || (is_enum && is_integer(word)))
                .map(str::to_owned),
        );
    }
    found.into_iter().collect::<Vec<_>>().join(", ")
}

/// Whether this attribute is among them, by way of `cfg_attr` too.
fn is_tracked(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        !attribute.path().is_ident("doc")
            && attribute
                .meta
                .to_token_stream()
                .to_string()
                .contains(ATTRIBUTE)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_that_get_or_lose_the_attribute_are_told_and_no_others() {
        let old = "fn a() {} #[track_caller] fn b() {} #[track_caller] fn same() {} fn gone() {}\n\
                   mod m { trait T { fn t(&self) {} } impl T for u8 { fn t(&self) {} } }\n\
                   struct S; impl S { fn s() {} } /// track_caller\n fn told() {}";
        let new = "#[track_caller] fn a() {} fn b() {} #[track_caller] fn same() { b() }\n\
                   #[track_caller] fn new() {}\n\
                   mod m { trait T { #[cfg_attr(all(), track_caller)] fn t(&self) {} }\n\
                   impl T for u8 { fn t(&self) {} } }\n\
                   struct S; impl S { #[inline] #[track_caller] fn s() {} } fn told() {}";
        let tracked = |is_tracked| Way::Function {
            is_tracked,
            abi: String::new(),
        };
        let expected = [("S::s", true), ("a", true), ("b", false), ("m::T::t", true)];
        let expected = expected.map(|(name, is)| (name.to_owned(), tracked(!is), tracked(is)));
        assert_eq!(different(old, new), expected);
        assert_eq!(different(old, old), []);
        assert_eq!(different(old, "fn ("), []);
    }

    #[test]
    fn what_has_a_way_of_its_own_by_configuration_is_told() {
        let told = |text: &str| {
            let mut found = BTreeSet::new();
            configured(&syn::parse_file(text).unwrap().items, false, &mut found);
            found.into_iter().collect::<Vec<_>>()
        };
        assert_eq!(
            told(
                "#[cfg(a)] extern \"C\" fn f() {} #[cfg(a)] fn plain() {} extern \"C\" fn g() {}\n\
                 #[cfg_attr(a, repr(C))] struct S(u8); #[cfg(test)] #[repr(C)] struct T(u8);\n\
                 #[cfg(a)] mod m { #[repr(C)] struct M(u8); struct N(u8); }\n\
                 impl S { #[cfg(a)] #[track_caller] fn h(&self) {} fn i(&self) {} }\n\
                 cfg_if! { if #[cfg(a)] { #[repr(C)] struct U(u8); } }"
            ),
            ["M ", "S ", "S::h", "cfg_if!", "f"]
        );
        assert_eq!(
            told("#[repr(C)] struct S(u8); #[cfg(a)] fn f() {}"),
            [""; 0]
        );
    }

    #[test]
    fn types_that_are_passed_and_functions_that_are_called_in_another_way_are_told() {
        let old = "struct P(u32, u32); #[repr(C)] struct Q(f64); struct T(f64);\n\
                   enum Bare { A } enum E { A(u8), B } fn f() {} extern \"C\" fn g() {}";
        let new = "#[derive(Clone)] #[repr(C)] struct P(u32, u32); struct Q(f64);\n\
                   #[repr(transparent)] struct T(f64); #[repr(u8)] enum Bare { A }\n\
                   #[repr(u8)] enum E { A(u8), B } extern fn f() {} fn g() {}";
        let path = Path::new("a.rs");
        let said = different(old, new).into_iter();
        let said: Vec<_> = said
            .map(|(name, was, is)| is.said(&was, &name, path))
            .collect();
        let expected = [
            "type `E` of a.rs is `#[repr(u8)]` now: code that runs passes it as it was",
            "type `P` of a.rs is `#[repr(C)]` now: code that runs passes it as it was",
            "type `Q` of a.rs is not `#[repr(C)]` any more: code that runs passes it as it was",
            "function `f` of a.rs is `extern \"C\"` now: code that runs calls it as it was",
            "function `g` of a.rs is not `extern \"C\"` any more: code that runs calls it as it was",
        ];
        assert_eq!(said, expected);
    }
}
