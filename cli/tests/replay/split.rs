//! The difference of two versions, one function at a time.
//!
//! A function is told by its file, the modules, impls and functions that it stands
//! in, and its name. Its signature and body of the newer version go into the older
//! version's file as they stand. Tests are left out. What does not compile like
//! that is no edit of one function, which the compiler says.

use crate::tree::Tree;
use quote::ToTokens as _;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;
use syn::spanned::Spanned as _;
use syn::visit::{self, Visit};

/// One function's edit.
pub(crate) struct Edit {
    /// What is edited, for people.
    pub(crate) what: String,
    /// The whole older version with just that.
    pub(crate) tree: Tree,
}

struct Body {
    text: Range<usize>,
    tokens: String,
}

/// All functions that are in both and differ.
pub(crate) fn edits(old: &Tree, new: &Tree) -> Vec<Edit> {
    let mut edits = Vec::new();
    for (path, before) in &old.0 {
        let Some(after) = new.0.get(path) else {
            continue;
        };
        let newer = bodies(after);
        for (name, body) in bodies(before) {
            let Some(other) = newer.get(&name).filter(|new| new.tokens != body.tokens) else {
                continue;
            };
            let mut text = before.clone();
            text.replace_range(body.text.clone(), &after[other.text.clone()]);
            let mut tree = old.clone();
            tree.0.insert(PathBuf::from(path), text);
            edits.push(Edit {
                what: format!("{}: {name}", path.display()),
                tree,
            });
        }
    }
    edits
}

fn bodies(text: &str) -> BTreeMap<String, Body> {
    let file = syn::parse_file(text).unwrap();
    let mut finder = Finder {
        inside: Vec::new(),
        found: BTreeMap::new(),
    };
    finder.visit_file(&file);
    finder.found
}

struct Finder {
    inside: Vec<String>,
    found: BTreeMap<String, Body>,
}

impl Finder {
    fn function(&mut self, signature: &syn::Signature, block: &syn::Block) {
        self.inside.push(signature.ident.to_string());
        let body = Body {
            text: signature.span().byte_range().start..block.span().byte_range().end,
            tokens: format!(
                "{} {}",
                signature.to_token_stream(),
                block.to_token_stream()
            ),
        };
        let mut name = self.inside.join("::");
        // Blocks may have functions of one name, told apart by their order.
        while self.found.contains_key(&name) {
            name.push('\'');
        }
        self.found.insert(name, body);
        self.inside.pop();
    }

    fn within(&mut self, name: String, visit: impl FnOnce(&mut Self)) {
        self.inside.push(name);
        visit(self);
        self.inside.pop();
    }
}

fn is_test(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let text = attribute.meta.to_token_stream().to_string();
        text == "test" || text.replace(' ', "") == "cfg(test)"
    })
}

impl<'a> Visit<'a> for Finder {
    fn visit_item_mod(&mut self, item: &'a syn::ItemMod) {
        if !is_test(&item.attrs) {
            self.within(item.ident.to_string(), |this| {
                visit::visit_item_mod(this, item)
            });
        }
    }

    fn visit_item_impl(&mut self, item: &'a syn::ItemImpl) {
        let of = item
            .trait_
            .as_ref()
            .map(|(_, path, _)| path.to_token_stream().to_string() + " for ");
        let name = format!(
            "{}{}",
            of.unwrap_or_default(),
            item.self_ty.to_token_stream()
        );
        self.within(format!("<{name}>"), |this| {
            visit::visit_item_impl(this, item)
        });
    }

    fn visit_item_trait(&mut self, item: &'a syn::ItemTrait) {
        self.within(item.ident.to_string(), |this| {
            visit::visit_item_trait(this, item)
        });
    }

    fn visit_item_fn(&mut self, item: &'a syn::ItemFn) {
        if !is_test(&item.attrs) {
            self.function(&item.sig, &item.block);
        }
    }

    fn visit_impl_item_fn(&mut self, item: &'a syn::ImplItemFn) {
        if !is_test(&item.attrs) {
            self.function(&item.sig, &item.block);
        }
    }

    fn visit_trait_item_fn(&mut self, item: &'a syn::TraitItemFn) {
        if let Some(block) = &item.default {
            self.function(&item.sig, block);
        }
    }
}
