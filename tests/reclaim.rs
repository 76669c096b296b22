//! Memory is given back when no thread can be in it, and not before.

use midair_libraries::shapes::{Caution, Fixtures, Needs, SHAPES, Shape};
use std::hint::black_box;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, mpsc};
use std::time::{Duration, Instant};

const LONG: Duration = Duration::from_secs(20);

/// The tests look at the statistics of the whole process.
fn one_at_a_time() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(|e| e.into_inner())
}

/// Reclaims until nothing is left to be reclaimed.
#[track_caller]
fn reclaim_all() {
    let started = Instant::now();
    loop {
        let reclaimed = midair::reclaim(LONG).unwrap();
        let stats = midair::stats();
        if (stats.limbo, stats.bytes_limbo, stats.bytes_idle) == (0, 0, 0) {
            return;
        }
        assert!(started.elapsed() < LONG, "{reclaimed:?} {stats:?}");
    }
}

fn shapes() -> impl Iterator<Item = &'static Shape> {
    SHAPES
        .iter()
        .filter(|s| s.needs.available() && s.needs != Needs::Rtm)
        .filter(|s| s.caution != Caution::SharedState)
}

#[test]
fn everything_comes_back_and_functions_go_on_working() {
    let _one = one_at_a_time();
    let fixtures = Fixtures::load().unwrap();
    let before = midair::stats();
    for round in 0..3 {
        let mut patches = Vec::new();
        for shape in shapes() {
            let target = fixtures.address(shape.name).unwrap();
            // SAFETY: a pass-through.
            match unsafe { midair::patch_raw(target, |original| original) } {
                Ok(patch) => patches.push(patch),
                Err(midair::Error::Refused(r))
                    if matches!(r.reason, midair::Reason::Taken { .. }) => {}
                Err(e) => panic!("{}: {e}", shape.name),
            }
        }
        let during = midair::stats();
        assert_eq!(during.patched, patches.len());
        assert!(during.bytes_live > 32 * patches.len(), "{during:?}");
        drop(patches);
        assert!(midair::stats().bytes_idle > 0);
        reclaim_all();
        let after = midair::stats();
        assert_eq!(
            (after.patched, after.idle, after.bytes_live),
            (0, 0, 0),
            "{after:?}"
        );
        if round > 0 {
            assert_eq!(after.bytes_kept, before.bytes_kept.max(after.bytes_kept));
        }
        for shape in shapes() {
            for (a, b) in [(1, 2), (77, 13)] {
                let got = fixtures.call(shape, a, b).unwrap();
                assert_eq!(got, (shape.expected)(a, b), "{}", shape.name);
            }
        }
    }
}

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

#[test]
fn an_original_that_was_kept_works_after_all_memory_has_come_back() {
    let _one = one_at_a_time();
    // SAFETY: of the same type; nobody relies on the result.
    let patch = unsafe { midair::patch(target as Number, inverted) }.unwrap();
    let original = patch.original();
    assert_eq!((target(7), original(7)), (inverted(7), model(7)));
    drop(patch);
    reclaim_all();
    assert_eq!((target(7), original(7)), (model(7), model(7)));
    // SAFETY: as above.
    let again = unsafe { midair::patch(target as Number, inverted) }.unwrap();
    assert_eq!((target(7), original(7)), (inverted(7), model(7)));
    assert_eq!(again.original() as usize, original as usize);
    drop(again);
    reclaim_all();
    assert_eq!(original(9), model(9));
}

#[test]
fn a_closure_that_a_thread_is_inside_of_keeps_its_memory_until_the_thread_has_left() {
    let _one = one_at_a_time();
    #[inline(never)]
    fn waits(n: u64) -> u64 {
        black_box(n) + 1
    }
    let (entered, has_entered) = mpsc::sync_channel(0);
    let (leave, may_leave) = mpsc::sync_channel::<()>(0);
    let may_leave = Mutex::new(may_leave);
    // SAFETY: the same signature.
    let patch = unsafe {
        midair::patch_closure(waits as Number, move |original| {
            move |n| {
                entered.send(()).unwrap();
                may_leave.lock().unwrap().recv().unwrap();
                original(n) * 10
            }
        })
    }
    .unwrap();
    std::thread::scope(|scope| {
        let caller = scope.spawn(|| waits(4));
        has_entered.recv().unwrap();
        drop(patch);
        let reclaimed = midair::reclaim(LONG).unwrap();
        assert_eq!(reclaimed.unseen, [], "a sleeper is read");
        assert!(
            reclaimed.held >= 1 && midair::stats().limbo >= 1,
            "{reclaimed:?}"
        );
        leave.send(()).unwrap();
        assert_eq!(caller.join().unwrap(), 50);
    });
    reclaim_all();
}

/// Does what any jump to another library does. On aarch64 a gate leaves in x16 or x17
/// where it has led, until somebody else uses them; as long as they point there, the
/// thread counts as being there.
fn forget_the_way() {
    #[cfg(target_arch = "aarch64")]
    // SAFETY: changes two registers, and says so.
    unsafe {
        std::arch::asm!("mov x16, xzr", "mov x17, xzr", out("x16") _, out("x17") _);
    }
}

/// Ends the threads of a test, also of one that fails.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn memory_comes_back_while_threads_are_busy_in_the_functions() {
    let _one = one_at_a_time();
    let stop = AtomicBool::new(false);
    let wrong = AtomicU32::new(0);
    std::thread::scope(|scope| {
        let _stop = Stop(&stop);
        for thread in 0..4 {
            let (stop, wrong) = (&stop, &wrong);
            scope.spawn(move || {
                let mut n = thread;
                while !stop.load(Ordering::Relaxed) {
                    n += 4;
                    let got = (black_box(target as Number))(n);
                    if got != model(n) && got != inverted(n) {
                        wrong.fetch_add(1, Ordering::Relaxed);
                    }
                    forget_the_way();
                }
            });
        }
        for n in 0..60 {
            // SAFETY: of the same type; nobody relies on the result.
            let closure = unsafe {
                midair::patch_closure(target as Number, |original| move |n| !original(n))
            };
            drop(closure.unwrap());
            // SAFETY: as above.
            drop(unsafe { midair::patch(target as Number, inverted) }.unwrap());
            if n % 20 == 0 {
                reclaim_all();
            }
        }
        reclaim_all();
    });
    assert_eq!(wrong.load(Ordering::Relaxed), 0);
    let stats = midair::stats();
    assert_eq!((stats.bytes_live, stats.patched), (0, 0), "{stats:?}");
}
