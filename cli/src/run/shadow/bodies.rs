//! The bodies of functions in a source, and everything else of it.

use super::private;
use proc_macro2::{Delimiter, Span, TokenStream, TokenTree};
use std::collections::HashMap;
use std::fmt::Write as _;
use std::ops::Range;
use syn::spanned::Spanned as _;
use syn::{AttrStyle, Attribute, Block, ImplItem, Item, Signature, TraitItem};

/// Attributes of which the compiler itself knows what they mean. Any other may be a
/// macro that looks at the body.
const BUILT_IN: [&str; 12] = [
    "allow",
    "cfg",
    "cold",
    "deny",
    "doc",
    "expect",
    "forbid",
    "inline",
    "must_use",
    "no_mangle",
    "track_caller",
    "warn",
];

/// What a source consists of.
pub(super) struct Source {
    /// All tokens but those of bodies.
    outside: String,
    /// In their order.
    pub(super) bodies: Vec<Body>,
}

/// A function's body, with its braces.
#[derive(Clone, Debug)]
pub(super) struct Body {
    pub(super) bytes: Range<usize>,
    /// Its tokens.
    tokens: String,
    /// Other crates do not see it: not its code, not what it defines.
    pub(super) is_private: bool,
    /// The names of the macros that are called in it.
    pub(super) macros: Vec<String>,
}

impl Source {
    /// None if it cannot be read as Rust.
    pub(super) fn of(text: &str) -> Option<Self> {
        // Where these stand, places are counted from behind them.
        let has_shebang = text.starts_with("#!") && !text.starts_with("#![");
        if has_shebang || text.starts_with('\u{feff}') {
            return None;
        }
        let file = syn::parse_file(text).ok()?;
        let mut found = Found::default();
        found.items(&file.items);
        let mut source = Self {
            outside: String::new(),
            bodies: found.bodies,
        };
        let starts: HashMap<usize, usize> = source
            .bodies
            .iter()
            .enumerate()
            .map(|(n, body)| (body.bytes.start, n))
            .collect();
        let stream: TokenStream = text.parse().ok()?;
        let mut taken = 0;
        outside(stream, &starts, &mut source.outside, &mut taken);
        (taken == source.bodies.len()).then_some(source)
    }

    /// The numbers of the bodies that are different, if nothing else is.
    pub(super) fn changed(&self, newer: &Self) -> Option<Vec<usize>> {
        if self.outside != newer.outside || self.bodies.len() != newer.bodies.len() {
            return None;
        }
        let pairs = self.bodies.iter().zip(&newer.bodies).enumerate();
        let changed = pairs.filter(|(_, (old, new))| old.tokens != new.tokens);
        Some(changed.map(|(n, _)| n).collect())
    }
}

/// Appends the tokens to `text`, in place of bodies a mark.
fn outside(
    stream: TokenStream,
    starts: &HashMap<usize, usize>,
    text: &mut String,
    taken: &mut usize,
) {
    for token in stream {
        match token {
            TokenTree::Group(group) => {
                let start = group.span_open().byte_range().start;
                if group.delimiter() == Delimiter::Brace && starts.contains_key(&start) {
                    *taken += 1;
                    text.push_str("{body} ");
                    continue;
                }
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("( ", ") "),
                    Delimiter::Brace => ("{ ", "} "),
                    Delimiter::Bracket => ("[ ", "] "),
                    Delimiter::None => ("", ""),
                };
                text.push_str(open);
                outside(group.stream(), starts, text, taken);
                text.push_str(close);
            }
            TokenTree::Punct(punct) => {
                // `a < -b` and `a <- b` are not the same.
                let space = match punct.spacing() {
                    proc_macro2::Spacing::Joint => "",
                    proc_macro2::Spacing::Alone => " ",
                };
                // Nothing can be done about a string that does not grow.
                let _ = write!(text, "{}{space}", punct.as_char());
            }
            other => {
                let _ = write!(text, "{other} ");
            }
        }
    }
}

#[derive(Default)]
struct Found {
    bodies: Vec<Body>,
    /// How many items around have parameters that are types or constants.
    generic: usize,
}

impl Found {
    fn items(&mut self, items: &[Item]) {
        for item in items {
            match item {
                Item::Fn(function) => {
                    self.function(&function.attrs, &function.sig, &function.block);
                }
                Item::Impl(block) if are_built_in(&block.attrs) => {
                    let generic = usize::from(private::is_generic(&block.generics));
                    self.generic += generic;
                    for item in &block.items {
                        if let ImplItem::Fn(method) = item {
                            self.function(&method.attrs, &method.sig, &method.block);
                        }
                    }
                    self.generic -= generic;
                }
                // Types that implement it have copies of its methods.
                Item::Trait(definition) if are_built_in(&definition.attrs) => {
                    self.generic += 1;
                    for item in &definition.items {
                        if let TraitItem::Fn(method) = item
                            && let Some(block) = &method.default
                        {
                            self.function(&method.attrs, &method.sig, block);
                        }
                    }
                    self.generic -= 1;
                }
                Item::Mod(module) if are_built_in(&module.attrs) => {
                    if let Some((_, items)) = &module.content {
                        self.items(items);
                    }
                }
                _ => {}
            }
        }
    }

    fn function(&mut self, attributes: &[Attribute], signature: &Signature, block: &Block) {
        let braces = block.brace_token.span;
        let bytes = range(braces.open()).start..range(braces.close()).end;
        let tokens = private::Tokens::of(block);
        if !are_built_in(attributes) || tokens.depend_on_their_file() {
            return;
        }
        self.bodies.push(Body {
            bytes,
            is_private: self.generic == 0
                && private::is_private(attributes, signature)
                && !tokens.define_items(),
            macros: tokens.macros(),
            tokens: tokens.text(),
        });
    }
}

fn range(span: Span) -> Range<usize> {
    span.byte_range()
}

/// Whether no macro sees what these are attributes of.
fn are_built_in(attributes: &[Attribute]) -> bool {
    attributes.iter().all(|attribute| {
        // What stands inside of a body would be moved.
        let is_outer = matches!(attribute.style, AttrStyle::Outer);
        let path = attribute.path();
        let is_unsafe = path.is_ident("unsafe")
            && attribute
                .meta
                .span()
                .source_text()
                .is_some_and(|text| text.contains("no_mangle"));
        is_outer && (is_unsafe || BUILT_IN.iter().any(|name| path.is_ident(name)))
    })
}
