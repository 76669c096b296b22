//! Futures of async functions and blocks, which may be suspended.

use crate::edit::{Edit, Mangling};

/// An async function, of two others.
fn waiting(body: &str) -> String {
    format!(
        "pub async fn one(x: u32) -> u32 {{ x }} pub async fn two(x: u32) -> u32 {{ x ^ 1 }} \
         pub async fn f(x: u32) -> u32 {{ {body} }} \
         pub fn start() -> Box<dyn Future<Output = u32>> {{ Box::new(f(3)) }}"
    )
}

const POLL: &str = "app::f::{closure#0}";

fn edit(before: &str, after: &str) -> Edit {
    Edit::with(Mangling::V0, &waiting(before), &waiting(after))
}

#[test]
fn what_is_between_two_awaits_is_edited() {
    let edit = edit(
        "let a = one(x).await; two(a + 1).await",
        "let a = one(x).await; two(a + 2).await",
    );
    edit.same(POLL);
}

#[test]
fn lines_before_an_async_function_are_shifted() {
    let source = waiting("let a = one(x).await; two(a + 1).await");
    let edit = Edit::of(&source, &format!("\n\n{source}"));
    assert!(edit.changed() > 0);
    edit.all_same();
}

#[test]
fn two_awaits_are_swapped() {
    let edit = edit(
        "one(1).await; two(2).await; x",
        "two(2).await; one(1).await; x",
    );
    edit.versioned(
        POLL,
        "where future `app::f::{async_fn_env#0}` is suspended changed: \
         at Suspend0 it waits for `app::two::{async_fn_env#0}`, \
         and waited for `app::one::{async_fn_env#0}`; \
         at Suspend1 it waits for `app::one::{async_fn_env#0}`, \
         and waited for `app::two::{async_fn_env#0}`",
    );
    assert!(!edit.verdict(POLL).is_same());
}

#[test]
fn two_awaits_of_one_type_are_swapped_and_what_is_saved_tells_it() {
    let edit = edit(
        "let a = one(x).await; let b = one(x + 1).await; a + b",
        "let b = one(x + 1).await; let a = one(x).await; a + b",
    );
    edit.versioned(
        POLL,
        "where future `app::f::{async_fn_env#0}` is suspended changed: \
         in `Suspend1`, field `a` is `b` now",
    );
}

#[test]
fn an_await_is_added() {
    let edit = edit("one(x).await", "one(x).await; one(x).await");
    edit.versioned(
        POLL,
        "where future `app::f::{async_fn_env#0}` is suspended changed: \
         variant `Suspend1` is new; in `Suspend0`, field `x: u32` is new, 4 bytes at 4",
    );
}

#[test]
fn an_await_is_removed() {
    let edit = edit("one(x).await; two(x).await", "one(x).await");
    edit.versioned(
        POLL,
        "where future `app::f::{async_fn_env#0}` is suspended changed: \
         variant `Suspend1` is gone; \
         in `Suspend0`, field `x: u32` is gone, it was 4 bytes at 4",
    );
}

#[test]
fn a_local_is_saved_across_an_await() {
    let edit = edit("one(x).await", "let s = x as u8; one(x).await + s as u32");
    edit.versioned(
        POLL,
        "where future `app::f::{async_fn_env#0}` is suspended changed: \
         in `Suspend0`, field `s: u8` is new, 1 byte at 12",
    );
}

#[test]
fn a_future_that_waits_for_a_changed_one_is_kept_too() {
    let source = |inner: &str| {
        format!(
            "pub async fn leaf(x: u32) -> u32 {{ x }} \
             pub async fn inner(x: u32) -> u32 {{ {inner} }} \
             pub async fn f(x: u32) -> u32 {{ inner(x).await }} \
             pub fn start() -> Box<dyn Future<Output = u32>> {{ Box::new(f(3)) }}"
        )
    };
    let edit = Edit::with(
        Mangling::V0,
        &source("leaf(x).await"),
        &source("leaf(x).await; leaf(x).await"),
    );
    let words = "where future `app::inner::{async_fn_env#0}` is suspended changed: \
        variant `Suspend1` is new; in `Suspend0`, field `x: u32` is new, 4 bytes at 4";
    edit.versioned("app::inner::{closure#0}", words);
}

#[test]
fn a_type_that_a_future_saves_changes() {
    let source = |fields: &str| {
        format!(
            "pub struct S {{ {fields} }} pub async fn one(x: u32) -> u32 {{ x }} \
             pub async fn f(s: S) -> usize {{ one(1).await; size_of_val(&s) }} \
             pub fn start(s: S) -> Box<dyn Future<Output = usize>> {{ Box::new(f(s)) }}"
        )
    };
    let edit = Edit::with(Mangling::V0, &source("a: u8"), &source("a: u8, b: u8"));
    edit.refuses(
        &["type `app::S` changed: field `b: u8` is new, 1 byte at 1; \
        1 byte aligned to 1, now 2 bytes aligned to 1"],
    );
}

#[test]
fn an_async_block_is_edited() {
    let source = |by: u8| {
        format!(
            "pub async fn one(x: u32) -> u32 {{ x }} \
             pub fn f(x: u32) -> Box<dyn Future<Output = u32>> {{ \
             Box::new(async move {{ one(x).await + {by} }}) }}"
        )
    };
    let edit = Edit::with(Mangling::V0, &source(1), &source(2));
    edit.same("app::f::{closure#0}");
}
