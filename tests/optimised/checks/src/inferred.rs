//! What the optimiser infers, with the attribute and without.

use crate::{Check, expect};
use midair::mock;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU32, Ordering};

macro_rules! checks {
    (
        $module:ident: $constant:literal $same:literal $small:literal $fails:literal
        $nothing:literal $bits:literal $reads:literal $ignores:literal $calm:literal
        $large:literal $twins:literal $by_reference:literal $doubled:literal
        $unused:literal $applied:literal
    ) => {
        &[
            ($constant, || {
                let _mock = mock!(subject::$module::constant).returns(41);
                expect(subject::$module::calls_constant(1), 42);
            }),
            ($same, || {
                let _mock = mock!(subject::$module::same => |x| x + 40);
                expect(subject::$module::calls_same(1), 42);
            }),
            ($small, || {
                let _mock = mock!(subject::$module::small).returns(100);
                expect(subject::$module::calls_small(1), "large");
            }),
            ($fails, || {
                let _mock = mock!(subject::$module::fails).returns(41);
                expect(subject::$module::calls_fails(1), 42);
            }),
            ($nothing, || {
                let mock = mock!(subject::$module::nothing => |_| {});
                subject::$module::calls_nothing(7);
                expect(mock.count(), 1);
            }),
            ($bits, || {
                let _mock = mock!(subject::$module::bits).returns_in_order([4, 2]);
                expect(subject::$module::calls_bits(7), 42);
            }),
            ($reads, || {
                let _mock = mock!(subject::$module::reads => |x| {
                    x.set(40);
                    2
                });
                expect(subject::$module::calls_reads(7), 42);
            }),
            ($ignores, || {
                let _mock = mock!(subject::$module::ignores => |x| x);
                expect(subject::$module::calls_ignores(21), 42);
            }),
            ($calm, || {
                // Where panics abort there is nothing to see.
                if cfg!(panic = "unwind") {
                    let _mock = mock!(subject::$module::calm => |_| panic!("by a mock"));
                    let dropped = Cell::new(0);
                    let result = catch_unwind(AssertUnwindSafe(|| {
                        subject::$module::calls_calm(1, &dropped)
                    }));
                    expect((result.is_err(), dropped.get()), (true, 1));
                }
            }),
            ($large, || {
                fn replacement(mut x: [u64; 8]) -> u64 {
                    std::hint::black_box(&mut x)[0] = 99;
                    1
                }
                // SAFETY: of the same type, and nobody else runs.
                let _patch = unsafe {
                    midair::patch(
                        subject::$module::large as fn([u64; 8]) -> u64,
                        replacement as fn([u64; 8]) -> u64,
                    )
                }
                .expect("it can be patched");
                expect(subject::$module::calls_large(7), 1007);
            }),
            ($twins, || {
                let _mock = mock!(subject::$module::twin_one).returns(42);
                let other = 7_u32.wrapping_mul(77) ^ 0x1234;
                expect(subject::$module::calls_twins(7), [42, other]);
            }),
            ($by_reference, || {
                let _mock = mock!($by_reference: fn(&u32) -> u32 => |x| x * 2);
                expect(subject::$module::calls_by_reference(10), 42);
            }),
            ($doubled, || {
                let _mock = mock!($doubled: fn(u32) -> u32 => |x| x * 2);
                expect(subject::$module::calls_doubled(), 42);
            }),
            ($unused, || {
                static RESULT: AtomicU32 = AtomicU32::new(0);
                let _mock = mock!($unused: fn(u32) -> u32 => |x| {
                    RESULT.store(call_original!(x), Ordering::Relaxed);
                    0
                });
                subject::$module::calls_unused(14);
                expect(RESULT.load(Ordering::Relaxed), 42);
            }),
            ($applied, || {
                let _mock = mock!($applied: fn(fn(u32) -> u32, u32) -> u32 => |f, x| f(x));
                expect(subject::$module::calls_applied(14), [15, 42]);
            }),
        ]
    };
}

/// With the attribute.
pub(crate) const OPAQUE: &[Check] = checks! {
    opaque: "subject::opaque::constant" "subject::opaque::same" "subject::opaque::small"
    "subject::opaque::fails" "subject::opaque::nothing" "subject::opaque::bits"
    "subject::opaque::reads" "subject::opaque::ignores" "subject::opaque::calm"
    "subject::opaque::large" "subject::opaque::twins" "subject::opaque::by_reference"
    "subject::opaque::doubled" "subject::opaque::unused" "subject::opaque::applied"
};

/// Without.
pub(crate) const PLAIN: &[Check] = checks! {
    plain: "subject::plain::constant" "subject::plain::same" "subject::plain::small"
    "subject::plain::fails" "subject::plain::nothing" "subject::plain::bits"
    "subject::plain::reads" "subject::plain::ignores" "subject::plain::calm"
    "subject::plain::large" "subject::plain::twins" "subject::plain::by_reference"
    "subject::plain::doubled" "subject::plain::unused" "subject::plain::applied"
};
