//! Bodies, lines and signatures.

use crate::edit::{Crate, Edit, Mangling};
use cargo_midair::run::gate::{Changed, Object, Running, Verdict, compare};
use std::path::PathBuf;
use std::sync::Arc;

#[test]
fn a_body_is_edited() {
    let edit = Edit::of(
        "pub fn f(a: u32) -> u32 { a + 1 }",
        "pub fn f(a: u32) -> u32 { a.wrapping_mul(3) }",
    );
    edit.same("app::f");
}

#[test]
fn a_comment_is_added() {
    let edit = Edit::of(
        "pub fn f(a: u32) -> u32 { a + 1 }",
        "pub fn f(a: u32) -> u32 { a + 1 /* one more */ }",
    );
    edit.all_same();
}

#[test]
fn lines_are_shifted() {
    let source = "pub struct S { a: u8, b: [u32; 3] }\n\
        pub fn f(s: &S) -> u32 { let c = |i: usize| s.b[i]; c(s.a as usize) + 1 }\n\
        pub fn g(s: &S) -> Box<dyn Fn() -> u32> { let n = f(s); Box::new(move || n + 1) }";
    let edit = Edit::of(source, &format!("\n// A line.\n\n{source}"));
    assert!(edit.changed() >= 3, "panics have lines");
    edit.all_same();
}

#[test]
fn a_parameter_is_retyped() {
    let edit = Edit::with(
        Mangling::V0,
        "pub fn f(a: u32) -> u64 { 1 + a as u64 }",
        "pub fn f(a: u64) -> u64 { 2 + a as u64 }",
    );
    edit.versioned("app::f", "parameter 1 is `u64`, and was `u32`");
}

#[test]
fn a_parameter_is_retyped_and_the_hash_in_the_symbol_with_it() {
    let edit = Edit::of(
        "pub fn f(a: u32) -> u64 { 1 + a as u64 }",
        "pub fn f(a: u64) -> u64 { 2 + a as u64 }",
    );
    edit.versioned("app::f", "parameter 1 is `u64`, and was `u32`");
}

#[test]
fn a_parameter_without_a_name_is_retyped() {
    let edit = Edit::with(
        Mangling::V0,
        "pub fn f(a: u8, _: (u32, u8)) -> u8 { a + 1 }",
        "pub fn f(a: u8, (_, _): (u8, u8)) -> u8 { a + 2 }",
    );
    edit.versioned("app::f", "parameter 2 is `(u8, u8)`, and was `(u32, u8)`");
}

#[test]
fn a_parameter_is_added() {
    let edit = Edit::with(
        Mangling::V0,
        "pub fn f(a: u32) -> u32 { a + 1 }",
        "pub fn f(a: u32, b: u32) -> u32 { a + b }",
    );
    edit.versioned("app::f", "it takes 2 parameters, and took 1");
}

#[test]
fn two_parameters_of_one_size_are_swapped() {
    let edit = Edit::with(
        Mangling::V0,
        "pub fn f(a: &u32, b: &i32) -> i32 { *b + 1 }",
        "pub fn f(b: &i32, a: &u32) -> i32 { *b + 1 }",
    );
    edit.versioned("app::f", "parameter 1 is `&i32`, and was `&u32`");
}

#[test]
fn what_is_returned_is_retyped() {
    let edit = Edit::with(
        Mangling::V0,
        "pub fn f(a: u32) -> Option<u32> { Some(a) }",
        "pub fn f(a: u32) -> Result<u32, u32> { Ok(a) }",
    );
    edit.versioned(
        "app::f",
        "it returns `core::result::Result<u32, u32>`, and returned `core::option::Option<u32>`",
    );
}

#[test]
fn nothing_is_returned_any_more() {
    let edit = Edit::with(
        Mangling::V0,
        "pub fn f(a: u32) -> u32 { a }",
        "pub fn f(a: u32) { drop(a) }",
    );
    edit.versioned("app::f", "it returns `()`, and returned `u32`");
}

#[test]
fn a_reference_becomes_mutable() {
    let edit = Edit::with(
        Mangling::V0,
        "pub fn f(a: &u32) -> u32 { *a }",
        "pub fn f(a: &mut u32) -> u32 { *a += 1; *a }",
    );
    edit.versioned("app::f", "parameter 1 is `&mut u32`, and was `&u32`");
}

#[test]
fn a_methods_body_is_edited() {
    let edit = Edit::of(
        "pub struct S(u32); impl S { pub fn m(&mut self, a: u32) { self.0 += a } }",
        "pub struct S(u32); impl S { pub fn m(&mut self, a: u32) { self.0 -= a } }",
    );
    edit.same("app::S::m");
}

