//! The parts of a function, as far as its opaque form needs them.

use crate::error::Error;
use proc_macro::{Delimiter, Group, Ident, Span, TokenStream, TokenTree};

/// A function with a body.
pub(crate) struct Function {
    /// Outer attributes, each a `#` and its brackets.
    pub(crate) attributes: Vec<[TokenTree; 2]>,
    /// From the visibility to `fn`.
    pub(crate) head: Vec<TokenTree>,
    pub(crate) is_async: bool,
    pub(crate) is_unsafe: bool,
    /// `extern`, with the name of the ABI if it has one.
    pub(crate) abi: TokenStream,
    pub(crate) name: Ident,
    /// With the angle brackets; empty if there are none.
    pub(crate) generics: Vec<TokenTree>,
    pub(crate) parameters: Vec<Parameter>,
    /// Without the arrow; `None` if there is none.
    pub(crate) result: Option<Vec<TokenTree>>,
    /// With `where`; empty if there is none.
    pub(crate) bounds: Vec<TokenTree>,
    pub(crate) body: Group,
}

pub(crate) enum Parameter {
    /// `&self`, `&'a mut self`: what it says, and the `self` in it.
    Borrowed(Vec<TokenTree>, Ident),
    /// `self`, `mut self: Box<Self>`: the `self`, and the colon and the type.
    Owned(Ident, Vec<TokenTree>),
    /// A pattern and a type.
    Other(Vec<TokenTree>, Vec<TokenTree>),
}

impl Parameter {
    /// Whether it tells that the function is in an `impl`.
    pub(crate) fn says_self(&self) -> bool {
        match self {
            Self::Other(pattern, kind) => has_word(pattern.iter().chain(kind).cloned(), "Self"),
            Self::Borrowed(..) | Self::Owned(..) => true,
        }
    }
}

pub(crate) fn is_word(token: Option<&TokenTree>, word: &str) -> bool {
    matches!(token, Some(TokenTree::Ident(ident)) if ident.to_string() == word)
}

pub(crate) fn is_punct(token: Option<&TokenTree>, mark: char) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == mark)
}

/// Whether a word is anywhere in the tokens.
pub(crate) fn has_word(tokens: impl IntoIterator<Item = TokenTree>, word: &str) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Group(group) => has_word(group.stream(), word),
        token => is_word(Some(&token), word),
    })
}

fn group(token: Option<&TokenTree>, delimiter: Delimiter) -> Option<Group> {
    let TokenTree::Group(group) = token? else {
        return None;
    };
    if group.delimiter() == delimiter {
        return Some(group.clone());
    }
    // What a declarative macro has been given as a whole.
    let mut inside = group.stream().into_iter();
    let first = inside.next();
    let is_alone = group.delimiter() == Delimiter::None && inside.next().is_none();
    is_alone.then(|| self::group(first.as_ref(), delimiter))?
}

/// Tokens that are read from the left.
pub(crate) struct Cursor<'t> {
    pub(crate) rest: &'t [TokenTree],
    pub(crate) end: Span,
}

impl<'t> Cursor<'t> {
    pub(crate) fn take(&mut self, count: usize) -> Vec<TokenTree> {
        let (taken, rest) = self.rest.split_at(count);
        self.rest = rest;
        taken.to_vec()
    }

    pub(crate) fn first(&self) -> Option<&'t TokenTree> {
        self.rest.first()
    }

    /// Where it is, for errors.
    pub(crate) fn span(&self) -> Span {
        self.first().map_or(self.end, TokenTree::span)
    }

    /// Outer attributes.
    pub(crate) fn attributes(&mut self) -> Vec<[TokenTree; 2]> {
        let mut attributes = Vec::new();
        while let [mark, brackets, ..] = self.rest {
            let is_attribute =
                is_punct(Some(mark), '#') && group(Some(brackets), Delimiter::Bracket).is_some();
            if !is_attribute {
                break;
            }
            attributes.push([mark.clone(), brackets.clone()]);
            self.rest = &self.rest[2..];
        }
        attributes
    }

    /// How many tokens there are before the first that is as said and is not
    /// between angle brackets.
    pub(crate) fn before(&self, is_end: impl Fn(&[TokenTree]) -> bool) -> usize {
        let mut depth = 0;
        for at in 0..self.rest.len() {
            let is_in_arrow = at > 0 && is_arrow(&self.rest[at - 1..]);
            if depth == 0 && !is_in_arrow && is_end(&self.rest[at..]) {
                return at;
            }
            depth += angle(self.rest, at);
        }
        self.rest.len()
    }

    /// Takes what is between angle brackets, and those, if it comes next.
    pub(crate) fn angles(&mut self) -> Vec<TokenTree> {
        let mut depth = 0;
        for at in 0..self.rest.len() {
            depth += angle(self.rest, at);
            if depth == 0 {
                let is_generic = at > 0;
                return self.take(if is_generic { at + 1 } else { 0 });
            }
        }
        Vec::new()
    }
}

/// 1 for an angle bracket that opens, -1 for one that closes.
fn angle(tokens: &[TokenTree], at: usize) -> i32 {
    let is_arrow = at > 0 && is_arrow(&tokens[at - 1..]);
    match tokens.get(at) {
        token if is_punct(token, '<') => 1,
        token if is_punct(token, '>') && !is_arrow => -1,
        _ => 0,
    }
}

fn is_arrow(tokens: &[TokenTree]) -> bool {
    is_punct(tokens.first(), '-') && is_punct(tokens.get(1), '>')
}

