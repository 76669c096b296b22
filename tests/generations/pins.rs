//! Who is pinned runs the code of one generation.

use crate::agent::{Agent, agent};
use crate::versions::{fresh, request, sum, swaps};
use std::pin::pin;
use std::sync::mpsc::channel;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

const BUILT: [usize; 4] = [0; 4];

fn reload(agent: &mut Agent, to: [usize; 4]) -> u64 {
    agent.reload(&swaps(&BUILT, &to))
}

/// Something else than the thread of the test.
fn elsewhere<T: Send>(run: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| scope.spawn(run).join().unwrap())
}

#[test]
fn a_pinned_thread_keeps_its_generation_and_all_others_have_the_newest() {
    let mut agent = agent();
    let agent = agent.as_mut().unwrap();
    fresh(agent);
    let built = midair::pin();
    reload(agent, [1, 1, 1, 1]);
    assert_eq!(request(), 0);
    assert_eq!(elsewhere(request), sum(&[1; 4]));
    drop(built);
    assert_eq!(request(), sum(&[1; 4]));
    let first = midair::pin();
    reload(agent, [2, 2, 0, 0]);
    reload(agent, [0, 3, 0, 3]);
    assert_eq!(request(), sum(&[1; 4]));
    assert_eq!(elsewhere(request), sum(&[2, 3, 1, 3]));
    drop(first);
    assert_eq!(request(), sum(&[2, 3, 1, 3]));
}

#[test]
fn who_is_pinned_to_different_generations_has_each_its_own() {
    let mut agent = agent();
    let agent = agent.as_mut().unwrap();
    fresh(agent);
    std::thread::scope(|scope| {
        let mut threads = Vec::new();
        for n in 1..20 {
            reload(agent, [n, 0, n, 0]);
            let (pinned, is_pinned) = channel();
            let (go_on, goes_on) = channel();
            let thread = scope.spawn(move || {
                let pin = midair::pin();
                pinned.send(pin.generation().unwrap()).unwrap();
                let wanted = sum(&[n, 0, n, 0]);
                let mut count = 0;
                while goes_on.try_recv().is_err() {
                    assert_eq!(request(), wanted);
                    count += 1;
                    std::thread::yield_now();
                }
                count
            });
            is_pinned.recv().unwrap();
            threads.push((thread, go_on));
        }
        // One after the other, from both ends: the middle ones stay longest.
        for n in 0..threads.len() {
            let at = if n % 2 == 0 { 0 } else { threads.len() - 1 };
            let (thread, go_on) = threads.remove(at);
            go_on.send(()).unwrap();
            assert!(thread.join().unwrap() > 0);
            reload(agent, [0, n + 1, 0, 0]);
        }
    });
}

#[test]
fn a_pin_inside_of_another_holds_the_generation_of_the_outer_one() {
    let mut agent = agent();
    let agent = agent.as_mut().unwrap();
    fresh(agent);
    let outer = midair::pin();
    reload(agent, [5; 4]);
    let inner = midair::pin();
    assert_eq!(inner.generation(), outer.generation());
    assert_eq!(request(), 0);
    // Whichever goes first: the thread is pinned until the last has gone.
    drop(outer);
    assert_eq!(request(), 0);
    drop(inner);
    assert_eq!(request(), sum(&[5; 4]));
}

#[test]
fn a_thread_that_is_started_is_not_pinned() {
    let mut agent = agent();
    let agent = agent.as_mut().unwrap();
    fresh(agent);
    let _pin = midair::pin();
    reload(agent, [6; 4]);
    assert_eq!([request(), elsewhere(request)], [0, sum(&[6; 4])]);
}

#[test]
fn an_undo_is_for_those_who_are_not_pinned() {
    let mut agent = agent();
    let agent = agent.as_mut().unwrap();
    fresh(agent);
    reload(agent, [7; 4]);
    let pin = midair::pin();
    agent.undo().unwrap();
    assert_eq!([request(), elsewhere(request)], [sum(&[7; 4]), 0]);
    drop(pin);
    assert_eq!(request(), 0);
}

/// Gives a request's answer at each poll.
struct Requests(Vec<u64>);

impl Future for Requests {
    type Output = Vec<u64>;

