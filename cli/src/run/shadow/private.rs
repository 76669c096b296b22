//! What other crates see of a function.
//!
//! rustc gives the body of a function to other crates if they compile it themselves,
//! because it is generic, inline or `const`, and what it returns if that has no name
//! (`impl Trait`, `async`). Of all others they see the signature. What is *defined* in
//! a body is seen everywhere, though: an `impl` there counts for the whole program.
//! A macro may define anything, so only those of the standard library are let pass.

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use quote::ToTokens as _;
use syn::{Attribute, Block, GenericParam, Generics, Item, Signature, UseTree};

/// Attributes of functions that are compiled once.
const PRIVATE: [&str; 8] = [
    "allow", "cfg", "cold", "deny", "doc", "expect", "must_use", "warn",
];

/// Words that begin an item, or may. `const` and `fn` may also be parts of types.
const ITEMS: [&str; 14] = [
    "const",
    "enum",
    "extern",
    "fn",
    "impl",
    "macro",
    "macro_rules",
    "mod",
    "static",
    "struct",
    "trait",
    "type",
    "union",
    "use",
];

/// Macros of the standard library that define nothing.
const PLAIN: [&str; 25] = [
    "assert",
    "assert_eq",
    "assert_ne",
    "column",
    "concat",
    "dbg",
    "debug_assert",
    "debug_assert_eq",
    "debug_assert_ne",
    "eprint",
    "eprintln",
    "format",
    "format_args",
    "line",
    "matches",
    "panic",
    "print",
    "println",
    "stringify",
    "todo",
    "unimplemented",
    "unreachable",
    "vec",
    "write",
    "writeln",
];

/// And what a shadow needs.
fn is_known(name: &str) -> bool {
    is_plain(name) || name == "include"
}

/// Whether a macro of this name is of those, unless another has its name.
pub(super) fn is_plain(name: &str) -> bool {
    PLAIN.contains(&name)
}

/// Whether there is another code for each of its uses.
pub(super) fn is_generic(generics: &Generics) -> bool {
    let mut parameters = generics.params.iter();
    parameters.any(|parameter| !matches!(parameter, GenericParam::Lifetime(_)))
}

/// Whether other crates see nothing of a function with this signature but that.
pub(super) fn is_private(attributes: &[Attribute], signature: &Signature) -> bool {
    let known = |attribute: &Attribute| PRIVATE.iter().any(|name| attribute.path().is_ident(name));
    attributes.iter().all(known)
        && signature.constness.is_none()
        && signature.asyncness.is_none()
        && !is_generic(&signature.generics)
        && !has_word(signature.to_token_stream(), &["impl"])
}

fn has_word(stream: TokenStream, words: &[&str]) -> bool {
    stream.into_iter().any(|token| match token {
        TokenTree::Group(group) => has_word(group.stream(), words),
        TokenTree::Ident(ident) => words.iter().any(|word| ident == word),
        _ => false,
    })
}

/// The tokens of a body.
pub(super) struct Tokens(TokenStream);

impl Tokens {
    pub(super) fn of(block: &Block) -> Self {
        Self(block.to_token_stream())
    }

    pub(super) fn text(&self) -> String {
        self.0.to_string()
    }

    /// Whether they begin a module in another file, or take in what is in one: the list of
    /// files that are watched comes from builds of files.
    pub(super) fn depend_on_their_file(&self) -> bool {
        let words = ["mod", "include", "include_str", "include_bytes"];
        has_word(self.0.clone(), &words)
    }

    /// Whether anything is defined here that is seen outside, or may be.
    pub(super) fn define_items(&self) -> bool {
        has_word(self.0.clone(), &ITEMS)
    }

    /// The last parts of the names of all macros that are called; with a path before
    /// it, that too.
    pub(super) fn macros(&self) -> Vec<String> {
        let mut names = Vec::new();
        macros(self.0.clone(), &mut names);
        names
    }
}

fn macros(stream: TokenStream, names: &mut Vec<String>) {
    let tokens: Vec<TokenTree> = stream.into_iter().collect();
    for (n, token) in tokens.iter().enumerate() {
        if let TokenTree::Group(group) = token {
            macros(group.stream(), names);
        }
        let [
            TokenTree::Ident(name),
            TokenTree::Punct(mark),
            TokenTree::Group(group),
        ] = &tokens[n..tokens.len().min(n + 3)]
        else {
            continue;
        };
        if mark.as_char() == '!' && group.delimiter() != Delimiter::None {
            let has_path = n > 0
                && matches!(&tokens[n - 1], TokenTree::Punct(before) if before.as_char() == ':');
            let path = if has_path { "::" } else { "" };
            names.push(format!("{path}{name}"));
        }
    }
}

/// Whether a macro with a plain name may be another one in a crate with this source.
pub(super) fn may_rename_macros(text: &str) -> bool {
    let Ok(file) = syn::parse_file(text) else {
        return true;
    };
    text.contains("macro_use") || redefine(file.to_token_stream()) || import(&file.items)
}

/// Whether the tokens define a macro with a plain name, in whatever depth.
fn redefine(stream: TokenStream) -> bool {
    let tokens: Vec<TokenTree> = stream.into_iter().collect();
    tokens.iter().enumerate().any(|(n, token)| match token {
        TokenTree::Group(group) => redefine(group.stream()),
        TokenTree::Ident(word) if word == "macro_rules" => {
            !matches!(tokens.get(n + 2), Some(TokenTree::Ident(name)) if !is_known(&name.to_string()))
        }
        _ => false,
    })
}

/// Whether a macro with a plain name comes from elsewhere, or may.
fn import(items: &[Item]) -> bool {
    items.iter().any(|item| match item {
        Item::Use(item) => imports(&item.tree, None),
        Item::Mod(module) => {
            let content = module.content.as_ref();
            content.is_some_and(|(_, items)| import(items))
        }
        _ => false,
    })
}

/// Whether a name that is plain comes from another crate, or may; whether the path so
/// far `is_own` is known from its first part on. What is in this crate is looked at
/// where it is defined.
fn imports(tree: &UseTree, is_own: Option<bool>) -> bool {
    match tree {
        UseTree::Path(path) => {
            let own = ["crate", "self", "super", "std", "core", "alloc"];
            // A type has no macros.
            let is_type = path.ident.to_string().starts_with(char::is_uppercase);
            let is_own = is_own.unwrap_or_else(|| own.iter().any(|name| path.ident == name));
            imports(&path.tree, Some(is_own || is_type))
        }
        UseTree::Name(name) => is_known(&name.ident.to_string()),
        UseTree::Rename(rename) => is_known(&rename.rename.to_string()),
        UseTree::Glob(_) => is_own != Some(true),
        UseTree::Group(group) => group.items.iter().any(|tree| imports(tree, is_own)),
    }
}
