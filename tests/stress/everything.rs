//! Every shape at the same time, under 64 threads; under 8 on aarch64.

use crate::bag::Bag;
use crate::load::{Random, alone, cycles, under_load};
use crate::observed;
use crate::targets::{self, Allows, Target};
use midair_libraries::shapes::Fixtures;
use std::time::Instant;

/// Threads that call: CI emulates aarch64.
const THREADS: u64 = if cfg!(target_arch = "aarch64") { 8 } else { 64 };
/// Patches that are on at a time: a third of the shapes carry one.
const ON: usize = if cfg!(target_arch = "aarch64") {
    10
} else {
    50
};

#[test]
fn many_threads_run_every_shape_while_patches_come_and_go() {
    let _alone = alone();
    hammer(cycles(observed::default_cycles(50_000)));
}

/// Installs and removes `cycles` patches while all shapes are called.
fn hammer(cycles: u64) {
    let fixtures = Fixtures::load().unwrap();
    let targets = targets::all(&fixtures);
    let allowing = |a| targets.iter().filter(|t| t.allows == a).count();
    println!(
        "{} shapes: {} pass through only, {} are replaced as well, {} by closures too",
        targets.len(),
        allowing(Allows::PassThrough),
        allowing(Allows::Replacements),
        allowing(Allows::Closures)
    );
    let watched = observed::Watched::from_environment(&targets);
    let turn = |thread: u64| walk(&targets, thread);
    let start = Instant::now();
    let (bag, calls) = under_load(THREADS, turn, |done| {
        let mut bag = Bag::new(&targets, cycles);
        while bag.removals < cycles && !done.is_set() {
            while bag.len() < ON && !done.is_set() {
                bag.put_one_on();
            }
            bag.take_one_off();
        }
        let removals = bag.removals;
        while bag.len() > 0 {
            bag.take_one_off();
        }
        bag.removals = removals;
        bag
    });
    println!(
        "{} installs, {cycles} cycles in {:.1?}, {calls} calls by {THREADS} threads; \
         {} pass-throughs, {} replacements, {} closures, {} on top of another; \
         {} times the bytes were a neighbour's",
        bag.installs,
        start.elapsed(),
        bag.by_kind[0],
        bag.by_kind[1],
        bag.by_kind[2],
        bag.stacked,
        bag.taken
    );
    assert_eq!(bag.removals, cycles);
    assert!(
        bag.by_kind.iter().all(|&n| n * 100 > cycles),
        "each way of patching had its share"
    );
    watched.check();
    let mut random = Random::new(1);
    for target in &targets {
        let (a, b) = targets::arguments(&mut random);
        assert_eq!(
            target.call(a, b),
            target.expected(a, b),
            "{} afterwards",
            target.shape.name
        );
    }
}

/// Calls every shape a few times in a row, in an order of the thread's own.
/// Returns the number of calls.
fn walk(targets: &[Target], thread: u64) -> u64 {
    let mut random = Random::new(thread * 1000 + std::process::id() as u64);
    let mut calls = 0;
    let first = random.below(targets.len());
    for n in 0..targets.len() {
        let target = &targets[(first + n) % targets.len()];
        if target.is_shared() && thread != 0 {
            continue;
        }
        for _ in 0..8 {
            target.check(&mut random);
            calls += 1;
        }
    }
    calls
}
