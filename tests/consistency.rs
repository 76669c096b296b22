//! Functions that change together when threads are outside of them.

use midair::{Consistency, Error, Patches, RawPatch, Transaction, Transition, Whereabouts};
use std::hint::black_box;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, mpsc};
use std::time::{Duration, Instant};

const LONG: Duration = Duration::from_secs(20);

// None of the functions ends with a call that does not return, as one that panics does:
// on aarch64 the address behind that is where the next function begins, and a sleeper
// that has that one's address on its stack may be inside of this one.
type Number = fn(u64) -> u64;

/// The tests patch the same functions.
fn one_at_a_time() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(|e| e.into_inner())
}

/// Ends the threads of a test, also of one that fails.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Calls back in between: its caller decides what happens inside.
#[inline(never)]
fn outer(n: u64) -> u64 {
    let inside = INSIDE.with(|f| f.get());
    if let Some(f) = inside {
        f();
    }
    many_times(n).wrapping_add(1)
}

/// Long enough that threads are inside most of the time.
fn many_times(n: u64) -> u64 {
    (0..TIMES).map(|_| black_box(inner as Number)(n)).sum()
}

const TIMES: u64 = 50;

#[inline(never)]
fn inner(n: u64) -> u64 {
    let mut sum = black_box(n);
    for i in 0..black_box(n & 3) {
        sum = black_box(sum).wrapping_add(i);
    }
    black_box(sum)
}

thread_local! {
    static INSIDE: std::cell::Cell<Option<fn()>> = const { std::cell::Cell::new(None) };
}

const NEW: u64 = 1 << 40;

fn new_outer(n: u64) -> u64 {
    // A new function that meets an old one would give a mixture.
    many_times(n).wrapping_add(NEW + 1)
}

fn new_inner(n: u64) -> u64 {
    let mut sum = n;
    for i in 0..n & 3 {
        sum = sum.wrapping_add(i);
    }
    sum.wrapping_add(2 * NEW)
}

fn old_result(n: u64) -> u64 {
    TIMES * (n + (0..n & 3).sum::<u64>()) + 1
}

fn new_result(n: u64) -> u64 {
    old_result(n) + NEW + TIMES * 2 * NEW
}

fn commit(consistency: Consistency) -> Result<(Patches, Option<Transition>), Error> {
    let mut transaction = Transaction::new();
    transaction
        .patch_raw(outer as Number as *const (), |_| {
            new_outer as Number as *const ()
        })
        .patch_raw(inner as Number as *const (), |_| {
            new_inner as Number as *const ()
        });
    // SAFETY: of the same types; nobody relies on the results.
    let committed = unsafe { transaction.commit(consistency) }?;
    Ok((committed.patches, committed.transition))
}

fn turn_off(patches: &[RawPatch], consistency: Consistency) -> Result<Option<Transition>, Error> {
    let mut transaction = Transaction::new();
    for patch in patches {
        transaction.disable(patch);
    }
    // SAFETY: nothing new.
    Ok(unsafe { transaction.commit(consistency) }?.transition)
}

fn call(n: u64) -> u64 {
    black_box(outer as Number)(n)
}

