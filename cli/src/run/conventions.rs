//! What only the source tells of how a function is called.
//!
//! A `#[track_caller]` function takes where it is called from as one more argument, of
//! which neither its name nor its debug information tells anything. If the attribute
//! comes or goes, a caller that runs already would call the new code in the old way. So that
//! is refused.
//!
//! The files are compared with what they were when their code went live. Functions that
//! macros make and functions inside of functions are not seen.

use super::shadow::Texts;
use quote::ToTokens as _;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use syn::{Attribute, ImplItem, Item, TraitItem};

/// No file without this word has such a function.
const ATTRIBUTE: &str = "track_caller";

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
            if old == new || !(old.contains(ATTRIBUTE) || new.contains(ATTRIBUTE)) {
                continue;
            }
            let different = different(&old, &new).into_iter();
            refused.extend(different.map(|(name, is_tracked)| {
                let (now, how) = match is_tracked {
                    true => ("is `#[track_caller]` now", "without"),
                    false => ("is not `#[track_caller]` any more", "with"),
                };
                format!(
                    "function `{name}` of {} {now}: code that runs calls it {how} its caller's \
                     place",
                    path.display()
                )
            }));
        }
        // What was parsed is kept until then.
        proc_macro2::extra::invalidate_current_thread_spans();
        refused
    }
}

/// The functions that are in both and have the attribute in one: whether in the new one.
fn different(old: &str, new: &str) -> Vec<(String, bool)> {
    let (Some(old), Some(new)) = (functions(old), functions(new)) else {
        return Vec::new();
    };
    let pairs = new.into_iter().filter_map(|(name, is)| {
        let was = old.get(&name)?;
        (*was != is).then_some((name, is))
    });
    pairs.collect()
}

/// All functions and whether they have it; what several versions (by `cfg`) have counts
/// for all. None if this is not Rust.
fn functions(text: &str) -> Option<BTreeMap<String, bool>> {
    let mut found = BTreeMap::new();
    items(&syn::parse_file(text).ok()?.items, "", &mut found);
    Some(found)
}

fn items(all: &[Item], path: &str, found: &mut BTreeMap<String, bool>) {
    let mut add = |path: &str, name: &syn::Ident, attributes: &[Attribute]| {
        *found.entry(format!("{path}{name}")).or_default() |= is_tracked(attributes);
    };
    let mut inner = Vec::new();
    for item in all {
        match item {
            Item::Fn(function) => add(path, &function.sig.ident, &function.attrs),
            Item::Impl(block) => {
                let own = block.self_ty.to_token_stream();
                let of = match &block.trait_ {
                    Some((_, name, _)) => format!("{path}<{own} as {}>::", name.to_token_stream()),
                    None => format!("{path}{own}::"),
                };
                for item in &block.items {
                    if let ImplItem::Fn(method) = item {
                        add(&of, &method.sig.ident, &method.attrs);
                    }
                }
            }
            Item::Trait(definition) => {
                let of = format!("{path}{}::", definition.ident);
                for item in &definition.items {
                    if let TraitItem::Fn(method) = item {
                        add(&of, &method.sig.ident, &method.attrs);
                    }
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
    for (path, all) in inner {
        items(all, &path, found);
    }
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
        let expected = [("S::s", true), ("a", true), ("b", false), ("m::T::t", true)];
        let expected = expected.map(|(name, is)| (name.to_owned(), is));
        assert_eq!(different(old, new), expected);
        assert_eq!(different(old, old), []);
        assert_eq!(different(old, "fn ("), []);
    }
}
