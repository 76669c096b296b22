//! Kinds of functions with the attribute, called from their own crate.

use crate::{Check, expect};
use midair::mock;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use subject::kinds::{self, Dice, Roll, Till};

/// What the nth call of `calls_sync` has come to.
fn seen(nth: usize) -> String {
    kinds::calls_sync().swap_remove(nth)
}

fn expect_nth(nth: usize, expected: &str) {
    expect(seen(nth), expected.to_owned());
}

fn poll(future: impl Future<Output = u64>) -> u64 {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => 0,
    }
}

pub(crate) const ALL: &[Check] = &[
    ("kinds::free", || {
        let _mock = mock!(kinds::free).returns(42);
        expect_nth(0, "42");
    }),
    ("kinds::always_inline", || {
        let _mock = mock!(kinds::always_inline).returns(42);
        expect_nth(1, "42");
    }),
    ("kinds::generic", || {
        let _mock = mock!(kinds::generic::<u8, 1>).returns(42);
        expect_nth(2, "42");
        expect_nth(3, "2");
    }),
    ("kinds::longer", || {
        let _mock = mock!(kinds::longer: for<'a> fn(&'a str, &'a str) -> &'a str => |a, _| a);
        expect_nth(5, "a");
    }),
    ("kinds::boxed", || {
        let _mock = mock!(kinds::boxed => |x| Ok(x + 41));
        expect_nth(6, "42");
    }),
    ("kinds::of_pointer", || {
        let _mock = mock!(kinds::of_pointer as unsafe fn(_) -> _ => |_| 42);
        expect_nth(7, "42");
    }),
    ("kinds::of_c", || {
        let _mock = mock!(kinds::of_c as extern "C" fn(_) -> _ => |_| 42);
        expect_nth(8, "42");
    }),
    ("kinds::recursive", || {
        let _mock = mock!(kinds::recursive => |x| if x == 0 { 39 } else { call_original!(x) });
        expect_nth(9, "42");
    }),
    ("kinds::Till", || {
        let _mock = mock!(Till::<u32>::new => |x| Till { sum: x + 1 });
        let _set = mock!(Till::<u32>::set => |till, x| {
            till.sum = x + 40;
            &mut till.sum
        });
        let _sum = mock!(Till::<u32>::sum => |till| till.sum + 1);
        expect((seen(10), seen(11)), ("42".to_owned(), "43".to_owned()));
    }),
    ("kinds::Till::open", || {
        let _mock = mock!(Till::<u32>::open => |till| till.sum + 40);
        expect_nth(12, "42");
    }),
    ("kinds::Dice::twice", || {
        let _mock = mock!(Dice::twice => |_, x| x + 41);
        expect_nth(13, "42");
    }),
    ("kinds::Dice::sides", || {
        let _mock = mock!("subject::kinds::Dice::sides": fn() -> u32 => || 41);
        expect_nth(13, "42");
    }),
    ("kinds::Roll", || {
        let _mock = mock!(<Dice as Roll>::roll => |_, x| x + 20);
        expect_nth(15, "42");
    }),
    ("kinds::Roll::roll_twice", || {
        let _mock = mock!(<Dice as Roll>::roll_twice => |_, x| x + 41);
        expect_nth(15, "42");
    }),
    ("kinds::Display", || {
        let _mock = mock!(<Dice as std::fmt::Display>::fmt: for<'a, 'b> fn(&Dice, &'a mut std::fmt::Formatter<'b>) -> std::fmt::Result => |_, f| f.write_str("42"));
        expect_nth(16, "42");
    }),
    ("kinds::later", || {
        let _mock = mock!(async kinds::later).returns(Ok(39));
        expect(poll(kinds::calls_async()), 42);
    }),
    ("kinds::at_once", || {
        let _mock = mock!(async kinds::at_once::<u8>).returns(40);
        expect(poll(kinds::calls_async()), 42);
    }),
];
