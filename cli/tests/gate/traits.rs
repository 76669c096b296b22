//! Traits, and the tables of trait objects that live.

use crate::edit::{Crate, Edit, Mangling};
use cargo_midair::run::gate::{Object, Running, compare};
use std::sync::Arc;

/// A trait with an object of it.
fn object(methods: &str, body: &str, by: u8) -> String {
    format!(
        "pub trait T {{ {methods} }} pub struct S(u32); impl T for S {{ {body} }} \
         pub fn make(s: u32) -> Box<dyn T> {{ Box::new(S(s)) }} \
         pub fn f(t: &dyn T) -> u32 {{ t.one() + t.two() + {by} }}"
    )
}

const ONE: &str = "fn one(&self) -> u32;";
const TWO: &str = "fn two(&self) -> u32;";
const BODY: &str = "fn one(&self) -> u32 { self.0 } fn two(&self) -> u32 { 2 }";

#[test]
fn a_method_of_a_trait_object_is_edited() {
    let trait_ = format!("{ONE} {TWO}");
    let edit = Edit::of(
        &object(&trait_, BODY, 1),
        &object(&trait_, &BODY.replace("self.0", "self.0 + 1"), 1),
    );
    edit.same("<app::S as app::T>::one");
}

#[test]
fn a_method_is_added_to_a_trait() {
    let edit = Edit::of(
        &object(&format!("{ONE} {TWO}"), BODY, 1),
        &object(&format!("{ONE} fn three(&self) {{}} {TWO}"), BODY, 1),
    );
    edit.refuses(&["objects of trait `app::T` have tables of 2 methods, and the trait has 3 now"]);
}

#[test]
fn a_method_is_removed_from_a_trait() {
    let edit = Edit::of(
        &object(&format!("{ONE} {TWO} fn three(&self) {{}}"), BODY, 1),
        &object(&format!("{ONE} {TWO}"), BODY, 1),
    );
    edit.refuses(&["objects of trait `app::T` have tables of 3 methods, and the trait has 2 now"]);
}

#[test]
fn the_methods_of_a_trait_are_swapped() {
    let edit = Edit::of(
        &object(&format!("{ONE} {TWO}"), BODY, 1),
        &object(&format!("{TWO} {ONE}"), BODY, 1),
    );
    edit.refuses(&["slot 0 of the table of `<app::S as app::T>` is `two`, and was `one`"]);
}

#[test]
fn the_only_method_of_a_trait_is_another_one() {
    let source = |name: &str| {
        format!(
            "pub trait T {{ fn {name}(&self) -> u32; }} pub struct S(u32); \
             impl T for S {{ fn {name}(&self) -> u32 {{ self.0 }} }} \
             pub fn make(s: u32) -> Box<dyn T> {{ Box::new(S(s)) }} \
             pub fn f(t: &dyn T) -> u32 {{ t.{name}() }}"
        )
    };
    Edit::of(&source("one"), &source("two"))
        .refuses(&["slot 0 of the table of `<app::S as app::T>` is `two`, and was `one`"]);
}

#[test]
fn traits_above_with_methods_of_one_name_are_swapped() {
    let source = |above: &str| {
        format!(
            "pub trait A<X> {{ fn one(&self) -> u32; }} pub trait T: {above} {{}} \
             pub struct S(u32); impl A<u8> for S {{ fn one(&self) -> u32 {{ self.0 }} }} \
             impl A<u16> for S {{ fn one(&self) -> u32 {{ 2 }} }} impl T for S {{}} \
             pub fn make(s: u32) -> Box<dyn T> {{ Box::new(S(s)) }} \
             pub fn f(t: &dyn T) -> u32 {{ A::<u8>::one(t) }}"
        )
    };
    Edit::of(&source("A<u8> + A<u16>"), &source("A<u16> + A<u8>")).refuses(&[
        "slot 0 of the table of `<app::S as app::T>` is `<app::S as app::A<u16>>::one`, \
         and was `<app::S as app::A<u8>>::one`",
    ]);
}

#[test]
fn a_default_method_is_overridden() {
    let source = |two: &str| object(&format!("{ONE} fn two(&self) -> u32 {{ 2 }}"), two, 1);
    let before = source("fn one(&self) -> u32 { self.0 }");
    for mangling in [Mangling::Legacy, Mangling::V0] {
        let edit = Edit::with(mangling, &before, &source(BODY));
        edit.refuses(&[
            "slot 1 of the table of `<app::S as app::T>` is `<app::S as app::T>::two`, \
             and was `app::T::two`",
        ]);
    }
}

