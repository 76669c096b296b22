//! Layouts of types that may live.

use crate::edit::Edit;

/// Two versions of a type, and a function that takes it and was edited.
fn typed(before: &str, after: &str) -> Edit {
    using("&S", before, after)
}

/// The same, where the function takes another type that has `S` in it.
fn using(of: &str, before: &str, after: &str) -> Edit {
    let source = |types: &str, by: u32| {
        format!("#![feature_free] {types} pub fn f(a: {of}) -> usize {{ {by} + size_of_val(&a) }}")
            .replace("#![feature_free] ", "")
    };
    Edit::of(&source(before, 1), &source(after, 2))
}

#[test]
fn a_field_is_added() {
    let edit = typed(
        "pub struct S { a: u32 }",
        "pub struct S { a: u32, next: Option<Box<S>> }",
    );
    edit.refuses(&["type `app::S` changed: \
        field `next: core::option::Option<alloc::boxed::Box<app::S, alloc::alloc::Global>>` is new, 8 bytes at 0; \
        field `a` is 4 bytes at 8, and was 4 bytes at 0; \
        4 bytes aligned to 4, now 16 bytes aligned to 8"]);
    assert!(!edit.verdict("app::f").is_same());
}

#[test]
fn a_field_is_removed() {
    let edit = typed("pub struct S { a: u32, b: u32 }", "pub struct S { a: u32 }");
    edit.refuses(&[
        "type `app::S` changed: field `b: u32` is gone, it was 4 bytes at 4; \
        8 bytes aligned to 4, now 4 bytes aligned to 4",
    ]);
}

#[test]
fn fields_are_reordered() {
    let edit = typed(
        "pub struct S { a: u32, b: u32 }",
        "pub struct S { b: u32, a: u32 }",
    );
    edit.refuses(&["type `app::S` changed: \
        field `a` is 4 bytes at 4, and was 4 bytes at 0; \
        field `b` is 4 bytes at 0, and was 4 bytes at 4; \
        8 bytes aligned to 4, now 8 bytes aligned to 4"]);
}

#[test]
fn fields_are_reordered_in_the_source_only() {
    let edit = typed(
        "pub struct S { a: u8, b: u32 }",
        "pub struct S { b: u32, a: u8 }",
    );
    edit.same("app::f");
}

#[test]
fn a_field_is_renamed() {
    let edit = typed(
        "pub struct S { low: u32, b: u32 }",
        "pub struct S { high: u32, b: u32 }",
    );
    edit.refuses(&["type `app::S` changed: field `low` is `high` now; \
        8 bytes aligned to 4, now 8 bytes aligned to 4"]);
}

#[test]
fn a_field_is_retyped() {
    let edit = typed("pub struct S { a: u32 }", "pub struct S { a: i32 }");
    edit.refuses(&["type `app::S` changed: \
        field `a` is `i32`, 4 bytes at 0, and was `u32`, 4 bytes at 0; \
        4 bytes aligned to 4, now 4 bytes aligned to 4"]);
}

#[test]
fn a_type_within_the_type_changes_and_only_that_is_named() {
    let edit = typed(
        "pub struct In { a: u8 } pub struct S { b: u64, inner: In, c: Option<(u8, In)> }",
        "pub struct In { a: u8, b: u64 } pub struct S { b: u64, inner: In, c: Option<(u8, In)> }",
    );
    edit.refuses(&[
        "type `app::In` changed: field `b: u64` is new, 8 bytes at 0; \
        field `a` is 1 byte at 8, and was 1 byte at 0; \
        1 byte aligned to 1, now 16 bytes aligned to 8",
    ]);
}

const GROWN: &str = "type `app::S` changed: field `b: u8` is new, 1 byte at 1; \
    1 byte aligned to 1, now 2 bytes aligned to 1";

/// A type that grows, where a function has it inside of another type.
#[track_caller]
fn grown_in(of: &str) {
    let edit = using(
        of,
        "pub struct S { a: u8 }",
        "pub struct S { a: u8, b: u8 }",
    );
    edit.refuses(&[GROWN]);
    assert_eq!(
        edit.verdict("app::f").to_string(),
        format!("refused: {GROWN}")
    );
}

#[test]
fn a_type_behind_a_reference_changes() {
    grown_in("&&mut S");
}

#[test]
fn a_type_in_a_box_changes() {
    grown_in("Option<Box<S>>");
}

#[test]
fn a_type_in_a_vec_changes() {
    grown_in("&Vec<S>");
}

#[test]
fn a_type_in_a_map_changes() {
    grown_in("&std::collections::HashMap<u8, S>");
}

#[test]
fn a_type_in_a_shared_lock_changes() {
    grown_in("std::sync::Arc<std::sync::Mutex<S>>");
}

#[test]
fn a_type_in_an_array_of_tuples_changes() {
    grown_in("&[(u32, [S; 3])]");
}

