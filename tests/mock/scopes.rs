//! Who sees a mock, and who does not.

use midair::mock;
use std::hint::black_box;
use std::sync::mpsc::{Sender, channel};
use std::thread::{Builder, JoinHandle};

type Job = Box<dyn FnOnce() + Send>;

/// A thread that ran before any mock of the test.
fn worker(name: &str) -> (Sender<Job>, JoinHandle<()>) {
    let (jobs, queue) = channel::<Job>();
    let thread = Builder::new().name(name.to_owned());
    let worker = thread.spawn(move || queue.into_iter().for_each(|job| job()));
    (jobs, worker.unwrap())
}

/// What a job gives on another thread.
fn on<R: Send + 'static>(jobs: &Sender<Job>, job: impl FnOnce() -> R + Send + 'static) -> R {
    let (send, receive) = channel();
    let job = Box::new(move || send.send(job()).unwrap_or_default());
    jobs.send(job).unwrap();
    receive.recv().unwrap()
}

macro_rules! functions {
    ($($name:ident)*) => {$(
        #[inline(never)]
        fn $name(n: u32) -> u32 {
            black_box(n) + black_box(line!())
        }
    )*};
}

#[inline(never)]
fn one(n: u32) -> u32 {
    black_box(n) + 1
}

#[test]
fn scoped_threads_see_it_and_borrow() {
    let mock = mock!(one => |n| n * 10);
    let numbers = [1, 2, 3];
    let sum: u32 = std::thread::scope(|scope| {
        let threads = numbers.each_ref().map(|&n| scope.spawn(move || one(n)));
        threads.map(|thread| thread.join().unwrap()).iter().sum()
    });
    assert_eq!((sum, mock.count()), (60, 3));
    assert_ne!(mock.calls()[0].thread, "");
}

#[test]
fn a_thread_keeps_seeing_what_it_was_started_with() {
    let first = mock!(one).returns(10);
    let (jobs, worker) = worker("started-early");
    let second = mock!(one).returns(20);
    // The worker was started before the second one was made.
    assert_eq!((one(0), on(&jobs, || one(0))), (20, 10));
    drop(first);
    assert_eq!((one(0), on(&jobs, || one(0))), (20, 1));
    drop(second);
    assert_eq!((one(0), on(&jobs, || one(0))), (1, 1));
    drop(jobs);
    worker.join().unwrap();
}

#[test]
fn a_mock_lives_as_long_as_its_guard_not_as_its_thread() {
    let mock = std::thread::spawn(|| mock!(one).returns(5)).join().unwrap();
    assert_eq!(one(0), 1);
    drop(mock);
    let mock = mock!(one).returns(6);
    // Dropped by somebody else.
    std::thread::spawn(move || {
        assert_eq!(one(0), 6);
        drop(mock);
        assert_eq!(one(0), 1);
    })
    .join()
    .unwrap();
    assert_eq!(one(0), 1);
}

#[test]
fn an_older_thread_enters_and_leaves() {
    let (jobs, worker) = worker("older");
    let mock = mock!(one).returns(7);
    let scope = midair::mock::scope();
    let inside = on(&jobs, move || {
        let entered = scope.enter();
        let nested = std::thread::spawn(|| one(0)).join().unwrap();
        let inside = one(0);
        drop(entered);
        (nested, inside, one(0))
    });
    assert_eq!(inside, (7, 7, 1));
    assert_eq!(mock.count(), 2);
    drop(jobs);
    worker.join().unwrap();
}

/// Polls a future until it is ready, on the calling thread.
fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = std::pin::pin!(future);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    loop {
        if let std::task::Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return value;
        }
        std::thread::yield_now();
    }
}

#[test]
fn a_future_takes_the_scope_along_to_older_threads() {
    let (jobs, worker) = worker("executor");
    let _mock = mock!(one).returns(8);
    let future = midair::mock::scope().attach(async {
        let mut turns = 0;
        std::future::poll_fn(|_| {
            turns += 1;
            if turns < 3 {
                std::task::Poll::Pending
            } else {
                std::task::Poll::Ready(())
            }
        })
        .await;
        one(0)
    });
    assert_eq!(on(&jobs, || (block_on(future), one(0))), (8, 1));
    drop(jobs);
    worker.join().unwrap();
}

fn failure(mock: midair::mock::Mock) -> String {
    let panic = std::panic::AssertUnwindSafe(|| drop(mock));
    *std::panic::catch_unwind(panic)
        .expect_err("an expectation is unmet")
        .downcast::<String>()
        .unwrap()
}

functions!(counted pooled);

