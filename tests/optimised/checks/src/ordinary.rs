//! Functions that nobody has prepared.

use crate::{Check, expect};
use midair::mock;
use subject::ordinary::{self, Shop};

pub(crate) const ALL: &[Check] = &[
    ("ordinary::price", || {
        let _mock = mock!(ordinary::price).returns(41);
        expect(ordinary::calls_price(1), 42);
    }),
    ("ordinary::tax", || {
        let _mock = mock!(ordinary::tax).returns(41);
        expect(ordinary::calls_tax(1), 42);
    }),
    ("ordinary::receipt", || {
        let _mock = mock!(ordinary::receipt => |_| "x".repeat(21));
        expect(ordinary::calls_receipt(1), 42);
    }),
    ("ordinary::once", || {
        let _mock = mock!("subject::ordinary::once": fn(u32) -> u32 => |_| 41);
        expect(ordinary::calls_once(1), 42);
    }),
    ("ordinary::generic", || {
        let _mock = mock!(ordinary::generic::<u32>).returns(41);
        expect(ordinary::calls_generic(1), 42);
    }),
    ("ordinary::open", || {
        let _mock = mock!(Shop::open).returns(41);
        expect(ordinary::calls_open(1), 42);
    }),
    ("ordinary::from", || {
        let _mock = mock!(<u32 as From<Shop>>::from).returns(41);
        expect(ordinary::calls_from(1), 42);
    }),
];
