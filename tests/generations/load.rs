//! Requests while reloads come: each sees one generation.

use crate::agent::{Agent, agent};
use crate::versions::{FUNCTIONS, VERSIONS, at, expect, expected, fresh, request, sum, swaps};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

/// How many reloads; more in a long run.
fn reloads() -> usize {
    let cycles = std::env::var("MIDAIR_CYCLES");
    cycles.map_or(100, |cycles| cycles.parse().unwrap())
}

/// Reloads some functions, others each time, and says before what is to be expected.
struct Reloads {
    now: [usize; FUNCTIONS],
    generation: u64,
    random: u64,
}

impl Reloads {
    fn new(agent: &mut Agent) -> Self {
        fresh(agent);
        // All at once, so that the number is known.
        let mut reloads = Self {
            now: [0; FUNCTIONS],
            generation: agent.reload(&[]),
            random: 1,
        };
        agent.undo().unwrap();
        reloads.generation += 1;
        expect(reloads.generation, 0);
        reloads
    }

    fn next(&mut self, agent: &mut Agent, n: usize) {
        let before = self.now;
        let is_undo = n % 7 == 6;
        self.random = self
            .random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let mut to = before;
        for (function, version) in to.iter_mut().enumerate() {
            if self.random >> (33 + function) & 1 == 1 {
                *version = 1 + n % (VERSIONS - 1);
            }
        }
        expect(self.generation + 1, sum(&to));
        self.generation = agent.reload(&swaps(&before, &to));
        self.now = to;
        if is_undo {
            expect(self.generation + 1, sum(&before));
            self.generation = agent.undo().unwrap().generation;
            self.now = before;
        }
    }
}

/// A request of this length: the sum of what it has called, at all its times.
fn long_request(time: Duration) -> Result<(), String> {
    let guard = midair::pin();
    let generation = guard.generation().unwrap();
    let wanted = expected(generation);
    let begun = Instant::now();
    while begun.elapsed() < time {
        let got = request();
        if got != wanted {
            return Err(format!(
                "generation {generation}: {got:08} instead of {wanted:08}"
            ));
        }
        std::thread::sleep(time / 20);
    }
    Ok(())
}

#[test]
fn requests_of_200_ms_see_one_generation_each_while_100_reloads_come() {
    let mut agent = agent();
    let agent = agent.as_mut().unwrap();
    let mut reloads_made = Reloads::new(agent);
    let (done, answered) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for _ in 0..64 {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    long_request(Duration::from_millis(200)).unwrap();
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        for n in 0..reloads() {
            reloads_made.next(agent, n);
            std::thread::sleep(Duration::from_millis(10));
        }
        done.store(true, Ordering::Relaxed);
    });
    let answered = answered.into_inner();
    println!("{answered} requests, {} reloads", reloads());
    assert!(answered >= 128, "{answered}");
}

#[test]
fn short_pins_between_any_two_steps_of_a_reload_see_one_generation() {
    let mut agent = agent();
    let agent = agent.as_mut().unwrap();
    let mut reloads_made = Reloads::new(agent);
    let (done, pins) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    let guard = midair::pin();
                    let wanted = expected(guard.generation().unwrap());
                    assert_eq!([request(), request()], [wanted; 2]);
                    pins.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                let future = midair::pinned(async {
                    let guard = midair::pin();
                    (guard.generation().unwrap(), request())
                });
                let polled = pin!(future).poll(&mut Context::from_waker(Waker::noop()));
                let Poll::Ready((generation, got)) = polled else {
                    panic!("not ready");
                };
                assert_eq!(got, expected(generation));
            }
        });
        for n in 0..4 * reloads() {
            reloads_made.next(agent, n);
        }
        done.store(true, Ordering::Relaxed);
    });
    println!("{} pins", pins.into_inner());
}

#[test]
fn who_is_not_pinned_never_sees_an_old_version_after_a_new_one() {
    let mut agent = agent();
    let agent = agent.as_mut().unwrap();
    fresh(agent);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for pins in [false, false, true] {
            let done = &done;
            scope.spawn(move || {
                let mut newest = 0;
                while !done.load(Ordering::Relaxed) {
                    // A pin is not of an older generation than what was seen before.
                    let _pin = pins.then(midair::pin);
                    // The innermost function was called last: its number stands first.
                    let mut sum = request();
                    for _ in 0..FUNCTIONS {
                        let seen = sum % 100;
                        assert!(seen >= newest, "{seen} after {newest}");
                        newest = seen;
                        sum /= 100;
                    }
                }
            });
        }
        for n in 1..VERSIONS {
            let all = (0..FUNCTIONS).map(|f| (at(f, 0), at(f, n)));
            agent.reload(&all.collect::<Vec<_>>());
        }
        done.store(true, Ordering::Relaxed);
    });
}
