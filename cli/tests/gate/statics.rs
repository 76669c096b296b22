//! Statics and thread-locals.

use crate::edit::Edit;

#[test]
fn a_static_is_retyped() {
    let source = |of: &str| {
        format!(
            "use std::sync::atomic::*; static N: {of} = {of}::new(1); \
            pub fn f() {{ N.fetch_add(1, Ordering::Relaxed); }}"
        )
    };
    let edit = Edit::of(&source("AtomicU32"), &source("AtomicU64"));
    edit.refuses(&[
        "static `app::N` is of type `core::sync::atomic::AtomicU64`, \
        and the one that lives is `core::sync::atomic::AtomicU32`",
    ]);
}

#[test]
fn a_static_gets_another_value() {
    let source = |value: u8| format!("static N: u8 = {value}; pub fn f() -> &'static u8 {{ &N }}");
    Edit::of(&source(1), &source(2)).all_same();
}

#[test]
fn a_static_of_a_function_is_retyped() {
    let source =
        |of: &str| format!("pub fn f() -> usize {{ static N: {of} = 1; (&raw const N).addr() }}");
    let edit = Edit::of(&source("u8"), &source("u16"));
    edit.refuses(&["static `app::f::N` is of type `u16`, and the one that lives is `u8`"]);
}

#[test]
fn a_static_is_added_beside_one_of_its_name() {
    let one = "{ static N: u8 = 1; a += (&raw const N).addr(); }";
    let other = "{ static N: u32 = 1; a += (&raw const N).addr(); }";
    let source = |body: &str| format!("pub fn f() -> usize {{ let mut a = 0; {body} a }}");
    let edit = Edit::of(&source(one), &source(&format!("{other}{one}")));
    edit.same("app::f");
}

#[test]
fn a_thread_local_is_retyped() {
    let source = |of: &str| {
        format!(
            "use std::cell::Cell; thread_local! {{ static T: Cell<{of}> = const {{ Cell::new(1) }} }} \
            pub fn f() -> u64 {{ T.get() as u64 }}"
        )
    };
    let edit = Edit::of(&source("u16"), &source("u32"));
    // One for types that need no drop and one for those that do.
    edit.refuses(&[
        "static `app::T::{constant#0}::{closure#0}::__RUST_STD_INTERNAL_VAL` is of type \
         `std::sys::thread_local::native::eager::Storage<core::cell::Cell<u32>>`, and the one \
         that lives is `std::sys::thread_local::native::eager::Storage<core::cell::Cell<u16>>`",
        "static `app::T::{constant#0}::{closure#1}::__RUST_STD_INTERNAL_VAL` is of type \
         `core::cell::Cell<u32>`, and the one that lives is `core::cell::Cell<u16>`",
    ]);
}

#[test]
fn a_type_in_a_static_changes() {
    let source = |fields: &str, more: &str| {
        format!(
            "pub struct S {{ {fields} }} static N: S = S {{ a: 1 {more} }}; pub fn f() -> &'static S {{ &N }}"
        )
    };
    let edit = Edit::of(&source("a: u8", ""), &source("a: u8, b: u8", ", b: 1"));
    edit.refuses(
        &["type `app::S` changed: field `b: u8` is new, 1 byte at 1; \
        1 byte aligned to 1, now 2 bytes aligned to 1"],
    );
}
