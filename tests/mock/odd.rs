//! Calls at odd moments: a mock that panics, that comes back to itself, that is
//! called while the stack unwinds, or by a signal handler.

use midair::mock;
use std::hint::black_box;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};

#[inline(never)]
fn twice(n: u32) -> u32 {
    black_box(n) * 2
}

#[test]
fn a_mock_that_panics_unwinds_through_its_caller() {
    struct Counts<'a>(&'a AtomicUsize);
    impl Drop for Counts<'_> {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    #[inline(never)]
    fn caller(dropped: &AtomicUsize) -> u32 {
        let _counts = Counts(dropped);
        twice(1) + 1
    }
    let dropped = AtomicUsize::new(0);
    let mock = mock!(twice => |n| if n == 1 { panic!("no {n}") } else { 7 });
    for round in 1..=3 {
        let panic = catch_unwind(|| caller(&dropped)).unwrap_err();
        assert_eq!(*panic.downcast::<String>().unwrap(), "no 1");
        assert_eq!(dropped.load(Ordering::Relaxed), round);
        assert_eq!(twice(2), 7); // the mock goes on
    }
    assert_eq!(mock.count(), 6);
}

#[test]
fn a_panic_takes_mocks_off_and_keeps_its_own_message() {
    let panic = catch_unwind(|| {
        let _unmet = mock!(twice).returns(1).times(5);
        panic!("the test's own");
    })
    .unwrap_err();
    assert_eq!(*panic.downcast::<&str>().unwrap(), "the test's own");
    assert_eq!(twice(2), 4);
}

#[test]
fn a_condition_that_panics_is_a_panic_of_the_caller() {
    let mock = mock!(twice)
        .when(|&(n,)| if n == 3 { panic!("three") } else { true })
        .returns(1);
    assert!(catch_unwind(|| twice(3)).is_err());
    assert_eq!((twice(4), mock.count()), (1, 1));
}

#[inline(never)]
fn factorial(n: u64) -> u64 {
    if black_box(n) == 0 {
        1
    } else {
        n * factorial(n - 1)
    }
}

#[test]
fn a_mock_that_calls_its_function_calls_itself() {
    let mock = mock!(factorial => |n| if n == 0 { 100 } else { factorial(n - 1) + 1 });
    assert_eq!((factorial(5), mock.count()), (105, 6));
}

#[test]
fn an_original_that_recurses_meets_the_mock_again() {
    let mock = mock!(factorial).passthrough();
    assert_eq!((factorial(5), mock.count()), (120, 6));
    drop(mock);
    let mock = mock!(factorial => |n| call_original!(n) + 1);
    assert_eq!((factorial(2), mock.count()), (7, 3)); // 2 * (1 * (1 + 1) + 1) + 1
}

#[test]
fn a_mock_calls_another_mocked_function() {
    let inner = mock!(twice => |n| n * 3);
    let outer = mock!(factorial => |n| u64::from(twice(n as u32)) + call_original!(0));
    assert_eq!(factorial(4), 13);
    assert_eq!((inner.count(), outer.count()), (1, 1));
}

#[test]
fn conditions_and_debug_call_originals() {
    #[derive(Clone, Copy)]
    struct Shown;
    impl std::fmt::Debug for Shown {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            write!(f, "{}", twice(4))
        }
    }
    #[inline(never)]
    fn take(_: Shown) -> u32 {
        black_box(1)
    }
    let inner = mock!(twice).returns(0);
    let mock = mock!(take).when(|_| twice(1) == 2).returns(5);
    assert_eq!((take(Shown), inner.count()), (5, 0));
    assert_eq!(mock.calls()[0].arguments, ["8"]);
}

#[test]
fn a_drop_during_unwinding_calls_mocks() {
    struct Last<'a>(&'a AtomicUsize);
    impl Drop for Last<'_> {
        fn drop(&mut self) {
            assert!(std::thread::panicking());
            self.0.store(twice(1) as usize, Ordering::Relaxed);
        }
    }
    let mock = mock!(twice).returns(77);
    let seen = AtomicUsize::new(0);
    let panic = catch_unwind(AssertUnwindSafe(|| {
        let _last = Last(&seen);
        panic!("unwinding");
    }));
    assert!(panic.is_err());
    assert_eq!((seen.load(Ordering::Relaxed), mock.count()), (77, 1));
}

