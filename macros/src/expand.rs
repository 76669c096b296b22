//! The opaque form of a function.
//!
//! ```text
//! #[inline(never)]
//! fn f<T>(mut a: A, (b, c): (B, C)) -> R {
//!     let own: fn(_, _) -> _ = f::<T>;
//!     black_box(own);                  // called by nobody knows whom
//!     black_box(&mut a);               // written to, if passed by reference
//!     black_box(&mut arg1);
//!     through(move || -> R { let a = a; let (b, c) = arg1; … })
//! }
//! ```
//!
//! `through` calls the closure by a pointer that comes out of a `black_box`, and
//! puts the closure's name, in which that of the function is, into another one.
//!
//! A future cannot be told to be polled out of line: there is no place for the
//! attribute. But what calls itself is not inlined. So an `async fn` makes itself
//! once more and polls that, in a branch that is never taken.

use crate::function::{Cursor, Function, Parameter, at_commas, has_word, is_punct, is_word};
use crate::template::tokens;
use proc_macro::{Delimiter, Group, Ident, Span, TokenStream, TokenTree};

/// By what a function can name itself.
pub(crate) enum Owner {
    /// It is in a module.
    Module,
    /// `Self::f`.
    Type,
    /// `<Self as Trait>::f`.
    Trait(TokenStream),
}

const THROUGH: &str = "
    fn __midair_body<__B: ::core::ops::FnOnce() -> __R, __R>(body: __B) -> __R {
        body()
    }
    fn __midair_through<__B: ::core::ops::FnOnce() -> __R, __R>(body: __B) -> __R {
        let _ = ::core::hint::black_box(::core::any::type_name::<__B>());
        ::core::hint::black_box::<fn(__B) -> __R>(__midair_body)(body)
    }
";

const SYNC: &str = "{
    INNER
    THROUGH
    OWN
    TOUCH
    __midair_through(move || -> RESULT { LETS BODY })
}";

const POLLED: &str = "
    fn __midair_poll<__F: ::core::future::Future>(
        body: ::core::pin::Pin<&mut __F>,
        context: &mut ::core::task::Context<'_>,
    ) -> ::core::task::Poll<__F::Output> {
        body.poll(context)
    }
    async fn __midair_through<__F: ::core::future::Future>(body: __F) -> __F::Output {
        let _ = ::core::hint::black_box(::core::any::type_name::<__F>());
        let mut body = ::core::pin::pin!(body);
        let poll: for<'p, 'f, 'c, 'w> fn(
            ::core::pin::Pin<&'p mut __F>,
            &'c mut ::core::task::Context<'w>,
        ) -> ::core::task::Poll<__F::Output> = ::core::hint::black_box(__midair_poll);
        ::core::future::poll_fn(move |context| poll(body.as_mut(), context)).await
    }
";

const ASYNC: &str = "{
    INNER
    THROUGH
    OWN
    TOUCH
    if ::core::hint::black_box(false) {
        let again = ::core::pin::pin!(AGAIN);
        let waker = ::core::task::Waker::noop();
        let _ = ::core::future::Future::poll(
            again, &mut ::core::task::Context::from_waker(waker)
        );
        ::core::unreachable!()
    }
    __midair_through(async move { LETS TYPED }).await
}";

/// So that what the body returns is taken for the declared type where it stands.
const TYPED: &str = "
    if let ::core::option::Option::Some(result) = ::core::option::Option::None::<RESULT> {
        return result;
    }
    let __midair_result: RESULT = BODY;
    __midair_result
";

/// A function with this body is opaque.
pub(crate) fn opaque(function: &Function, owner: &Owner) -> TokenStream {
    let mut opaque = tokens(
        "#[inline(never)]
        #[allow(
            unused_mut, unused_unsafe, unreachable_code,
            clippy::diverging_sub_expression, clippy::let_and_return, clippy::let_unit_value,
            clippy::redundant_locals, clippy::needless_lifetimes, clippy::unused_unit,
            clippy::type_complexity, clippy::needless_return
        )]",
        &[],
    );
    let kept = function
        .attributes
        .iter()
        .filter(|[_, brackets]| !is_inline(brackets));
    opaque.extend(kept.flatten().cloned());
    opaque.extend(function.head.iter().cloned());
    opaque.extend([TokenTree::from(function.name.clone())]);
    opaque.extend(function.generics.iter().cloned());
    let parameters: Vec<_> = function
        .parameters
        .iter()
        .enumerate()
        .map(declared)
        .collect();
    let list = parameters
        .into_iter()
        .flat_map(|p| p.into_iter().chain(tokens(",", &[])));
    let mut list = Group::new(Delimiter::Parenthesis, list.collect());
    list.set_span(function.name.span());
    opaque.extend([TokenTree::from(list)]);
    if let Some(result) = &function.result {
        opaque.extend(tokens("->", &[]).into_iter().chain(result.iter().cloned()));
    }
    opaque.extend(function.bounds.iter().cloned());
    opaque.extend(body(function, owner));
    opaque
}

