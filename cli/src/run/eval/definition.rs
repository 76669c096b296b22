//! What was typed: a function whose name is a path.
//!
//! `fn price(…) …`, `async fn shop::till::price(…) …`, `fn Till::price(&self) …` and
//! `fn <Till as Priced>::price(&self) …`. Visibility and attributes are those of the
//! file.

use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};
use std::ops::Range;

/// A definition of a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Definition {
    /// The path as it was typed, without spaces: the name last.
    pub(crate) path: Vec<String>,
    /// `Type` and `Trait` of `<Type as Trait>::name`.
    pub(crate) of_trait: Option<(String, String)>,
    /// The same with the name alone, as it stands in a file.
    pub(crate) text: String,
}

const WANTED: &str = "type a whole function, such as `fn shop::till::price(n: u32) -> u32 { n }`";

impl Definition {
    pub(crate) fn parse(typed: &str) -> Result<Self, String> {
        let tokens: TokenStream = typed
            .parse()
            .map_err(|e| format!("this is not Rust: {e}; {WANTED}"))?;
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let name_of = |n: usize| match tokens.get(n) {
            Some(TokenTree::Ident(name)) => Some(name.to_string()),
            _ => None,
        };
        if is_punct(tokens.first(), '#') {
            return Err("attributes are those of the file; leave them out".to_owned());
        }
        let mut start = 0;
        if name_of(0).as_deref() == Some("pub") {
            start = 1;
            if let Some(TokenTree::Group(group)) = tokens.get(1)
                && group.delimiter() == Delimiter::Parenthesis
            {
                start = 2;
            }
        }
        let at_fn = (start..tokens.len()).find(|n| name_of(*n).as_deref() == Some("fn"));
        let is_qualifier = |n: usize| match &tokens[n] {
            TokenTree::Ident(word) => {
                ["async", "const", "unsafe", "extern", "default"].contains(&&*word.to_string())
            }
            TokenTree::Literal(_) => true,
            _ => false,
        };
        let Some(at_fn) = at_fn.filter(|at| (start..*at).all(is_qualifier)) else {
            return Err(WANTED.to_owned());
        };
        let first = at_fn + 1;
        let (path, of_trait, next) = path(&tokens, first).ok_or(WANTED)?;
        let is_whole = matches!(
            tokens.last(),
            Some(TokenTree::Group(body)) if body.delimiter() == Delimiter::Brace
        );
        let takes = matches!(
            tokens.get(next),
            Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Parenthesis
        );
        if !is_whole || !(takes || is_punct(tokens.get(next), '<')) {
            return Err(WANTED.to_owned());
        }
        let from = bytes(&tokens[start]).start;
        let (before, after) = (bytes(&tokens[first]).start, bytes(&tokens[next - 1]).end);
        let end = tokens.last().map_or(after, |last| bytes(last).end);
        let name = path.last().ok_or(WANTED)?;
        let text = format!("{}{name}{}", &typed[from..before], &typed[after..end]);
        Ok(Self {
            path,
            of_trait,
            text,
        })
    }

    /// The path in words.
    pub(crate) fn name(&self) -> String {
        match &self.of_trait {
            Some((of, name)) => format!("<{of} as {name}>::{}", self.path.join("::")),
            None => self.path.join("::"),
        }
    }
}

type Path = (Vec<String>, Option<(String, String)>, usize);

/// The path that begins at a token, and the token behind it.
fn path(tokens: &[TokenTree], mut at: usize) -> Option<Path> {
    let mut of_trait = None;
    if is_punct(tokens.get(at), '<') {
        let end = closing(tokens, at)?;
        let is_as = |n: &usize| matches!(&tokens[*n], TokenTree::Ident(word) if word == "as");
        let between = (at + 1..end).find(is_as)?;
        of_trait = Some((
            words(&tokens[at + 1..between]),
            words(&tokens[between + 1..end]),
        ));
        at = after_colons(tokens, end + 1)?;
    }
    let mut path = Vec::new();
    loop {
        let Some(TokenTree::Ident(name)) = tokens.get(at) else {
            return None;
        };
        path.push(name.to_string());
        at += 1;
        // `Type::<T>::name` is written, too.
        let mut next = after_colons(tokens, at);
        if let Some(generic) = next.filter(|next| is_punct(tokens.get(*next), '<')) {
            next = Some(after_colons(tokens, closing(tokens, generic)? + 1)?);
        }
        match next {
            Some(next) => at = next,
            None => return Some((path, of_trait, at)),
        }
    }
}