#[test]
fn a_type_behind_a_raw_pointer_changes() {
    grown_in("*const S");
}

#[test]
fn a_type_that_a_function_pointer_takes_changes() {
    grown_in("fn(&S) -> u8");
}

#[test]
fn a_generic_argument_that_is_not_stored_changes() {
    grown_in("std::marker::PhantomData<S>");
}

#[test]
fn a_type_that_no_signature_has_changes() {
    let source = |fields: &str, by: u8| {
        format!(
            "use std::any::Any; pub struct S {{ {fields} }} \
             pub fn f(a: &dyn Any) -> u8 {{ a.downcast_ref::<S>().map_or({by}, |s| s.a) }}"
        )
    };
    let edit = Edit::of(&source("a: u8", 1), &source("a: u8, b: u8", 2));
    edit.refuses(&[GROWN]);
}

#[test]
fn a_type_that_only_a_local_has_changes() {
    let source = |fields: &str, by: u8| {
        format!(
            "pub struct S {{ {fields} }} pub unsafe fn f(at: *const u8) -> u8 \
             {{ let s = unsafe {{ &*(at as *const S) }}; s.a + {by} }}"
        )
    };
    let edit = Edit::of(&source("a: u8", 1), &source("a: u8, b: u8", 2));
    edit.refuses(&[GROWN]);
    assert!(edit.verdict("app::f").is_same());
}

#[test]
fn a_generic_type_of_the_crate_changes() {
    let edit = using(
        "&S<u16>",
        "pub struct S<T> { a: T }",
        "pub struct S<T> { a: T, b: Option<T> }",
    );
    edit.refuses(&["type `app::S<u16>` changed: \
        field `b: core::option::Option<u16>` is new, 4 bytes at 0; \
        field `a` is 2 bytes at 4, and was 2 bytes at 0; \
        2 bytes aligned to 2, now 6 bytes aligned to 2"]);
}

#[test]
fn a_variant_without_fields_is_added() {
    let edit = typed("pub enum S { A, B }", "pub enum S { A, B, C }");
    edit.refuses(&["type `app::S` changed: variant `C` is new; \
        1 byte aligned to 1, now 1 byte aligned to 1"]);
}

#[test]
fn two_variants_without_fields_are_swapped() {
    let edit = typed("pub enum S { A, B }", "pub enum S { B, A }");
    edit.refuses(&["type `app::S` changed: \
        variant `A` is number 1, and was number 0; variant `B` is number 0, and was number 1; \
        1 byte aligned to 1, now 1 byte aligned to 1"]);
}

#[test]
fn two_variants_with_fields_are_swapped() {
    let edit = typed(
        "pub enum S { A(u32), B(u32) }",
        "pub enum S { B(u32), A(u32) }",
    );
    edit.refuses(&["type `app::S` changed: \
        variant `A` is number 1, and was number 0; variant `B` is number 0, and was number 1; \
        8 bytes aligned to 4, now 8 bytes aligned to 4"]);
}

#[test]
fn a_variant_gets_another_number() {
    let edit = typed("pub enum S { A = 1, B = 5 }", "pub enum S { A = 1, B = 6 }");
    edit.refuses(&[
        "type `app::S` changed: variant `B` is number 6, and was number 5; \
        1 byte aligned to 1, now 1 byte aligned to 1",
    ]);
}

#[test]
fn a_variant_is_renamed() {
    let edit = typed("pub enum S { A(u32), B }", "pub enum S { A(u32), C }");
    edit.refuses(&["type `app::S` changed: variant `B` is `C` now; \
        8 bytes aligned to 4, now 8 bytes aligned to 4"]);
}

#[test]
fn a_field_of_a_variant_changes() {
    let edit = typed(
        "pub enum S { A { x: u32, y: u32 }, B }",
        "pub enum S { A { x: u32, z: u32 }, B }",
    );
    edit.refuses(&["type `app::S::A` changed: field `y` is `z` now; \
        12 bytes aligned to 4, now 12 bytes aligned to 4"]);
}

#[test]
fn the_niche_that_another_enum_uses_is_taken() {
    let edit = using(
        "Option<S>",
        "pub enum S { A(bool), B }",
        "pub enum S { A(bool), B, C }",
    );
    edit.refuses(&["type `app::S` changed: variant `C` is new; \
        1 byte aligned to 1, now 1 byte aligned to 1"]);
}

#[test]
fn a_tuple_struct_changes() {
    let edit = typed("pub struct S(u32, u16);", "pub struct S(u16, u32);");
    edit.refuses(&["type `app::S` changed: \
        field `__0` is `u16`, 2 bytes at 4, and was `u32`, 4 bytes at 0; \
        field `__1` is `u32`, 4 bytes at 0, and was `u16`, 2 bytes at 4; \
        8 bytes aligned to 4, now 8 bytes aligned to 4"]);
}

