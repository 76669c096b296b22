//! One hot function of eight threads, turned on and off, and patched anew.
#![expect(
    clippy::undocumented_unsafe_blocks,
    reason = "every replacement has the type of its target, and nobody relies on that"
)]

use crate::load::{self, alone, cycles};
use std::cell::Cell;
use std::hint::black_box;

/// Runs `work` while eight threads call the function; returns how often they did.
fn under_load(work: impl FnOnce()) -> u64 {
    thread_local!(static NEXT: Cell<u64> = const { Cell::new(0) });
    let turn = |thread| {
        for _ in 0..64 {
            let n = NEXT.get() + 1;
            NEXT.set(n);
            call_hammered(n * 8 + thread);
        }
        64
    };
    load::under_load(8, turn, |_| work()).1
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
    let _alone = alone();
    for attempt in 1..=5 {
        let calls = under_load(|| {
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
    let _alone = alone();
    for attempt in 1..=5 {
        let calls = under_load(|| {
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
fn a_closure_is_replaced_under_load_while_calls_are_inside() {
    let _alone = alone();
    let calls = under_load(|| {
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
