//! What is wrong with an item, shown by the compiler.

use crate::template::tokens;
use proc_macro::{Literal, Span, TokenStream, TokenTree};

/// Why an item cannot be made mockable.
pub(crate) struct Error {
    at: Span,
    text: String,
}

impl Error {
    pub(crate) fn new(at: Span, text: impl Into<String>) -> Self {
        let text = text.into();
        Self { at, text }
    }

    /// The item as it is, and the error: nothing else is reported of it.
    pub(crate) fn with(self, item: TokenStream) -> TokenStream {
        let text = Literal::string(&format!("`#[mockable]`: {}", self.text));
        let error = tokens(
            "::core::compile_error! { TEXT }",
            &[("TEXT", TokenTree::from(text).into())],
        );
        let at_place = error.into_iter().map(|mut token| {
            token.set_span(self.at);
            token
        });
        item.into_iter().chain(at_place).collect()
    }
}
