//! Code with holes.

use proc_macro::{Group, TokenStream, TokenTree};

/// The tokens of `code`, in which identifiers are replaced by what they stand for.
pub(crate) fn tokens(code: &str, holes: &[(&str, TokenStream)]) -> TokenStream {
    let code: TokenStream = code.parse().expect("templates are well-formed");
    fill(code, holes)
}

fn fill(code: TokenStream, holes: &[(&str, TokenStream)]) -> TokenStream {
    let mut filled = TokenStream::new();
    for token in code {
        match token {
            TokenTree::Group(group) => {
                let mut inner = Group::new(group.delimiter(), fill(group.stream(), holes));
                inner.set_span(group.span());
                filled.extend([TokenTree::from(inner)]);
            }
            TokenTree::Ident(name) => {
                let name_text = name.to_string();
                match holes.iter().find(|(hole, _)| *hole == name_text) {
                    Some((_, content)) => filled.extend(content.clone()),
                    None => filled.extend([TokenTree::from(name)]),
                }
            }
            other => filled.extend([other]),
        }
    }
    filled
}