    fn poll(mut self: std::pin::Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Vec<u64>> {
        self.0.push(request());
        match self.0.len() {
            3 => Poll::Ready(std::mem::take(&mut self.0)),
            _ => Poll::Pending,
        }
    }
}

fn poll<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn a_pinned_future_is_on_one_generation_in_whichever_thread() {
    let mut agent = agent();
    let agent = agent.as_mut().unwrap();
    fresh(agent);
    let mut old = pin!(midair::pinned(Requests(Vec::new())));
    reload(agent, [8; 4]);
    let mut new = pin!(midair::pinned(Requests(Vec::new())));
    reload(agent, [9; 4]);
    for _ in 0..2 {
        assert!(poll(old.as_mut()).is_pending());
        assert!(elsewhere(|| poll(new.as_mut())).is_pending());
        // Between two polls the thread is not pinned.
        assert_eq!(request(), sum(&[9; 4]));
    }
    assert_eq!(elsewhere(|| poll(old.as_mut())), Poll::Ready(vec![0; 3]));
    assert_eq!(poll(new.as_mut()), Poll::Ready(vec![sum(&[8; 4]); 3]));
}

#[test]
fn a_future_takes_over_the_pin_of_who_makes_it_and_hands_it_on() {
    let mut agent = agent();
    let agent = agent.as_mut().unwrap();
    fresh(agent);
    let guard = midair::pin();
    reload(agent, [10; 4]);
    let future = midair::pinned(async {
        // On the future's generation: taken over by both.
        let guard = midair::pin();
        (
            request(),
            midair::pinned(async { request() }),
            guard.generation(),
        )
    });
    let generation = guard.generation();
    assert_eq!(future.generation(), generation);
    drop(guard);
    assert_eq!(request(), sum(&[10; 4]));
    reload(agent, [11; 4]);
    let Poll::Ready((answer, inner, inside)) = poll(pin!(future)) else {
        panic!("not ready");
    };
    assert_eq!((answer, inside), (0, generation));
    reload(agent, [12; 4]);
    assert_eq!(poll(pin!(inner)), Poll::Ready(0));
    assert_eq!(request(), sum(&[12; 4]));
}

#[test]
fn a_futures_generation_counts_while_it_is_polled_also_in_a_pinned_thread() {
    let mut agent = agent();
    let agent = agent.as_mut().unwrap();
    fresh(agent);
    let mut future = pin!(midair::pinned(Requests(Vec::new())));
    reload(agent, [13; 4]);
    let guard = midair::pin();
    reload(agent, [14; 4]);
    for _ in 0..2 {
        assert!(poll(future.as_mut()).is_pending());
        assert_eq!(request(), sum(&[13; 4]));
    }
    assert_eq!(poll(future.as_mut()), Poll::Ready(vec![0; 3]));
    drop(guard);
    assert_eq!(request(), sum(&[14; 4]));
}

#[test]
fn a_future_that_panics_leaves_its_thread_unpinned() {
    let mut agent = agent();
    let agent = agent.as_mut().unwrap();
    fresh(agent);
    let mut future = pin!(midair::pinned(async { panic!("on purpose") }));
    reload(agent, [15; 4]);
    let polled = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| poll(future.as_mut())));
    assert!(polled.is_err());
    assert_eq!(request(), sum(&[15; 4]));
}

#[test]
fn a_future_is_dropped_on_its_generation() {
    struct Asks<'a>(&'a mut u64);
    impl Drop for Asks<'_> {
        fn drop(&mut self) {
            *self.0 = request();
        }
    }
    let mut agent = agent();
    let agent = agent.as_mut().unwrap();
    fresh(agent);
    let mut seen = u64::MAX;
    let asks = Asks(&mut seen);
    let future = midair::pinned(async move { drop(asks) });
    reload(agent, [16; 4]);
    drop(future);
    assert_eq!(seen, 0);
}

