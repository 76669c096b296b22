//! Threads that call functions all the time, while patches come and go.
//!
//! CI runs a bounded number of cycles; `MIDAIR_CYCLES` sets another.
#![expect(
    clippy::undocumented_unsafe_blocks,
    reason = "every replacement has the type of its target, and nobody relies on that"
)]
#![cfg(target_arch = "x86_64")]

use midair_libraries::shapes::{Caution, Fixtures, Needs, SHAPES, Shape};
use std::hint::black_box;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

const THREADS: u64 = 8;

/// One stress test at a time: they are about load, and share fixtures.
static ALONE: Mutex<()> = Mutex::new(());

fn cycles(default: u64) -> u64 {
    std::env::var("MIDAIR_CYCLES")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(default)
}

/// Runs `work` with `THREADS` threads that run `call` until it is done;
/// returns how often they did.
fn under_load<R>(call: impl Fn(u64) + Sync, work: impl FnOnce() -> R) -> (R, u64) {
    let done = AtomicBool::new(false);
    let calls = AtomicU64::new(0);
    let result = std::thread::scope(|scope| {
        struct Stop<'a>(&'a AtomicBool);
        impl Drop for Stop<'_> {
            fn drop(&mut self) {
                self.0.store(true, Ordering::Relaxed);
            }
        }
        let _stop = Stop(&done);
        for thread in 0..THREADS {
            let (call, done, calls) = (&call, &done, &calls);
            scope.spawn(move || {
                let mut n = thread;
                while !done.load(Ordering::Relaxed) {
                    for _ in 0..64 {
                        call(n);
                        n = n.wrapping_add(THREADS);
                    }
                    calls.fetch_add(64, Ordering::Relaxed);
                }
            });
        }
        // Let them all get going.
        while calls.load(Ordering::Relaxed) < THREADS * 64 {
            std::thread::yield_now();
        }
        work()
    });
    (result, calls.load(Ordering::Relaxed))
}

#[inline(never)]
fn hammered(a: u64, b: u64) -> u64 {
    // Saved registers and a loop: a prologue of several short instructions.
    let mut sum = black_box(a);
    for i in 0..black_box(b & 3) {
        sum = black_box(sum ^ i)
            .rotate_left(7)
            .wrapping_mul(black_box(b) | 1);
    }
    sum.wrapping_add(black_box(b))
}

fn model(a: u64, b: u64) -> u64 {
    let mut sum = a;
    for i in 0..b & 3 {
        sum = (sum ^ i).rotate_left(7).wrapping_mul(b | 1);
    }
    sum.wrapping_add(b)
}

type Pair = fn(u64, u64) -> u64;

fn replacement(a: u64, b: u64) -> u64 {
    !model(a, b)
}

fn call_hammered(n: u64) {
    let (a, b) = (n.wrapping_mul(0x9e37_79b9), n >> 3);
    let got = (black_box(hammered as Pair))(a, b);
    let expected = model(a, b);
    assert!(
        got == expected || got == !expected,
        "{got:#x} for {a:#x}, {b:#x}"
    );
}

#[test]
fn ten_thousand_toggles_under_eight_threads_give_no_wrong_result_in_five_tries() {
    let _alone = ALONE.lock().unwrap_or_else(|e| e.into_inner());
    for attempt in 1..=5 {
        let ((), calls) = under_load(call_hammered, || {
            let patch = unsafe { midair::patch(hammered as Pair, replacement) }.unwrap();
            for _ in 0..cycles(10_000) {
                patch.disable().unwrap();
                patch.enable().unwrap();
            }
        });
        println!("try {attempt}: {} toggles, {calls} calls", cycles(10_000));
        assert_eq!(hammered(1, 2), model(1, 2));
    }
}

#[test]
fn patches_come_and_go_under_eight_threads_and_no_result_is_wrong() {
    let _alone = ALONE.lock().unwrap_or_else(|e| e.into_inner());
    for attempt in 1..=5 {
        let ((), calls) = under_load(call_hammered, || {
            for _ in 0..cycles(10_000) {
                let patch = unsafe { midair::patch(hammered as Pair, replacement) }.unwrap();
                drop(patch);
            }
        });
        println!(
            "try {attempt}: {} installs and removals, {calls} calls",
            cycles(10_000)
        );
    }
}

#[test]
fn every_shape_survives_installs_and_removals_under_load() {
    let _alone = ALONE.lock().unwrap_or_else(|e| e.into_inner());
    let fixtures = Fixtures::load().unwrap();
    let shapes: Vec<&Shape> = SHAPES
        .iter()
        .filter(|s| {
            matches!(
                s.caution,
                Caution::None | Caution::ReadsScratch | Caution::SeesCaller
            )
        })
        .filter(|s| s.needs.available() && s.needs != Needs::Rtm)
        .collect();
    let each = cycles(20_000) / shapes.len() as u64 + 1;
    for shape in &shapes {
        let target = fixtures.address(shape.name).unwrap();
        let call = |n: u64| {
            let (a, b) = (n.wrapping_mul(0x9e37_79b9_7f4a_7c15), n & 31);
            let got = fixtures.call(shape, a, b).unwrap();
            assert_eq!(
                got,
                (shape.expected)(a, b),
                "{} for {a:#x}, {b:#x}",
                shape.name
            );
        };
        under_load(call, || {
            for _ in 0..each {
                // SAFETY: a pass-through.
                let patch = unsafe { midair::patch_raw(target, |original| original) };
                drop(patch.unwrap_or_else(|e| panic!("{}: {e}", shape.name)));
            }
        });
    }
    println!("{} shapes, {each} installs and removals each", shapes.len());
}

#[test]
fn a_closure_is_replaced_under_load_while_calls_are_inside() {
    let _alone = ALONE.lock().unwrap_or_else(|e| e.into_inner());
    let ((), calls) = under_load(call_hammered, || {
        for n in 0..cycles(10_000) / 5 {
            let kept = Box::new([n; 16]); // freed when the closure is
            let make = move |original: Pair| {
                move |a: u64, b: u64| {
                    assert!(kept.iter().all(|k| *k == n), "used after it was dropped");
                    !original(a, b)
                }
            };
            drop(unsafe { midair::patch_closure(hammered as Pair, make) }.unwrap());
        }
    });
    println!("{calls} calls");
}
