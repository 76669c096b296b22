//! Functions of equal code, merged by the compiler or not.

use super::build::{self, ONE, TWO, User, options};
use crate::symbols::debug::folded;

#[test]
fn functions_that_were_merged_are_told_with_their_names() {
    for mangling in ["v0", "legacy"] {
        let name = format!("folded_{mangling}");
        let [path, _] = build::users(&name, options("3", "0", mangling));
        let library = User::load(&path);
        let (one, two) = (library.address(ONE), library.address(TWO));
        assert_eq!(one, two, "the compiler has merged them");
        for (type_name, other) in [("dep::inner::one", "two"), ("dep::inner::two", "one")] {
            let found = folded(one, type_name).unwrap();
            // Both names are left, or one: the other function's.
            let is_told = found.others.iter().any(|name| name.ends_with(other));
            assert!(
                is_told || found.is_expected == Some(false),
                "{type_name} {found:?}"
            );
        }
    }
}

#[test]
fn functions_that_were_not_merged_are_alone() {
    let [path, _] = build::users("folded_not", options("0", "0", "v0"));
    let library = User::load(&path);
    assert_ne!(library.address(ONE), library.address(TWO));
    for (number, type_name) in [
        (ONE, "dep::inner::one"),
        (build::GENERIC_U8, "dep::inner::generic<u8>"),
        (build::GET_U64, "dep::inner::Held<u64>::get"),
    ] {
        let found = folded(library.address(number), type_name).unwrap();
        assert_eq!(found.is_expected, Some(true), "{found:?}");
        assert!(found.others.is_empty(), "{found:?}");
    }
}

#[test]
fn names_that_c_libraries_give_on_purpose_are_no_merging() {
    let open = crate::symbol("libc::open").unwrap();
    let found = folded(open.address.addr(), "libc::open").unwrap();
    assert!(found.others.is_empty(), "{found:?}");
    assert_eq!(found.is_expected, Some(true));
}
