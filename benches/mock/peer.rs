//! The same with injectorpp.

use injectorpp::interface::injector::*;
use std::hint::black_box;

#[inline(never)]
pub(super) fn outside(n: u64) -> u64 {
    black_box(n).wrapping_mul(31).wrapping_add(5)
}

#[inline(never)]
pub(super) fn inside(n: u64) -> u64 {
    black_box(n).wrapping_mul(31).wrapping_add(6)
}

pub(super) fn fake_outside() -> InjectorPP {
    let mut injector = InjectorPP::new();
    injector
        .when_called(injectorpp::func!(fn (outside)(u64) -> u64))
        .will_execute(injectorpp::fake!(func_type: fn(_n: u64) -> u64, returns: 0));
    injector
}

pub(super) fn fake_inside() -> InjectorPP {
    let mut injector = InjectorPP::new();
    injector
        .when_called(injectorpp::func!(fn (inside)(u64) -> u64))
        .will_execute(injectorpp::fake!(func_type: fn(_n: u64) -> u64, returns: 0));
    injector
}
