//! Closures: what they capture, and which one they are.

use crate::edit::{Edit, Mangling};

/// A function with closures whose captures are the same.
fn boxed(closures: &[&str]) -> String {
    let list: Vec<_> = closures
        .iter()
        .map(|c| format!("Box::new(move |x| {c})"))
        .collect();
    format!(
        "pub fn f(k: u32) -> Vec<Box<dyn Fn(u32) -> u32>> {{ vec![{}] }}",
        list.join(", ")
    )
}

const FIRST: &str = "app::f::{{closure}}";
const A: &str = "x + k";
const B: &str = "x.wrapping_mul(k)";
const C: &str = "x ^ k";

#[test]
fn a_closures_body_is_edited() {
    let edit = Edit::of(&boxed(&[A]), &boxed(&[B]));
    edit.same(FIRST);
}

#[test]
fn the_body_of_one_of_several_closures_is_edited() {
    let edit = Edit::with(Mangling::V0, &boxed(&[A, B]), &boxed(&[A, C]));
    edit.same("app::f::{closure#1}");
}

#[test]
fn two_closures_are_swapped() {
    let edit = Edit::with(Mangling::V0, &boxed(&[A, B]), &boxed(&[B, A]));
    for number in 0..2 {
        let path = format!("app::f::{{closure#{number}}}");
        let words = format!(
            "`{path}` may be another closure of `app::f` now, \
             for several that look alike changed"
        );
        edit.versioned(&path, &words);
    }
}

#[test]
fn a_closure_is_added_before_another() {
    for mangling in [Mangling::Legacy, Mangling::V0] {
        let edit = Edit::with(mangling, &boxed(&[A]), &boxed(&[B, A]));
        let path = match mangling {
            // The symbol of the new number 0 is the old one's.
            Mangling::Legacy => FIRST,
            Mangling::V0 => "app::f::{closure#0}",
        };
        edit.versioned(
            path,
            "`app::f::{closure#0}` may be another closure of `app::f` now, \
             which has 2 closures and had 1",
        );
    }
}

#[test]
fn a_closure_is_removed_before_another() {
    let edit = Edit::with(Mangling::V0, &boxed(&[A, B]), &boxed(&[B]));
    edit.versioned(
        "app::f::{closure#0}",
        "`app::f::{closure#0}` may be another closure of `app::f` now, \
         which has 1 closure and had 2",
    );
}

#[test]
fn a_closure_is_added_after_another_and_none_changes() {
    let edit = Edit::with(Mangling::V0, &boxed(&[A]), &boxed(&[A, B]));
    edit.same("app::f");
    assert_eq!(edit.changed_named("app::f::{closure#0}"), 0);
}

/// A function that keeps a closure.
fn kept(before: &str) -> String {
    format!(
        "pub struct Job<F>(F, u8); impl<F: Fn() -> usize> Job<F> {{ \
           pub fn run(&self) -> usize {{ (self.0)() + self.1 as usize }} }} \
         pub fn f(v: Vec<u8>, n: usize) -> usize {{ {before} }}"
    )
}

#[test]
fn a_closure_captures_more() {
    let edit = Edit::with(
        Mangling::V0,
        &kept("let c = || v.len(); c()"),
        &kept("let c = || v.len() + n; c()"),
    );
    edit.versioned(
        "app::f::{closure#0}",
        "what closure `app::f::{closure_env#0}` captures changed: \
         field `_ref__n: &usize` is new, 8 bytes at 8",
    );
    assert!(edit.verdict("app::f").is_same());
}

#[test]
fn a_closure_captures_by_value_and_not_by_reference_any_more() {
    let edit = Edit::with(
        Mangling::V0,
        &kept("let c = || n + 1; c()"),
        &kept("let c = move || n + 1; c()"),
    );
    edit.versioned(
        "app::f::{closure#0}",
        "what closure `app::f::{closure_env#0}` captures changed: \
         field `_ref__n: &usize` is gone, it was 8 bytes at 0; \
         field `n: usize` is new, 8 bytes at 0",
    );
}

#[test]
fn a_type_that_has_a_closure_whose_captures_changed_is_kept_for_old_callers() {
    let edit = Edit::with(
        Mangling::V0,
        &kept("let j = Job(|| v.len(), 1); j.run()").replace("+ self.1", "- self.1"),
        &kept("let j = Job(|| v.len() + n, 1); j.run()"),
    );
    edit.versioned(
        "<app::Job<app::f::{closure#0}>>::run",
        "what closure `app::f::{closure_env#0}` captures changed: \
         field `_ref__n: &usize` is new, 8 bytes at 8",
    );
    assert!(edit.verdict("app::f").is_same());
}

#[test]
fn a_type_that_a_closure_captures_changes() {
    let source = |fields: &str| {
        format!(
            "pub struct S {{ {fields} }} \
             pub fn f(s: S) -> Box<dyn Fn() -> usize> {{ Box::new(move || size_of_val(&s)) }}"
        )
    };
    let edit = Edit::with(Mangling::V0, &source("a: u8"), &source("a: u8, b: u8"));
    edit.refuses(
        &["type `app::S` changed: field `b: u8` is new, 1 byte at 1; \
        1 byte aligned to 1, now 2 bytes aligned to 1"],
    );
}

