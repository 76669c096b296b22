//! What the attribute is put on: a function, or a block of them.

use crate::error::Error;
use crate::expand::{Owner, opaque};
use crate::function::{Cursor, Function, Parameter, has_word, is_punct, is_word};
use proc_macro::{Delimiter, Group, Span, TokenStream, TokenTree};

/// The item with opaque functions.
pub(crate) fn mockable(argument: TokenStream, item: TokenStream) -> Result<TokenStream, Error> {
    let all: Vec<TokenTree> = item.into_iter().collect();
    let (rest, end) = (&all[..], Span::call_site());
    let mut cursor = Cursor { rest, end };
    let attributes = cursor.attributes();
    if Function::is_next(&cursor) {
        let first = cursor.span();
        let function = Function::parse(attributes, &mut cursor)?
            .ok_or_else(|| Error::new(first, "the function has no body"))?;
        let owner = owner(argument, &function);
        return Ok(opaque(&function, &owner));
    }
    if let Some(first) = argument.into_iter().next() {
        let text = "an argument says where a function is, and this is none";
        return Err(Error::new(first.span(), text));
    }
    let until_block = cursor.rest.iter().take_while(|t| !is_block(t)).count();
    let header = &cursor.rest[..until_block];
    let is_block_of_functions = header
        .iter()
        .any(|token| is_word(Some(token), "impl") || is_word(Some(token), "trait"));
    match cursor.rest.get(header.len()) {
        Some(TokenTree::Group(block)) if is_block_of_functions => {
            let owner = block_owner(header);
            let mut inside = Group::new(Delimiter::Brace, functions(block, &owner)?);
            inside.set_span(block.span());
            let before = &all[..all.len() - cursor.rest.len() + header.len()];
            Ok(before.iter().cloned().chain([inside.into()]).collect())
        }
        _ => Err(Error::new(
            cursor.span(),
            "this is neither a function nor an `impl` block",
        )),
    }
}

fn is_block(token: &TokenTree) -> bool {
    matches!(token, TokenTree::Group(group) if group.delimiter() == Delimiter::Brace)
}

/// Where a function is that has the attribute itself.
fn owner(argument: TokenStream, function: &Function) -> Owner {
    let said: Vec<TokenTree> = argument.into_iter().collect();
    match &said[..] {
        [] => {}
        [word] if is_word(Some(word), "Self") => return Owner::Type,
        _ => return Owner::Trait(said.into_iter().collect()),
    }
    let signature = function.head.iter().chain(&function.generics);
    let result = function.result.iter().flatten();
    let mut everything = signature.chain(result).chain(&function.bounds).cloned();
    let is_method = function.parameters.iter().any(Parameter::says_self);
    let says_self = has_word(&mut everything, "Self") || has_word(function.body.stream(), "Self");
    if is_method || says_self {
        Owner::Type
    } else {
        Owner::Module
    }
}

/// Where the functions of a block are, by what stands before it.
fn block_owner(header: &[TokenTree]) -> Owner {
    let (rest, end) = (header, Span::call_site());
    let mut cursor = Cursor { rest, end };
    let until_impl = cursor.before(|here| is_word(here.first(), "impl"));
    cursor.take((until_impl + 1).min(header.len()));
    cursor.angles();
    let until_for = cursor.before(|here| is_word(here.first(), "for"));
    match cursor.rest.get(until_for) {
        Some(_) => Owner::Trait(cursor.take(until_for).into_iter().collect()),
        None => Owner::Type,
    }
}

/// What is in the braces, with opaque functions.
fn functions(block: &Group, owner: &Owner) -> Result<TokenStream, Error> {
    let all: Vec<TokenTree> = block.stream().into_iter().collect();
    let (rest, end) = (&all[..], block.span_close());
    let mut cursor = Cursor { rest, end };
    let mut items = TokenStream::new();
    while !cursor.rest.is_empty() {
        let from = cursor.rest;
        let attributes = cursor.attributes();
        if attributes.is_empty() && is_punct(cursor.first(), '#') {
            // An inner attribute.
            items.extend(cursor.take(3.min(from.len())));
            continue;
        }
        if Function::is_next(&cursor) {
            match Function::parse(attributes, &mut cursor)? {
                Some(function) => items.extend(opaque(&function, owner)),
                None => items.extend(from[..from.len() - cursor.rest.len()].iter().cloned()),
            }
            continue;
        }
        let is_end = |token: &TokenTree| is_punct(Some(token), ';') || is_block(token);
        let count = cursor.rest.iter().position(is_end);
        let count = count.map_or(cursor.rest.len(), |last| last + 1);
        cursor.take(count);
        items.extend(from[..from.len() - cursor.rest.len()].iter().cloned());
    }
    Ok(items)
}