#[test]
fn a_union_changes() {
    let edit = typed(
        "pub union S { a: u32, b: [u8; 4] }",
        "pub union S { a: u32, b: [u8; 8] }",
    );
    edit.refuses(&["type `app::S` changed: \
        field `b` is `[u8; 8]`, 8 bytes at 0, and was `[u8; 4]`, 4 bytes at 0; \
        4 bytes aligned to 4, now 8 bytes aligned to 4"]);
}

#[test]
fn a_struct_becomes_packed() {
    let edit = typed(
        "pub struct S { a: u8, b: u32 }",
        "#[repr(packed)] pub struct S { a: u8, b: u32 }",
    );
    edit.refuses(&["type `app::S` changed: \
        field `a` is 1 byte at 0, and was 1 byte at 4; \
        field `b` is 4 bytes at 1, and was 4 bytes at 0; \
        8 bytes aligned to 4, now 5 bytes aligned to 1"]);
}

#[test]
fn a_struct_gets_another_alignment() {
    let edit = typed(
        "pub struct S { a: u64 }",
        "#[repr(align(16))] pub struct S { a: u64 }",
    );
    edit.refuses(&[
        "type `app::S` changed: size 16, was 8; alignment 16, was 8; \
        8 bytes aligned to 8, now 16 bytes aligned to 16",
    ]);
}

#[test]
fn a_struct_gets_the_layout_of_c() {
    let edit = typed(
        "pub struct S { a: u8, b: u32, c: u8 }",
        "#[repr(C)] pub struct S { a: u8, b: u32, c: u8 }",
    );
    edit.refuses(&["type `app::S` changed: \
        field `a` is 1 byte at 0, and was 1 byte at 4; \
        field `b` is 4 bytes at 4, and was 4 bytes at 0; \
        field `c` is 1 byte at 8, and was 1 byte at 5; \
        8 bytes aligned to 4, now 12 bytes aligned to 4"]);
}

#[test]
fn the_numbers_of_an_enum_are_stored_in_more_bytes() {
    let edit = typed("pub enum S { A, B }", "#[repr(u32)] pub enum S { A, B }");
    edit.refuses(&[
        "type `app::S` changed: the tag is `u32`, 4 bytes at 0, and was `u8`, 1 byte at 0; \
        1 byte aligned to 1, now 4 bytes aligned to 4",
    ]);
}

#[test]
fn the_numbers_of_an_enum_with_fields_are_stored_in_more_bytes() {
    // Where the fields are, and how large it is, stays.
    let edit = typed(
        "#[repr(u8)] pub enum S { A(u32), B }",
        "#[repr(u16)] pub enum S { A(u32), B }",
    );
    edit.refuses(&[
        "type `app::S` changed: the tag is `u16`, 2 bytes at 0, and was `u8`, 1 byte at 0; \
        8 bytes aligned to 4, now 8 bytes aligned to 4",
    ]);
}

#[test]
fn a_struct_becomes_an_enum() {
    let edit = typed("pub struct S { a: u8 }", "pub enum S { A, B }");
    edit.refuses(&["type `app::S` changed: it is another kind of type; \
        1 byte aligned to 1, now 1 byte aligned to 1"]);
}

#[test]
fn a_type_of_another_name_takes_its_place() {
    let edit = Edit::with(
        crate::edit::Mangling::V0,
        "pub struct S { a: u8 } pub fn f(s: &S) -> u8 { s.a }",
        "pub struct R { a: u8 } pub fn f(s: &R) -> u8 { s.a + 1 }",
    );
    edit.versioned("app::f", "parameter 1 is `&app::R`, and was `&app::S`");
}

#[test]
fn a_type_that_is_new_harms_nobody() {
    let edit = Edit::of(
        "pub struct S { a: u8 } pub fn f(s: &S) -> u8 { s.a }",
        "pub struct S { a: u8 } struct N(u32, S); pub fn f(s: &S) -> u8 { let n = N(1, S { a: s.a }); n.1.a + n.0 as u8 }",
    );
    edit.same("app::f");
}

#[test]
fn one_of_two_local_types_of_one_name_changes() {
    let source = |fields: &str| {
        format!(
            "pub fn f() -> usize {{ \
               let a = {{ struct L {{ x: u8 }} std::hint::black_box(L {{ x: 1 }}).x }}; \
               let b = {{ struct L {{ {fields} }} let l: L = unsafe {{ std::mem::zeroed() }}; size_of_val(&l) }}; \
               a as usize + b }}"
        )
    };
    let edit = Edit::of(&source("y: u16"), &source("y: u16, z: u16"));
    edit.refuses(&[
        "type `app::f::L` changed: field `z: u16` is new, 2 bytes at 2; \
        2 bytes aligned to 2, now 4 bytes aligned to 2",
    ]);
}
