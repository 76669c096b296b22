//! Patches come and go, and memory stays what it was.
//!
//! What is compared is the resident memory and the number of mappings, before
//! and after many cycles, with another thread at work. `MIDAIR_CYCLES` sets the
//! number of cycles; the bound is the same for any number.
// CI does not run this for aarch64: so many cycles are twenty minutes, emulated.

use midair_libraries::shapes::{Caution, Fixtures, SHAPES};
use std::collections::VecDeque;
use std::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard};

/// What may come to be resident without being a leak, in KiB. In CI this is
/// ten bytes a cycle.
const RESIDENT: u64 = 512;
/// Where memory goes through limbo, more of it waits when threads get no turn in
/// which they can be looked at. In CI this is 40 bytes a cycle; a closure alone
/// takes 80.
const WITH_LIMBO: u64 = 2048;
/// New mappings that are no leak: an arena that grows once, malloc's.
const MAPPINGS: usize = 16;
/// Cycles that come before the first look: tables and arenas get their size, and
/// limbo has been emptied a few times.
const WARM_UP: u64 = 10_000;

type Number = fn(u64) -> u64;

#[inline(never)]
fn target(n: u64) -> u64 {
    let mut sum = black_box(n);
    for i in 0..black_box(n & 3) {
        sum = black_box(sum ^ i).rotate_left(9);
    }
    sum
}

fn model(n: u64) -> u64 {
    (0..n & 3).fold(n, |sum, i| (sum ^ i).rotate_left(9))
}

fn inverted(n: u64) -> u64 {
    !model(n)
}

fn cycles() -> u64 {
    match std::env::var("MIDAIR_CYCLES") {
        Ok(text) => text
            .parse()
            .unwrap_or_else(|e| panic!("MIDAIR_CYCLES={text}: {e}")),
        Err(_) => 50_000,
    }
}

/// One test at a time: they look at the memory of the process.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(|e| e.into_inner())
}

/// What the process has.
#[derive(Clone, Copy, Debug)]
struct Memory {
    resident: u64,
    mappings: usize,
}

impl Memory {
    /// `statm` is not asked: since Linux 6.2 its numbers are off by up to 32
    /// pages for each core. `smaps_rollup` counts pages.
    fn now() -> Self {
        let rollup = std::fs::read_to_string("/proc/self/smaps_rollup").unwrap();
        let resident = rollup.lines().find_map(|l| l.strip_prefix("Rss:")).unwrap();
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        Self {
            resident: resident.trim().trim_end_matches(" kB").parse().unwrap(),
            mappings: maps.lines().count(),
        }
    }
}

/// Runs `cycle` as often as `cycles` says, while another thread calls the
/// target, and fails if memory has grown.
fn stays_flat(resident: u64, mut cycle: impl FnMut(u64)) {
    let stop = AtomicBool::new(false);
    let cycles = cycles();
    let (before, after) = std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut n = 0;
            while !stop.load(Ordering::Relaxed) {
                n += 1;
                black_box((black_box(target as Number))(n));
            }
        });
        (0..WARM_UP).for_each(&mut cycle);
        let before = Memory::now();
        (0..cycles).for_each(&mut cycle);
        let after = Memory::now();
        stop.store(true, Ordering::Relaxed);
        (before, after)
    });
    let grown = after.resident.saturating_sub(before.resident);
    println!("{cycles} cycles: {before:?}, {after:?}");
    assert!(
        grown <= resident && after.mappings <= before.mappings + MAPPINGS,
        "{cycles} cycles: {grown} KiB more ({:.0} bytes a cycle), {} mappings more",
        grown as f64 * 1024.0 / cycles as f64,
        after.mappings.saturating_sub(before.mappings)
    );
}

#[test]
fn one_function_patched_again_and_again_takes_no_more_memory() {
    let _alone = alone();
    stays_flat(RESIDENT, |_| {
        // SAFETY: of the same type; nobody relies on the result.
        drop(unsafe { midair::patch(target as Number, inverted) }.unwrap());
    });
}

#[test]
fn many_functions_patched_again_and_again_take_no_more_memory() {
    let _alone = alone();
    let fixtures = Fixtures::load().unwrap();
    let targets: Vec<_> = SHAPES
        .iter()
        .filter(|s| s.caution != Caution::SharedState)
        .map(|s| fixtures.address(s.name).unwrap())
        .collect();
    // Half of them are on at any time, none twice.
    let mut on = VecDeque::new();
    stays_flat(RESIDENT, |n| {
        if on.len() == targets.len() / 2 {
            on.pop_front();
        }
        let at = targets[n as usize % targets.len()];
        // SAFETY: a pass-through.
        match unsafe { midair::patch_raw(at, |original| original) } {
            Ok(patch) => on.push_back(patch),
            // Its bytes may be what a neighbour's jump relies on.
            Err(midair::Error::Refused(r)) if matches!(r.reason, midair::Reason::Taken { .. }) => {}
            Err(e) => panic!("{e}"),
        }
    });
}

#[test]
fn closures_that_come_and_go_take_no_more_memory() {
    let _alone = alone();
    stays_flat(WITH_LIMBO, |_| {
        // SAFETY: of the same type; nobody relies on the result.
        let patch =
            unsafe { midair::patch_closure(target as Number, |original| move |n| !original(n)) };
        drop(patch.unwrap());
    });
}

#[test]
fn patches_that_come_and_go_on_top_of_each_other_take_no_more_memory() {
    let _alone = alone();
    stays_flat(WITH_LIMBO, |n| {
        // SAFETY: of the same type; nobody relies on the result.
        let lower = unsafe { midair::patch(target as Number, inverted) }.unwrap();
        // SAFETY: as above.
        let upper =
            unsafe { midair::patch_closure(target as Number, |below| move |n| !below(n)) }.unwrap();
        if n % 2 == 0 {
            drop(lower);
            drop(upper);
        } else {
            drop(upper);
            drop(lower);
        }
    });
}
