//! What the attribute does not take, and what it says then.

#[test]
fn what_cannot_be_opaque_is_an_error_where_it_stands() {
    trybuild::TestCases::new().compile_fail("tests/errors/*.rs");
}