#[test]
fn calls_from_outside_are_in_the_failure() {
    let (jobs, worker) = worker("outsider");
    on(&jobs, || counted(0)); // before: not counted
    let earlier = mock!(counted).returns(1);
    on(&jobs, || (0..3).map(counted).count()); // nor is what was for an earlier one
    drop(earlier);
    let mock = mock!(counted).returns(1).times(2);
    counted(5);
    on(&jobs, || (0..42).map(counted).count());
    let text = failure(mock);
    assert!(
        text.contains("expected to be called 2 times, and was called once"),
        "{text}"
    );
    assert!(text.contains("counted(5)"), "{text}");
    assert!(text.contains("thread `outsider`: 42 times"), "{text}");
    assert!(text.contains("scope()"), "{text}");
    drop(jobs);
    worker.join().unwrap();
}

#[test]
fn calls_by_threads_that_have_ended_are_in_the_failure() {
    let (jobs, worker) = worker("ended");
    let mock = mock!(counted).returns(1).times(1);
    on(&jobs, || (0..3).map(counted).count());
    drop(jobs);
    worker.join().unwrap();
    let text = failure(mock);
    assert!(text.contains("thread `ended`: 3 times"), "{text}");
}

/// A thread that was started under it knows of it for as long as it runs.
#[test]
fn what_a_mock_has_captured_is_dropped_with_it() {
    let captured = std::sync::Arc::new(7);
    let own = std::sync::Arc::clone(&captured);
    let mock = mock!(one => move |_| *own);
    let (jobs, worker) = worker("knows");
    assert_eq!(on(&jobs, || one(0)), 7);
    drop(mock);
    assert_eq!(std::sync::Arc::strong_count(&captured), 1);
    assert_eq!(on(&jobs, || one(0)), 1);
    drop(jobs);
    worker.join().unwrap();
}

/// As rayon's global pool is, if it is used under a mock first.
#[test]
fn a_pool_that_was_started_under_another_mock_is_outside_once_that_is_gone() {
    let first = mock!(one).returns(0);
    let (jobs, worker) = worker("global-pool");
    assert_eq!(on(&jobs, || (one(1), pooled(0))).0, 0);
    drop(first);

    let mock = mock!(pooled).returns(1).times(1);
    on(&jobs, || (0..5).map(pooled).count());
    assert_eq!(on(&jobs, || one(1)), 2);
    let text = failure(mock);
    assert!(text.contains("thread `global-pool`: 5 times"), "{text}");
    drop(jobs);
    worker.join().unwrap();
}

#[inline(never)]
fn everybody(n: u32) -> u32 {
    black_box(n) + 2
}

#[test]
fn everywhere_is_seen_by_older_threads_and_own_mocks_go_first() {
    let (jobs, worker) = worker("anybody");
    assert_eq!(on(&jobs, || everybody(0)), 2);
    let all = mock!(everybody)
        .when(|&(n,)| n < 10)
        .everywhere()
        .returns(50);
    assert_eq!(on(&jobs, || (everybody(0), everybody(10))), (50, 12));
    let own = mock!(everybody).returns(60);
    assert_eq!((everybody(0), on(&jobs, || everybody(0))), (60, 50));
    let newer = mock!(everybody => |n| call_original!(n) * 2).everywhere();
    assert_eq!((everybody(0), on(&jobs, || everybody(0))), (4, 4));
    drop(own);
    drop(newer);
    assert_eq!((everybody(0), on(&jobs, || everybody(0))), (50, 50));
    assert_eq!(all.count(), 4);
    drop(all);
    assert_eq!((everybody(0), on(&jobs, || everybody(0))), (2, 2));
    drop(jobs);
    worker.join().unwrap();
}

#[inline(never)]
fn a(n: u32) -> u32 {
    black_box(n) + 11
}

#[inline(never)]
fn b(n: u32) -> u32 {
    black_box(n) + 12
}

#[test]
fn one_call_resets_one_and_one_call_resets_all() {
    let (first, second) = (mock!(a).returns(1), mock!(b).returns(2));
    let third = mock!(b).returns(3);
    assert_eq!((a(0), b(0)), (1, 3));
    third.reset();
    assert_eq!((a(0), b(0)), (1, 2));
    second.unpatch();
    assert_eq!((a(0), b(0)), (1, 12));
    second.restore();
    assert_eq!((a(0), b(0)), (1, 2));
    midair::mock::reset_all();
    assert_eq!((a(0), b(0)), (11, 12));
    let again = mock!(a).returns(4);
    assert_eq!(a(0), 4);
    drop((first, second));
    assert_eq!(a(0), 4);
    drop(again);
    assert_eq!(a(0), 11);
}

#[test]
fn guards_of_a_hundred_mocks_in_any_order() {
    let mut mocks: Vec<_> = (0..100).map(|n| (n, mock!(a).returns(1000 + n))).collect();
    let mut random = 12345_usize;
    while !mocks.is_empty() {
        assert_eq!(a(0), 1000 + mocks.last().unwrap().0);
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        drop(mocks.remove((random >> 33) % mocks.len()));
    }
    assert_eq!(a(0), 11);
}