fn body(function: &Function, owner: &Owner) -> TokenStream {
    let (inner, statements) = inner_attributes(&function.body);
    let mut block = Group::new(Delimiter::Brace, statements);
    block.set_span(function.body.span());
    let holes = [
        ("INNER", inner),
        ("OWN", own(function, owner)),
        ("TOUCH", each(function, touched)),
        ("LETS", each(function, bound)),
        ("RESULT", result(function)),
        ("BODY", TokenTree::from(block).into()),
    ];
    let with = |more: &[(&'static str, TokenStream)]| [&holes[..], more].concat();
    if !function.is_async {
        return tokens(SYNC, &with(&[("THROUGH", tokens(THROUGH, &[]))]));
    }
    // `None::<!>` is not stable, and nothing is to be known of a `!`.
    let never = function
        .result
        .as_deref()
        .is_some_and(|r| is_punct(r.first(), '!'));
    let typed = tokens(if never { "BODY" } else { TYPED }, &holes);
    let more = [
        ("THROUGH", tokens(POLLED, &[])),
        ("AGAIN", call(function)),
        ("TYPED", typed),
    ];
    tokens(ASYNC, &with(&more))
}

fn is_inline(brackets: &TokenTree) -> bool {
    let TokenTree::Group(group) = brackets else {
        return false;
    };
    is_word(group.stream().into_iter().next().as_ref(), "inline")
}

/// `#![…]` at the beginning of a body, and the rest of it.
fn inner_attributes(body: &Group) -> (TokenStream, TokenStream) {
    let all: Vec<TokenTree> = body.stream().into_iter().collect();
    let mut count = 0;
    while is_punct(all.get(count), '#') && is_punct(all.get(count + 1), '!') {
        count += 3;
    }
    let (inner, rest) = all.split_at(count.min(all.len()));
    (
        inner.iter().cloned().collect(),
        rest.iter().cloned().collect(),
    )
}

fn each(function: &Function, of: impl Fn((usize, &Parameter)) -> TokenStream) -> TokenStream {
    function
        .parameters
        .iter()
        .enumerate()
        .flat_map(of)
        .collect()
}

/// The one name of a pattern that is no more than that.
fn simple(pattern: &[TokenTree]) -> Option<Ident> {
    match pattern {
        [TokenTree::Ident(name)] if name.to_string() != "_" => Some(name.clone()),
        [first, TokenTree::Ident(name)] if is_word(Some(first), "mut") => Some(name.clone()),
        _ => None,
    }
}

/// What holds an argument in the opaque form.
fn holder((at, parameter): (usize, &Parameter)) -> TokenStream {
    let name = match parameter {
        Parameter::Borrowed(_, word) | Parameter::Owned(word, _) => word.clone(),
        Parameter::Other(pattern, _) => simple(pattern)
            .unwrap_or_else(|| Ident::new(&format!("__midair_argument_{at}"), Span::call_site())),
    };
    TokenTree::from(name).into()
}

/// The parameter in the list.
fn declared((at, parameter): (usize, &Parameter)) -> TokenStream {
    let name = holder((at, parameter));
    let of = |kind: &[TokenTree]| kind.iter().cloned().collect::<TokenStream>();
    match parameter {
        Parameter::Borrowed(all, _) => of(all),
        Parameter::Owned(_, kind) => tokens("mut NAME KIND", &[("NAME", name), ("KIND", of(kind))]),
        Parameter::Other(_, kind) => {
            tokens("mut NAME: KIND", &[("NAME", name), ("KIND", of(kind))])
        }
    }
}

/// What is passed by reference is written to: else callers would rely on its being
/// left alone, and a mock may change it.
fn touched((at, parameter): (usize, &Parameter)) -> TokenStream {
    match parameter {
        Parameter::Borrowed(..) => TokenStream::new(),
        _ => tokens(
            "::core::hint::black_box(&mut NAME);",
            &[("NAME", holder((at, parameter)))],
        ),
    }
}

/// The parameter as the body knows it.
fn bound((at, parameter): (usize, &Parameter)) -> TokenStream {
    let Parameter::Other(pattern, _) = parameter else {
        return TokenStream::new();
    };
    let holes = [
        ("PATTERN", pattern.iter().cloned().collect()),
        ("NAME", holder((at, parameter))),
    ];
    tokens("let PATTERN = NAME;", &holes)
}

/// The type of the result where a type may be left to be found out, which an
/// `impl Trait` has to be.
fn result(function: &Function) -> TokenStream {
    match &function.result {
        Some(result) => inferred(result.iter().cloned()),
        None => tokens("()", &[]),
    }
}

fn inferred(kind: impl IntoIterator<Item = TokenTree>) -> TokenStream {
    let kind: Vec<TokenTree> = kind.into_iter().collect();
    let (rest, end) = (&kind[..], Span::call_site());
    let mut cursor = Cursor { rest, end };
    let mut left = TokenStream::new();
    while let Some(token) = cursor.first() {
        match token {
            token if is_word(Some(token), "impl") => {
                let count = cursor
                    .before(|here| is_punct(here.first(), ',') || is_punct(here.first(), '>'));
                cursor.take(count);
                left.extend(tokens("_", &[]));
                continue;
            }
            TokenTree::Group(group) => {
                let mut inside = Group::new(group.delimiter(), inferred(group.stream()));
                inside.set_span(group.span());
                left.extend([TokenTree::from(inside)]);
            }
            token => left.extend([token.clone()]),
        }
        cursor.take(1);
    }
    left
}

/// Tells others of the function's address.
fn own(function: &Function, owner: &Owner) -> TokenStream {
    let unknown = tokens("_,", &[]).into_iter();
    let unknown = unknown.cycle().take(2 * function.parameters.len());
    let holes = [
        ("UNSAFE", word_if(function.is_unsafe, "unsafe")),
        ("ABI", function.abi.clone()),
        ("UNKNOWN", unknown.collect()),
        ("PATH", path(function, owner)),
        ("CALL", call(function)),
    ];
    let mut own = tokens(
        "let __midair_own: UNSAFE ABI fn(UNKNOWN) -> _ = PATH;
        ::core::hint::black_box(__midair_own);",
        &holes,
    );
    // The type of an argument that is an `impl Trait` has no name.
    let is_hidden = |parameter: &Parameter| match parameter {
        Parameter::Other(_, kind) => has_word(kind.iter().cloned(), "impl"),
        Parameter::Borrowed(..) | Parameter::Owned(..) => false,
    };
    if function.parameters.iter().any(is_hidden) && !function.is_async {
        own.extend(tokens(
            "if false { let _ = CALL; ::core::unreachable!() }",
            &holes,
        ));
    }
    own
}

/// The function called by its address.
fn call(function: &Function) -> TokenStream {
    let arguments = each(function, |parameter| {
        holder(parameter)
            .into_iter()
            .chain(tokens(",", &[]))
            .collect()
    });
    let call = tokens("__midair_own(ARGUMENTS)", &[("ARGUMENTS", arguments)]);
    match function.is_unsafe {
        true => tokens("unsafe { CALL }", &[("CALL", call)]),
        false => call,
    }
}

fn word_if(says: bool, word: &str) -> TokenStream {
    tokens(if says { word } else { "" }, &[])
}

/// The path of the function, with its generic arguments but for lifetimes.
fn path(function: &Function, owner: &Owner) -> TokenStream {
    let name = TokenTree::from(function.name.clone()).into();
    let trait_path = match owner {
        Owner::Trait(path) => path.clone(),
        Owner::Module | Owner::Type => TokenStream::new(),
    };
    let before = match owner {
        Owner::Module => "",
        Owner::Type => "Self::",
        Owner::Trait(_) => "<Self as TRAIT>::",
    };
    let arguments = generic_arguments(&function.generics);
    let after = if arguments.is_empty() {
        ""
    } else {
        "::<ARGUMENTS>"
    };
    tokens(
        &format!("{before} NAME {after}"),
        &[
            ("NAME", name),
            ("TRAIT", trait_path),
            ("ARGUMENTS", arguments),
        ],
    )
}

/// `T, N` of `<'a, T: Copy, const N: usize>`.
fn generic_arguments(generics: &[TokenTree]) -> TokenStream {
    let Some(inside) = generics.get(1..generics.len().saturating_sub(1)) else {
        return TokenStream::new();
    };
    let names = at_commas(inside).into_iter().filter_map(|parameter| {
        let is_const = is_word(parameter.first(), "const");
        match parameter.get(usize::from(is_const)) {
            Some(TokenTree::Ident(name)) => Some(TokenTree::from(name.clone())),
            _ => None,
        }
    });
    names
        .flat_map(|name| TokenStream::from(name).into_iter().chain(tokens(",", &[])))
        .collect()
}