/// Splits at commas that are not between angle brackets.
pub(crate) fn at_commas(tokens: &[TokenTree]) -> Vec<Vec<TokenTree>> {
    let mut parts = Vec::new();
    let end = Span::call_site();
    let mut cursor = Cursor { rest: tokens, end };
    while !cursor.rest.is_empty() {
        let count = cursor.before(|here| is_punct(here.first(), ','));
        parts.push(cursor.take(count));
        cursor.rest = cursor.rest.get(1..).unwrap_or_default();
    }
    parts
}

impl Function {
    /// Whether a function comes next, after its attributes.
    pub(crate) fn is_next(cursor: &Cursor<'_>) -> bool {
        let mut rest = cursor.rest;
        while let [first, more @ ..] = rest {
            let before = match first {
                TokenTree::Ident(word) => match &*word.to_string() {
                    "fn" => return true,
                    "pub" | "default" | "const" | "async" | "unsafe" | "safe" | "extern" => true,
                    _ => false,
                },
                // An ABI; what `pub` is restricted to, or a visibility that a
                // declarative macro was given.
                TokenTree::Literal(_) => true,
                TokenTree::Group(group) => {
                    matches!(group.delimiter(), Delimiter::Parenthesis | Delimiter::None)
                }
                TokenTree::Punct(_) => false,
            };
            if !before {
                return false;
            }
            rest = more;
        }
        false
    }

    /// The function that comes next: `is_next` has said so. `None` is one without
    /// a body.
    pub(crate) fn parse(
        attributes: Vec<[TokenTree; 2]>,
        cursor: &mut Cursor<'_>,
    ) -> Result<Option<Self>, Error> {
        let until_fn = cursor.before(|here| is_word(here.first(), "fn"));
        let head = cursor.take(until_fn + 1);
        let find = |word| head.iter().find(|token| is_word(Some(token), word));
        if let Some(word) = find("const") {
            return Err(Error::new(
                word.span(),
                "a `const fn` cannot be kept from the compiler, which may call it itself: \
                 take `const` away, or mock its callers",
            ));
        }
        let abi = head
            .iter()
            .skip_while(|token| !is_word(Some(token), "extern"));
        let abi = abi.take_while(|token| !is_word(Some(token), "fn"));
        let (is_async, is_unsafe) = (find("async").is_some(), find("unsafe").is_some());
        let abi = abi.cloned().collect();

        let Some(TokenTree::Ident(name)) = cursor.first().cloned() else {
            return Err(Error::new(cursor.span(), "the function's name is missing"));
        };
        cursor.take(1);
        let generics = cursor.angles();
        let Some(parentheses) = group(cursor.first(), Delimiter::Parenthesis) else {
            return Err(Error::new(cursor.span(), "the parameters are missing"));
        };
        cursor.take(1);
        let inside: Vec<_> = parentheses.stream().into_iter().collect();
        let parameters = at_commas(&inside).into_iter().map(Parameter::parse);
        let parameters = parameters.collect::<Result<_, _>>()?;

        let is_end = |here: &[TokenTree]| {
            group(here.first(), Delimiter::Brace).is_some() || is_punct(here.first(), ';')
        };
        let result = is_arrow(cursor.rest).then(|| {
            cursor.take(2);
            let count = cursor.before(|here| is_word(here.first(), "where") || is_end(here));
            cursor.take(count)
        });
        // Braces in bounds are between angle brackets.
        let count = cursor.before(is_end);
        let bounds = cursor.take(count);
        let body = group(cursor.first(), Delimiter::Brace);
        cursor.rest = cursor.rest.get(1..).unwrap_or_default();
        let Some(body) = body else {
            return Ok(None);
        };
        Ok(Some(Self {
            attributes,
            head,
            is_async,
            is_unsafe,
            abi,
            name,
            generics,
            parameters,
            result,
            bounds,
            body,
        }))
    }
}

impl Parameter {
    fn parse(tokens: Vec<TokenTree>) -> Result<Self, Error> {
        let first = tokens.first();
        if is_punct(first, '#') {
            return Err(Error::new(
                tokens[0].span(),
                "attributes of parameters are not understood",
            ));
        }
        let colon = tokens.iter().enumerate().position(|(at, token)| {
            let is_path = is_punct(tokens.get(at + 1), ':') && is_joint(token);
            let is_end_of_path =
                at > 0 && is_punct(tokens.get(at - 1), ':') && is_joint(&tokens[at - 1]);
            is_punct(Some(token), ':') && !is_path && !is_end_of_path
        });
        let (pattern, rest) = tokens.split_at(colon.unwrap_or(tokens.len()));
        let receiver = pattern.iter().rev().find_map(|token| match token {
            TokenTree::Ident(word) if word.to_string() == "self" => Some(word.clone()),
            _ => None,
        });
        match receiver {
            Some(word) if is_punct(first, '&') => Ok(Self::Borrowed(tokens, word)),
            Some(word) => Ok(Self::Owned(word, rest.to_vec())),
            None if colon.is_some() => Ok(Self::Other(pattern.to_vec(), rest[1..].to_vec())),
            None => {
                let at = first.map_or_else(Span::call_site, TokenTree::span);
                Err(Error::new(at, "this parameter is not understood"))
            }
        }
    }
}

fn is_joint(token: &TokenTree) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.spacing() == proc_macro::Spacing::Joint)
}
