//! Copies in two libraries that are loaded at once.

use std::collections::BTreeSet;

use super::build::{self, CALLS_PRIVATE, GENERIC_U8, GENERIC_U32, GET_U8, GET_U64, SMALL, User};
use crate::symbols::debug::copies;
use crate::symbols::symbols;

/// The copies in this test's libraries; others come and go.
fn addresses(address: usize, name: &str) -> (BTreeSet<usize>, usize) {
    let copies = copies(address).unwrap();
    let is_own = |copy: &&crate::Symbol| copy.module.contains(&format!("lib{name}_"));
    let same = copies.same.iter().filter(is_own);
    let uncertain = copies.uncertain.iter().filter(is_own).count();
    (same.map(|copy| copy.address.addr()).collect(), uncertain)
}

/// Every function is found from both libraries' addresses, with all its copies.
fn copies_are_found(name: &str, options: build::Options) {
    let [a, b] = build::users(name, options).map(|path| User::load(&path));
    for number in [
        SMALL,
        GENERIC_U8,
        GENERIC_U32,
        CALLS_PRIVATE,
        GET_U8,
        GET_U64,
    ] {
        let both = BTreeSet::from([a.address(number), b.address(number)]);
        assert_eq!(both.len(), 2);
        let (from_a, uncertain) = addresses(a.address(number), name);
        assert_eq!(uncertain, 0, "{number}");
        assert!(from_a.is_superset(&both), "{number}: {from_a:x?} {both:x?}");
        assert_eq!(from_a, addresses(b.address(number), name).0, "{number}");
        // Nothing of another function is among them.
        for other in [
            SMALL,
            GENERIC_U8,
            GENERIC_U32,
            CALLS_PRIVATE,
            GET_U8,
            GET_U64,
        ] {
            let is_same = from_a.contains(&a.address(other));
            assert_eq!(is_same, other == number, "{number} {other}");
        }
    }
}

#[test]
fn v0_copies_are_found_without_debug_information() {
    copies_are_found("copies_v0", build::options("0", "0", "v0"));
    copies_are_found("copies_v0_o3", build::options("3", "0", "v0"));
}

#[test]
fn legacy_copies_are_told_apart_by_debug_information() {
    copies_are_found("copies_legacy", build::options("0", "1", "legacy"));
    copies_are_found("copies_legacy_o2", build::options("2", "2", "legacy"));
}

#[test]
fn legacy_copies_without_debug_information_are_uncertain() {
    let options = build::options("0", "0", "legacy");
    let [a, b] = build::users("copies_bare", options).map(|path| User::load(&path));
    let copies = copies(a.address(GENERIC_U32)).unwrap();
    // Each crate that makes an instance has a hash of its own.
    let has = |list: &[crate::Symbol], address| list.iter().any(|s| s.address.addr() == address);
    assert!(has(&copies.same, a.address(GENERIC_U32)), "{copies:?}");
    assert!(!has(&copies.same, b.address(GENERIC_U32)));
    assert!(has(&copies.uncertain, b.address(GENERIC_U32)));
    // What could be another instance is not left out.
    assert!(has(&copies.uncertain, b.address(GENERIC_U8)));
}

#[test]
fn a_private_function_is_found_by_its_path_with_its_copies() {
    let options = build::options("2", "0", "v0");
    let [_a, _b] = build::users("copies_private", options).map(|path| User::load(&path));
    let private = symbols("*dep::inner::private").unwrap();
    let of_a = private
        .iter()
        .find(|found| found.module.contains("copies_private_a"));
    let (same, _) = addresses(of_a.unwrap().address.addr(), "copies_private");
    let of_b = private
        .iter()
        .find(|found| found.module.contains("copies_private_b"));
    assert!(same.contains(&of_b.unwrap().address.addr()));
}

#[test]
fn a_function_of_c_is_alone() {
    let open = crate::symbol("libc::open").unwrap();
    let copies = copies(open.address.addr()).unwrap();
    assert_eq!(copies.same.len(), 1);
    assert!(copies.uncertain.is_empty());
}