/// Two types with closures in their methods, and impls of theirs before.
fn impls(before: &str, by: &str) -> String {
    format!(
        "pub struct A(u32); pub struct B(u32); {before} \
         impl A {{ pub fn f(self) -> Box<dyn Fn() -> u32> {{ Box::new(move || self.0 + 1) }} }} \
         impl B {{ pub fn f(self) -> Box<dyn Fn() -> u32> {{ Box::new(move || self.0 {by}) }} }}"
    )
}

#[test]
fn an_impl_is_added_before_another() {
    let edit = Edit::with(
        Mangling::V0,
        &impls("", "+ 2"),
        &impls(
            "impl Clone for A { fn clone(&self) -> A { A(self.0) } }",
            "+ 3",
        ),
    );
    edit.same("<app::B>::f::{closure#0}");
}

#[test]
fn an_impl_is_added_before_another_and_the_symbols_hashes_change() {
    let edit = Edit::of(
        &impls("", "+ 2"),
        &impls(
            "impl Clone for A { fn clone(&self) -> A { A(self.0) } }",
            "+ 3",
        ),
    );
    edit.same("app::B::f::{{closure}}");
}

#[test]
fn impls_are_swapped() {
    let source = |first: &str, second: &str, by: &str| {
        format!(
            "pub struct A(u32); pub struct B(u32); \
             fn run<F: Fn() -> u32>(f: F) -> u32 {{ f() {by} }} \
             impl {first} {{ pub fn f(&self) -> u32 {{ let k = 1; run(move || k + 1) }} }} \
             impl {second} {{ pub fn f(&self) -> u32 {{ let k = 1; run(move || k + 2) }} }}"
        )
    };
    // The first closure is A's, and then B's; the second has other code.
    let edit = Edit::of(&source("A", "B", "+ 1"), &source("B", "A", "+ 2"));
    edit.refuses(&[]);
    let runs: Vec<_> = edit.verdicts_named("app::run");
    assert_eq!(runs.len(), 2);
    assert!(runs.iter().all(|verdict| !verdict.is_same()), "{runs:?}");
}

#[test]
fn a_closure_that_was_called_by_reference_is_consumed() {
    // Both capture the same; an old caller would drop what the new one dropped.
    let source = |body: &str| {
        format!(
            "fn run<F: FnOnce() -> usize>(f: F) -> usize {{ f() }} \
             pub fn f(v: Vec<u8>) -> usize {{ let c = move || {body}; run(c) }}"
        )
    };
    let edit = Edit::with(
        Mangling::V0,
        &source("v.len()"),
        &source("{ let n = v.len(); drop(v); n }"),
    );
    edit.versioned(
        "app::f::{closure#0}",
        "`app::f::{closure#0}` may be another closure of `app::f` now, \
         whose closures differ in captures, parameters or kind",
    );
}

#[test]
fn a_nested_closure_goes_with_the_one_that_it_is_in() {
    let inner = |by: u32| format!("{{ let h = move || x + k + {by}; h() }}");
    let edit = Edit::with(
        Mangling::V0,
        &boxed(&[&inner(1)]),
        &boxed(&[&inner(2), &inner(1)]),
    );
    let path = "app::f::{closure#0}::{closure#0}";
    assert!(!edit.verdict(path).is_same(), "{}", edit.verdict(path));
}

#[test]
fn a_closure_in_an_iterator_returns_something_else() {
    let source = |of: &str| {
        format!(
            "fn run<I: Iterator>(mut i: std::iter::Peekable<I>) -> bool {{ i.peek().is_some() }} \
             pub fn f(v: &[u8]) -> bool {{ run(v.iter().map(|x| *x as {of}).peekable()) }}"
        )
    };
    let edit = Edit::with(Mangling::V0, &source("u8"), &source("u64"));
    assert!(edit.verdict("app::f").is_same());
    let verdict = edit.verdicts_named(
        "app::run::<core::iter::adapters::map::Map<core::slice::iter::Iter<u8>, app::f::{closure#0}>>",
    );
    assert_eq!(verdict.len(), 1);
    let words = verdict[0].to_string();
    let start = "old callers keep the old one: type `core::iter::adapters::peekable::Peekable<";
    assert!(words.starts_with(start), "{words}");
    let telling =
        "field `peeked` is `core::option::Option<core::option::Option<u64>>`, 16 bytes at";
    assert!(words.contains(telling), "{words}");
    edit.refuses(&[]);
}

#[test]
fn a_closure_captures_one_that_is_perhaps_another() {
    // Two that look alike, and a third that has the first one in it.
    let source = |a: &str, b: &str, by: u32| {
        format!(
            "pub fn f(k: u32) -> Box<dyn Fn() -> u32> {{ \
               let a = move |x: u32| {a}; let b = move |x: u32| {b}; b(1); \
               Box::new(move || a({by}) + 1) }}"
        )
    };
    let edit = Edit::with(Mangling::V0, &source(A, B, 1), &source(B, A, 2));
    for number in 0..3 {
        let path = format!("app::f::{{closure#{number}}}");
        assert!(!edit.verdict(&path).is_same(), "{path}");
    }
    edit.refuses(&[]);
}
