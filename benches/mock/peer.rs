//! The same with injectorpp.

use super::{beside, measure};
use criterion::Criterion;
use injectorpp::interface::injector::*;
use std::hint::black_box;

#[inline(never)]
fn outside(n: u64) -> u64 {
    black_box(n).wrapping_mul(31).wrapping_add(5)
}

#[inline(never)]
fn inside(n: u64) -> u64 {
    black_box(n).wrapping_mul(31).wrapping_add(6)
}

/// Nanoseconds of a call by a thread without the fake, and by one that has it.
pub(super) fn measure_all(c: &mut Criterion) -> (f64, f64) {
    let without = beside(
        || {
            let mut injector = InjectorPP::new();
            injector
                .when_called(injectorpp::func!(fn (outside)(u64) -> u64))
                .will_execute(injectorpp::fake!(func_type: fn(_n: u64) -> u64, returns: 0));
            injector
        },
        || measure(c, "injectorpp, a thread without the fake", outside),
    );
    let mut injector = InjectorPP::new();
    injector
        .when_called(injectorpp::func!(fn (inside)(u64) -> u64))
        .will_execute(injectorpp::fake!(func_type: fn(_n: u64) -> u64, returns: 0));
    let with = measure(c, "injectorpp, the thread that has the fake", inside);
    drop(injector);
    (without, with)
}