/// Waits until the agent has noticed.
fn until(wanted: impl Fn() -> bool) -> bool {
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(20) {
        if wanted() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    false
}

/// Pinned threads and futures.
fn pinned() -> (usize, u64) {
    let all = midair::generations().unwrap();
    let threads = all.iter().map(|generation| generation.threads.len()).sum();
    (
        threads,
        all.iter().map(|generation| generation.futures).sum(),
    )
}

#[test]
fn generations_says_who_is_pinned_where() {
    let mut agent = agent();
    let agent = agent.as_mut().unwrap();
    fresh(agent);
    let first = reload(agent, [17, 0, 0, 0]);
    let (pinned, is_pinned) = channel();
    let (go_on, goes_on) = channel::<()>();
    let thread = std::thread::Builder::new().name("old-request".to_owned());
    let thread = thread
        .spawn(move || {
            let _pin = midair::pin();
            // SAFETY: asks for a number.
            pinned.send(unsafe { libc::gettid() }).unwrap();
            let _ = goes_on.recv();
        })
        .unwrap();
    let tid = is_pinned.recv().unwrap();
    let future = midair::pinned(async {});
    let second = agent.undo().unwrap().generation;
    std::thread::sleep(Duration::from_millis(40));
    let all = midair::generations().unwrap();
    let of = |number| all.iter().find(|one| one.number == number).unwrap();
    let [held] = of(first).threads.as_slice() else {
        panic!("{all:#?}");
    };
    assert_eq!((held.id, held.name.as_str()), (tid, "old-request"));
    assert!(held.time >= Duration::from_millis(20), "{:?}", held.time);
    assert_eq!(of(first).futures, 1);
    let [function] = of(first).functions.as_slice() else {
        panic!("{all:#?}");
    };
    assert!(function.contains("version"), "{function}");
    assert_eq!(of(second).undoes, Some(first));
    assert_eq!(of(second).threads, []);
    assert_eq!(all.last().unwrap().number, second);
    drop(future);
    drop(go_on);
    thread.join().unwrap();
    assert_eq!(self::pinned(), (0, 0));
}

#[test]
fn a_generation_that_somebody_is_pinned_to_is_listed_however_many_come_after_it() {
    let mut agent = agent();
    let agent = agent.as_mut().unwrap();
    fresh(agent);
    let first = reload(agent, [21, 0, 0, 0]);
    let second = reload(agent, [22, 0, 0, 0]);
    agent.undo().unwrap();
    let pin = midair::pin();
    let number = pin.generation().unwrap();
    for n in 0..130 {
        reload(agent, [n % 2, 0, 0, 0]);
    }
    let threads = |number: u64| {
        let all = midair::generations().unwrap();
        let found = all.iter().find(|one| one.number == number);
        found.map(|one| one.threads.len())
    };
    // Nobody needs these any more.
    assert_eq!([threads(first), threads(second)], [None, None]);
    assert_eq!(threads(number), Some(1));
    drop(pin);
    reload(agent, [1, 0, 0, 0]);
    assert_eq!(threads(number), None);
}

#[test]
fn a_guard_that_is_forgotten_holds_nothing_when_its_thread_has_ended() {
    let mut agent = agent();
    let agent = agent.as_mut().unwrap();
    fresh(agent);
    let before = elsewhere(|| {
        std::mem::forget(midair::pin());
        pinned()
    });
    assert_eq!(before, (1, 0));
    assert!(until(|| pinned() == (0, 0)));
    reload(agent, [18; 4]);
    assert_eq!(request(), sum(&[18; 4]));
}

#[test]
fn a_guard_in_a_thread_local_is_over_with_its_thread() {
    thread_local! {
        static KEPT: std::cell::RefCell<Option<midair::reload::Pin>> = const {
            std::cell::RefCell::new(None)
        };
    }
    struct PinsAgain;
    impl Drop for PinsAgain {
        fn drop(&mut self) {
            // Whatever was dropped before it.
            let pin = midair::pin();
            assert!(pin.generation().is_some());
            assert!(pinned().0 >= 1);
        }
    }
    thread_local! {
        static LAST: PinsAgain = const { PinsAgain };
    }
    let _agent = agent();
    for order in [false, true] {
        elsewhere(|| {
            if order {
                LAST.with(|_| ());
            }
            KEPT.with(|kept| *kept.borrow_mut() = Some(midair::pin()));
            if !order {
                LAST.with(|_| ());
            }
        });
        assert!(until(|| pinned() == (0, 0)));
    }
}

#[test]
fn when_the_last_pin_is_gone_the_functions_are_as_they_were_built() {
    let mut agent = agent();
    let agent = agent.as_mut().unwrap();
    fresh(agent);
    let entry = crate::versions::at(0, 0) as *const [u8; 16];
    // SAFETY: the function's first bytes.
    let bytes = || unsafe { entry.read_volatile() };
    assert!(until(|| midair::stats().patches == 0));
    let built = bytes();
    reload(agent, [19; 4]);
    let pin = midair::pin();
    agent.undo().unwrap();
    assert_ne!(bytes(), built);
    assert_eq!(request(), sum(&[19; 4]));
    drop(pin);
    assert!(until(|| bytes() == built));
    assert_eq!(midair::stats().patches, 0);
}

#[test]
fn a_forked_child_has_its_own_pin_and_not_those_of_other_threads() {
    let mut agent = agent();
    let agent = agent.as_mut().unwrap();
    fresh(agent);
    let (ready, is_ready) = channel();
    let (go_on, goes_on) = channel::<()>();
    let other = std::thread::spawn(move || {
        let _pin = midair::pin();
        ready.send(()).unwrap();
        let _ = goes_on.recv();
    });
    is_ready.recv().unwrap();
    let pin = midair::pin();
    reload(agent, [20; 4]);
    // SAFETY: the child calls what is safe there, and ends.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let own = request() == 0 && midair::pin().generation() == pin.generation();
        let future = midair::pinned(async {});
        let alone = future.generation() == pin.generation() && pinned() == (1, 1);
        drop(pin);
        let newest = request() == sum(&[20; 4]);
        let wrong = i32::from(!own) | i32::from(!alone) << 1 | i32::from(!newest) << 2;
        // SAFETY: ends the child without its parent's destructors.
        unsafe { libc::_exit(wrong) };
    }
    let mut status = 0;
    // SAFETY: waits for the child.
    assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
    assert_eq!(status, 0, "{:#x}", status);
    drop(go_on);
    other.join().unwrap();
}
