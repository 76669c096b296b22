//! Panics and backtraces through patched functions.

use midair_libraries::shapes::Fixtures;
use std::backtrace::Backtrace;
use std::hint::black_box;
use std::panic::{AssertUnwindSafe, catch_unwind};

type Number = fn(u32) -> u32;

#[inline(never)]
fn divide(n: u32) -> u32 {
    black_box(100 / black_box(n))
}

#[test]
fn a_panic_in_the_original_crosses_the_patch_and_is_caught() {
    struct Dropped<'a>(&'a std::sync::atomic::AtomicU32);
    impl Drop for Dropped<'_> {
        fn drop(&mut self) {
            self.0.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        }
    }
    static DROPS: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let make = |original: Number| {
        move |n: u32| {
            let _dropped = Dropped(&DROPS);
            original(n) + 1
        }
    };
    // SAFETY: the closure has the function's signature.
    let patch = unsafe { midair::patch_closure(divide as Number, make) }.unwrap();
    assert_eq!(divide(4), 26);
    for _ in 0..3 {
        let caught = catch_unwind(|| divide(0)).unwrap_err();
        let text = caught.downcast_ref::<&str>().copied().unwrap_or_default();
        assert!(text.contains("divide by zero"), "{text}");
    }
    assert_eq!(DROPS.load(std::sync::atomic::Ordering::SeqCst), 4);
    drop(patch);
    assert_eq!(divide(4), 25);
}

#[test]
fn a_panic_crosses_a_call_among_the_displaced_instructions() {
    type Callback = extern "C-unwind" fn(u64) -> u64;
    type CallsBack = extern "C-unwind" fn(Callback, u64) -> u64;
    extern "C-unwind" fn panics(n: u64) -> u64 {
        panic!("thrown with {n}");
    }
    extern "C-unwind" fn adds(n: u64) -> u64 {
        n + 1
    }
    let fixtures = Fixtures::load().unwrap();
    for name in ["shape_call_callback", "shape_call_callback_early"] {
        let target = fixtures.address(name).unwrap();
        // SAFETY: the shape takes a callback and its argument.
        let call = unsafe { std::mem::transmute::<*const (), CallsBack>(target) };
        let unpatched = call(adds, 5);
        // SAFETY: a pass-through.
        let patch = unsafe { midair::patch_raw(target, |original| original) }.unwrap();
        assert_eq!(call(adds, 5), unpatched, "{name}");
        let caught = catch_unwind(AssertUnwindSafe(|| call(panics, 7))).unwrap_err();
        assert_eq!(
            caught.downcast_ref::<String>().map(String::as_str),
            Some("thrown with 7")
        );
        drop(patch);
    }
}

#[test]
fn a_backtrace_names_the_original_and_who_called_the_patched_function() {
    #[inline(never)]
    fn traced(n: u32) -> u32 {
        let trace = Backtrace::force_capture().to_string();
        let names = trace.contains("traced") && trace.contains("calls_traced");
        black_box(n + u32::from(names))
    }
    #[inline(never)]
    fn calls_traced(n: u32) -> u32 {
        black_box(traced(black_box(n)))
    }
    // SAFETY: a pass-through.
    let patch =
        unsafe { midair::patch_raw(traced as Number as *const (), |original| original) }.unwrap();
    assert_eq!(calls_traced(10), 11);
    drop(patch);
}