/// The `>` that belongs to a `<`.
fn closing(tokens: &[TokenTree], at: usize) -> Option<usize> {
    let mut depth = 0;
    for (n, token) in tokens.iter().enumerate().skip(at) {
        let is_arrow = n > 0
            && matches!(&tokens[n - 1], TokenTree::Punct(p) if p.as_char() == '-' && p.spacing() == Spacing::Joint);
        if is_punct(Some(token), '<') {
            depth += 1;
        } else if is_punct(Some(token), '>') && !is_arrow {
            depth -= 1;
            if depth == 0 {
                return Some(n);
            }
        }
    }
    None
}

fn after_colons(tokens: &[TokenTree], at: usize) -> Option<usize> {
    let both = is_punct(tokens.get(at), ':') && is_punct(tokens.get(at + 1), ':');
    both.then_some(at + 2)
}

fn is_punct(token: Option<&TokenTree>, wanted: char) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == wanted)
}

/// Without spaces, so that however it is written it compares equal.
fn words(tokens: &[TokenTree]) -> String {
    let text: TokenStream = tokens.iter().cloned().collect();
    without_spaces(&text.to_string())
}

/// A type in one way of writing.
pub(super) fn without_spaces(text: &str) -> String {
    let mut out = String::new();
    for word in text.split_whitespace() {
        let is_name = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
        if is_name(out.chars().last()) && is_name(word.chars().next()) {
            out.push(' ');
        }
        out.push_str(word);
    }
    out
}

fn bytes(token: &TokenTree) -> Range<usize> {
    match token {
        // `span` of a group may be of its opening alone.
        TokenTree::Group(group) => {
            group.span_open().byte_range().start..group.span_close().byte_range().end
        }
        other => other.span().byte_range(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(typed: &str) -> (String, String) {
        let definition = Definition::parse(typed).unwrap();
        (definition.name(), definition.text)
    }

    #[test]
    fn the_name_is_a_path_and_the_text_has_the_name_alone() {
        let same = |typed: &str, name: &str, text: &str| {
            assert_eq!(parsed(typed), (name.to_owned(), text.to_owned()), "{typed}");
        };
        same("fn a() {}", "a", "fn a() {}");
        same(
            " pub(crate) fn greeting :: print(n: u32) -> u32 { /* ü */ n }  ",
            "greeting::print",
            "fn print(n: u32) -> u32 { /* ü */ n }",
        );
        same(
            "async fn a::b<T: Into<String>>(t: T) where T: Send { \"{}\"; }",
            "a::b",
            "async fn b<T: Into<String>>(t: T) where T: Send { \"{}\"; }",
        );
        same(
            "unsafe extern \"C\" fn Till::<T>::price(&self) { }",
            "Till::price",
            "unsafe extern \"C\" fn price(&self) { }",
        );
        same(
            "fn <Till as From<Vec<u8>>>::from(v: Vec<u8>) -> Self { loop {} }",
            "<Till as From<Vec<u8>>>::from",
            "fn from(v: Vec<u8>) -> Self { loop {} }",
        );
    }

    #[test]
    fn what_is_no_whole_function_is_an_error() {
        for typed in [
            "",
            "1 + 1",
            "fn",
            "fn a",
            "fn a()",
            "fn a();",
            "fn a() { } }",
            "fn a() { ",
            "fn a::() {}",
            "fn <A as B>() {}",
            "struct A { }",
            "let x = fn a() {}",
            "#[inline] fn a() {}",
            "fn a() {} fn b() -> u8",
        ] {
            assert!(Definition::parse(typed).is_err(), "{typed}");
        }
    }
}