#[test]
fn a_method_of_a_trait_object_takes_or_returns_something_else() {
    let before = object(&format!("{ONE} {TWO}"), BODY, 1);
    let returns = before
        .replace("fn two(&self) -> u32", "fn two(&self) -> u64")
        .replace("t.two()", "t.two() as u32");
    let what = "the table of `<app::S as app::T>` leads callers to the old `two`: ";
    Edit::of(&before, &returns).refuses(&[&format!("{what}it returns `u64`, and returned `u32`")]);
    let takes = before
        .replace("fn two(&self) ->", "fn two(&self, n: f64) ->")
        .replace("t.two()", "t.two(1.5)");
    Edit::of(&before, &takes).refuses(&[&format!("{what}it takes 2 parameters, and took 1")]);
}

#[test]
fn what_objects_of_std_traits_take_and_return_is_in_their_types() {
    let source = |of: &str| {
        format!(
            "pub struct S; impl Iterator for S {{ type Item = {of}; \
             fn next(&mut self) -> Option<{of}> {{ None }} }} \
             pub fn make() -> Box<dyn Iterator<Item = {of}>> {{ Box::new(S) }} \
             pub fn call(n: {of}) -> Box<dyn Fn({of}) -> {of}> {{ Box::new(move |m| m + n) }}"
        )
    };
    let edit = Edit::of(&source("u32"), &source("u64"));
    assert_eq!(edit.outcome.refusals, []);
}

const DROP: &str = "impl Drop for S { fn drop(&mut self) { std::hint::black_box(self.0); } }";

#[test]
fn a_type_behind_a_trait_object_gets_a_drop_or_loses_it() {
    for methods in [(ONE, "fn one(&self) -> u32 { self.0 }"), ("", "")] {
        let source = |by: u8| {
            let calls = object(methods.0, methods.1, by);
            calls.replace("t.one() + t.two()", "size_of_val(t) as u32")
        };
        let dropped = |by: u8| format!("{} {DROP}", source(by));
        let what = "the table of `<app::S as app::T>` says that a drop";
        Edit::of(&source(1), &dropped(1))
            .refuses(&[&format!("{what} does nothing, and it does now")]);
        Edit::of(&dropped(1), &source(1))
            .refuses(&[&format!("{what} does something, and it does not now")]);
        let changed = dropped(1).replace("black_box(self.0)", "black_box(self.0 + 1)");
        Edit::of(&dropped(1), &changed).same("<app::S as core::ops::drop::Drop>::drop");
    }
}

#[test]
fn a_default_method_is_edited() {
    let source = |by: u8| {
        object(
            &format!("{ONE} fn two(&self) -> u32 {{ {by} }}"),
            "fn one(&self) -> u32 { 1 }",
            1,
        )
    };
    let edit = Edit::of(&source(1), &source(2));
    edit.same("app::T::two");
}

#[test]
fn the_type_behind_a_trait_object_changes() {
    let trait_ = format!("{ONE} {TWO}");
    let source = object(&trait_, BODY, 1);
    let grown = source
        .replace("S(u32)", "S(u32, u32)")
        .replace("S(s)", "S(s, s)");
    let edit = Edit::of(&source, &grown);
    edit.refuses(&[
        "type `app::S` changed: field `__1: u32` is new, 4 bytes at 4; \
        4 bytes aligned to 4, now 8 bytes aligned to 4",
    ]);
}

/// Compares new objects with a linked file of the old ones.
#[track_caller]
fn linked(before: &str, after: &str, words: &[&str]) {
    let krate = Crate::new(&[]);
    let mut running = Running::new();
    let executable = krate.link(&krate.compile(before));
    running.add(Arc::new(Object::open(&executable).unwrap()));
    let new: Vec<_> = krate.compile(after);
    let new: Vec<_> = new
        .iter()
        .map(|path| Arc::new(Object::open(path).unwrap()))
        .collect();
    let outcome = compare(&running, &new, &[]).unwrap();
    let said: Vec<_> = outcome.refusals.iter().map(ToString::to_string).collect();
    assert_eq!(said, words);
}

#[test]
fn what_runs_can_be_a_linked_file() {
    let before = object(&format!("{ONE} {TWO}"), BODY, 1);
    linked(&before, &object(&format!("{ONE} {TWO}"), BODY, 2), &[]);
    linked(
        &before,
        &object(&format!("{TWO} {ONE}"), BODY, 1),
        &["slot 0 of the table of `<app::S as app::T>` is `two`, and was `one`"],
    );
    linked(
        &before,
        &before
            .replace("S(u32)", "S(u32, u32)")
            .replace("S(s)", "S(s, s)"),
        &[
            "type `app::S` changed: field `__1: u32` is new, 4 bytes at 4; \
           4 bytes aligned to 4, now 8 bytes aligned to 4",
        ],
    );
}