#[test]
fn a_methods_self_changes() {
    let edit = Edit::with(
        Mangling::V0,
        "pub struct S(u32); impl S { pub fn m(&self) -> u32 { self.0 } }",
        "pub struct S(u32); impl S { pub fn m(self) -> u32 { self.0 } }",
    );
    edit.versioned("<app::S>::m", "parameter 1 is `app::S`, and was `&app::S`");
}

#[test]
fn a_method_gets_the_hidden_parameter_of_its_callers_place() {
    let edit = Edit::with(
        Mangling::V0,
        "pub struct S(u32); impl S { pub fn m(&self) { if self.0 > 1 { panic!() } } }",
        "pub struct S(u32); impl S { #[track_caller] pub fn m(&self) { if self.0 > 1 { panic!() } } }",
    );
    edit.versioned("<app::S>::m", "it takes 2 parameters, and took 1");
}

#[test]
fn a_generic_functions_body_is_edited() {
    let edit = Edit::of(
        "pub fn g<T: Clone>(t: &T) -> T { t.clone() } pub fn f() -> u8 { g(&1_u8); g(&2_u16) as u8 }",
        "pub fn g<T: Clone>(t: &T) -> T { let u = t.clone(); u } pub fn f() -> u8 { g(&1_u8); g(&2_u16) as u8 }",
    );
    assert_eq!(edit.changed(), 2);
    edit.all_same();
}

#[test]
fn a_generic_function_is_used_with_a_type_that_changed() {
    let edit = Edit::of(
        "struct S { a: u8 } fn g<T>() -> usize { 1 + size_of::<T>() } pub fn f() -> usize { g::<S>() }",
        "struct S { a: u8, b: u8 } fn g<T>() -> usize { 2 + size_of::<T>() } pub fn f() -> usize { g::<S>() }",
    );
    edit.refuses(
        &["type `app::S` changed: field `b: u8` is new, 1 byte at 1; \
        1 byte aligned to 1, now 2 bytes aligned to 1"],
    );
}

#[test]
fn the_value_of_a_const_is_edited() {
    let edit = Edit::of(
        "const C: u32 = 3; pub fn f(a: u32) -> u32 { a ^ C }",
        "const C: u32 = 4; pub fn f(a: u32) -> u32 { a ^ C }",
    );
    edit.same("app::f");
}

#[test]
fn the_type_of_a_const_is_edited() {
    let edit = Edit::of(
        "const C: u32 = 3; pub fn f(a: u32) -> u32 { a ^ C as u32 }",
        "const C: u64 = 1 << 40; pub fn f(a: u32) -> u32 { a ^ C as u32 }",
    );
    edit.same("app::f");
}

#[test]
fn a_function_pointer_is_retyped() {
    let edit = Edit::with(
        Mangling::V0,
        "pub fn f(g: fn(u32) -> u8) -> u8 { g(1) }",
        "pub fn f(g: extern \"C\" fn(u32) -> u8) -> u8 { g(2) }",
    );
    edit.versioned(
        "app::f",
        "parameter 1 is `extern \"C\" fn(u32) -> u8`, and was `fn(u32) -> u8`",
    );
}

#[test]
fn an_exported_function_has_its_name_for_a_symbol() {
    let edit = Edit::of(
        "#[unsafe(no_mangle)] pub extern \"C\" fn f(a: u32) -> u32 { a }",
        "#[unsafe(no_mangle)] pub extern \"C\" fn f(a: u64) -> u32 { a as u32 }",
    );
    edit.versioned("f", "parameter 1 is `u64`, and was `u32`");
}

#[test]
fn a_function_that_is_not_the_one_that_had_the_symbol_is_kept_for_old_callers() {
    let krate = Crate::new(&[]);
    let objects = krate.compile(
        "#[unsafe(no_mangle)] pub fn f(a: u32) -> u32 { a } \
         #[unsafe(no_mangle)] pub fn g(a: u32) -> u32 { a + 1 }",
    );
    let open = |path: &PathBuf| Arc::new(Object::open(path).unwrap());
    let objects: Vec<_> = objects.iter().map(open).collect();
    let mut running = Running::new();
    for object in &objects {
        running.add(Arc::clone(object));
    }
    let verdict = |old: &str, new: &str| {
        let moved = false;
        let outcome = compare(&running, &objects, &[Changed { old, new, moved }]).unwrap();
        outcome.verdicts[0].clone()
    };
    assert_eq!(verdict("f", "f"), Verdict::Same);
    assert!(matches!(verdict("f", "g"), Verdict::Versioned { .. }));
}