#[test]
fn a_quiescent_commit_waits_for_a_thread_that_is_inside() {
    let _one = one_at_a_time();
    let quiescent = |deadline| Consistency::Quiescent { deadline };
    static ENTERED: AtomicBool = AtomicBool::new(false);
    static LEAVE: AtomicBool = AtomicBool::new(false);
    fn wait() {
        ENTERED.store(true, Ordering::SeqCst);
        while !LEAVE.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    std::thread::scope(|scope| {
        let _leave = Stop(&LEAVE);
        let sleeper = std::thread::Builder::new().name("sleeper".into());
        let sleeper = sleeper.spawn_scoped(scope, || {
            INSIDE.set(Some(wait));
            call(7)
        });
        while !ENTERED.load(Ordering::SeqCst) {
            std::thread::yield_now();
        }
        let error = commit(quiescent(Duration::from_millis(200))).unwrap_err();
        let Error::NotQuiescent { waited, inside } = &error else {
            panic!("{error}");
        };
        assert!(*waited >= Duration::from_millis(200), "{waited:?}");
        let [holdout] = inside.as_slice() else {
            panic!("{error}");
        };
        assert_eq!(holdout.name, "sleeper");
        assert_eq!(holdout.whereabouts, Whereabouts::Inside, "{error}");
        assert_eq!(holdout.function, Some(outer as Number as usize));
        assert!(error.to_string().contains("outer"), "{error}");
        assert_eq!(call(5), old_result(5), "nothing has changed");

        let commits = scope.spawn(|| commit(quiescent(LONG)).unwrap().0);
        std::thread::sleep(Duration::from_millis(100));
        LEAVE.store(true, Ordering::SeqCst);
        assert_eq!(sleeper.unwrap().join().unwrap(), old_result(7), "all old");
        let patches = commits.join().unwrap();
        assert_eq!(call(5), new_result(5));
        turn_off(&patches, quiescent(LONG)).unwrap();
        assert_eq!(call(5), old_result(5));
    });
}

#[test]
fn no_call_is_a_mixture_while_threads_are_busy_in_the_functions() {
    let _one = one_at_a_time();
    let stop = AtomicBool::new(false);
    let (old, new) = (AtomicU64::new(0), AtomicU64::new(0));
    let cycles = 6;
    std::thread::scope(|scope| {
        let _stop = Stop(&stop);
        for thread in 0..4 {
            let (stop, old, new) = (&stop, &old, &new);
            scope.spawn(move || {
                let mut n = thread;
                while !stop.load(Ordering::Relaxed) {
                    n += 4;
                    let got = call(n);
                    if got == old_result(n) {
                        old.fetch_add(1, Ordering::Relaxed);
                    } else {
                        assert_eq!(got, new_result(n), "a mixture: {:#x}", got ^ n);
                        new.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
        for _ in 0..cycles {
            let consistency = Consistency::Quiescent { deadline: LONG };
            let (patches, _) = commit(consistency).unwrap();
            let seen = new.load(Ordering::Relaxed);
            let started = Instant::now();
            while new.load(Ordering::Relaxed) < seen + 100 {
                assert!(started.elapsed() < LONG, "a thread has failed");
                std::thread::yield_now();
            }
            turn_off(&patches, consistency).unwrap();
            let (patches, transition) = {
                drop(patches);
                commit(Consistency::PerThread).unwrap()
            };
            transition.unwrap().wait(LONG).unwrap();
            let transition = turn_off(&patches, Consistency::PerThread).unwrap();
            transition.unwrap().wait(LONG).unwrap();
        }
    });
    println!("{cycles} cycles, {old:?} old and {new:?} new calls");
}

#[test]
fn threads_change_over_one_by_one_and_who_has_not_is_listed() {
    let _one = one_at_a_time();
    static ENTERED: AtomicBool = AtomicBool::new(false);
    static LEAVE: AtomicBool = AtomicBool::new(false);
    fn wait() {
        ENTERED.store(true, Ordering::SeqCst);
        while !LEAVE.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    std::thread::scope(|scope| {
        let _leave = Stop(&LEAVE);
        let (ask, asked) = mpsc::sync_channel::<()>(0);
        let (tell, told) = mpsc::sync_channel(0);
        let old = std::thread::Builder::new().name("stays old".into());
        let old = old
            .spawn_scoped(scope, move || {
                INSIDE.set(Some(wait));
                let first = call(7);
                tell.send(first).unwrap();
                INSIDE.set(None);
                asked.recv().unwrap();
                call(7)
            })
            .unwrap();
        while !ENTERED.load(Ordering::SeqCst) {
            std::thread::yield_now();
        }
        let (patches, transition) = commit(Consistency::PerThread).unwrap();
        let transition = transition.unwrap();
        assert_eq!(call(5), new_result(5), "this thread is outside");
        let waiting = transition.poll(Duration::from_millis(100)).unwrap();
        let names: Vec<&str> = waiting.iter().map(|h| h.name.as_str()).collect();
        assert_eq!(names, ["stays old"], "{waiting:?}");
        let target = patches[0].target();
        // SAFETY: a pass-through.
        let refused = unsafe { midair::patch_raw(target, |original| original) };
        assert!(matches!(refused, Err(Error::InTransition { .. })));

        LEAVE.store(true, Ordering::SeqCst);
        assert_eq!(
            told.recv().unwrap(),
            old_result(7),
            "the call goes on with old ones"
        );
        transition.wait(LONG).unwrap();
        assert_eq!(transition.poll(LONG).unwrap(), []);
        ask.send(()).unwrap();
        assert_eq!(old.join().unwrap(), new_result(7));
        drop(patches);
        assert_eq!(call(5), old_result(5));
    });
}

#[test]
fn a_transition_can_be_cancelled_and_ends_when_a_patch_of_it_is_removed() {
    let _one = one_at_a_time();
    let (patches, transition) = commit(Consistency::PerThread).unwrap();
    assert_eq!(call(5), new_result(5));
    transition.unwrap().cancel().unwrap();
    assert_eq!(call(5), old_result(5));
    drop(patches);
    let (patches, transition) = commit(Consistency::PerThread).unwrap();
    let mut patches: Vec<RawPatch> = patches.into_iter().collect();
    assert_eq!(call(5), new_result(5));
    drop(patches.pop());
    assert_eq!(call(5), old_result(5));
    let transition = transition.unwrap();
    assert!(matches!(transition.poll(LONG), Err(Error::Cancelled)));
    assert!(matches!(transition.cancel(), Err(Error::Cancelled)));
    drop(patches);
    assert_eq!(call(5), old_result(5));
}

#[test]
fn a_transition_whose_handle_is_dropped_goes_on_until_a_patch_of_it_is_removed() {
    let _one = one_at_a_time();
    let (patches, transition) = commit(Consistency::PerThread).unwrap();
    drop(transition);
    let mut patches: Vec<RawPatch> = patches.into_iter().collect();
    assert_eq!(call(5), new_result(5));
    let also = std::thread::spawn(|| call(7)).join().unwrap();
    assert_eq!(also, new_result(7), "the next thread changes over too");
    let refused = patches[0].disable();
    assert!(matches!(refused, Err(Error::InTransition { .. })));
    drop(patches.pop());
    assert_eq!(call(5), old_result(5));
    patches[0].enable().expect("it is not in a transition now");
    drop(patches);
}

#[test]
fn a_function_that_calls_itself_is_left_before_it_changes() {
    let _one = one_at_a_time();
    #[inline(never)]
    fn deep(n: u64) -> u64 {
        match black_box(n) {
            0 => 1,
            n => black_box(deep as Number)(n - 1) + 1,
        }
    }
    fn replaced(n: u64) -> u64 {
        1_000_000 + n
    }
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let _stop = Stop(&stop);
        for _ in 0..2 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let got = black_box(deep as Number)(50);
                    assert!(got == 51 || got == replaced(50), "{got}");
                }
            });
        }
        for consistency in [
            Consistency::Quiescent { deadline: LONG },
            Consistency::PerThread,
        ] {
            let mut transaction = Transaction::new();
            transaction.patch_raw(deep as Number as *const (), |_| {
                replaced as Number as *const ()
            });
            // SAFETY: of the same type; nobody relies on the result.
            let committed = unsafe { transaction.commit(consistency) }.unwrap();
            if let Some(transition) = &committed.transition {
                transition.wait(LONG).unwrap();
            }
            assert_eq!(deep(3), replaced(3));
        }
    });
}

#[test]
fn sleepers_outside_are_not_woken_by_a_quiescent_commit() {
    let _one = one_at_a_time();
    std::thread::scope(|scope| {
        let sleepers: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    assert_eq!(call(3), old_result(3));
                    let mut left = libc::timespec {
                        tv_sec: 0,
                        tv_nsec: 0,
                    };
                    let time = libc::timespec {
                        tv_sec: 0,
                        tv_nsec: 600_000_000,
                    };
                    let started = Instant::now();
                    // SAFETY: both are live locals.
                    let slept = unsafe { libc::nanosleep(&time, &mut left) };
                    assert_eq!((slept, left.tv_nsec), (0, 0), "EINTR");
                    assert!(started.elapsed() >= Duration::from_millis(600));
                })
            })
            .collect();
        std::thread::sleep(Duration::from_millis(100));
        let started = Instant::now();
        let consistency = Consistency::Quiescent { deadline: LONG };
        for _ in 0..5 {
            drop(commit(consistency).unwrap());
        }
        println!("five commits with eight sleepers: {:?}", started.elapsed());
        for sleeper in sleepers {
            sleeper.join().unwrap();
        }
    });
}