#[test]
fn a_mock_that_is_made_and_dropped_during_unwinding() {
    struct Last;
    impl Drop for Last {
        fn drop(&mut self) {
            let unmet = mock!(twice).returns(9).times(4);
            assert_eq!(twice(0), 9);
            drop(unmet); // says nothing: a second panic would end the process
            assert_eq!(twice(1), 2);
        }
    }
    let panic = catch_unwind(|| {
        let _last = Last;
        panic!("first");
    });
    assert_eq!(*panic.unwrap_err().downcast::<&str>().unwrap(), "first");
}

#[test]
fn destructors_of_thread_locals_see_mocks_of_who_started_the_thread() {
    static SEEN: AtomicUsize = AtomicUsize::new(0);
    struct Last;
    impl Drop for Last {
        fn drop(&mut self) {
            SEEN.store(twice(1) as usize, Ordering::Relaxed);
        }
    }
    thread_local!(static LAST: Last = const { Last });
    let _mock = mock!(twice).returns(33);
    std::thread::spawn(|| LAST.with(|_| ())).join().unwrap();
    assert_eq!(SEEN.load(Ordering::Relaxed), 33);
}

mod signals {
    use super::*;
    use std::sync::atomic::AtomicBool;
    use std::time::{Duration, Instant};

    #[inline(never)]
    fn in_handler(n: usize) -> usize {
        black_box(n) + 1
    }

    static CALLS: AtomicUsize = AtomicUsize::new(0);
    static WRONG: AtomicUsize = AtomicUsize::new(0);

    extern "C" fn handler(_: libc::c_int) {
        CALLS.fetch_add(1, Ordering::Relaxed);
        if in_handler(1) != 100 {
            WRONG.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn install(signal: libc::c_int) {
        // SAFETY: the handler calls functions that may be called in one.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = handler as extern "C" fn(libc::c_int) as usize;
            action.sa_flags = libc::SA_RESTART;
            assert_eq!(libc::sigaction(signal, &action, std::ptr::null_mut()), 0);
        }
    }

    /// Sends the calling thread a signal as often as can be, while it allocates,
    /// and while it makes, calls and drops other mocks.
    #[test]
    fn handlers_that_interrupt_malloc_and_this_layer() {
        install(libc::SIGUSR2);
        let mock = mock!(in_handler => |_| 100).unrecorded();
        // SAFETY: the calling thread.
        let me = unsafe { libc::pthread_self() };
        let is_over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    // SAFETY: the thread waits for this one.
                    unsafe { libc::pthread_kill(me, libc::SIGUSR2) };
                    std::hint::spin_loop();
                }
            });
            let start = Instant::now();
            let mut n = 0_usize;
            // On a busy machine the other thread gets few turns.
            let is_enough = || CALLS.load(Ordering::Relaxed) > 100;
            while start.elapsed() < Duration::from_millis(1500)
                || !is_enough() && start.elapsed() < Duration::from_secs(60)
            {
                n += 1;
                let mut boxes: Vec<_> = (0..64).map(|size| vec![0_u8; size * 16]).collect();
                boxes.rotate_left(n % 64);
                black_box(&boxes);
                let other = mock!(twice).returns(5);
                assert_eq!(twice(1), 5);
                drop(other);
                let everywhere = mock!(super::factorial).when(|&(n,)| n > 99).returns(1);
                drop(everywhere.everywhere());
            }
            is_over.store(true, Ordering::Relaxed);
        });
        let calls = CALLS.load(Ordering::Relaxed);
        assert!(calls > 100, "{calls} signals");
        // What interrupts this layer meets the original.
        let wrong = WRONG.load(Ordering::Relaxed);
        assert_eq!(mock.count() + wrong, calls);
        println!("{calls} signals, {wrong} of them in the mock layer");
    }
}
