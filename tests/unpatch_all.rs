//! `unpatch_all` takes off every patch of the process, so it is alone in its own.
#![expect(
    clippy::undocumented_unsafe_blocks,
    reason = "every replacement has the type of its target, and nobody relies on that"
)]

use std::hint::black_box;

type Number = fn(u32) -> u32;

#[inline(never)]
fn triple(n: u32) -> u32 {
    black_box(black_box(n) * 3)
}

fn double(n: u32) -> u32 {
    n * 2
}

#[test]
fn unpatch_all_removes_patches_that_are_still_held() {
    let patch = unsafe { midair::patch(triple as Number, double) }.unwrap();
    assert_eq!(triple(5), 10);
    assert_eq!(midair::unpatch_all().unwrap(), 1);
    assert_eq!(triple(5), 15);
    assert!(!patch.is_enabled());
    let error = patch.enable().unwrap_err();
    assert!(matches!(error, midair::Error::Removed { .. }), "{error}");
}
