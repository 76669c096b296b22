//! A worker calls functions in turns and notes the time between two turns.
//!
//! Two distributions are kept. *Gaps* are all times, from the end of a turn to
//! the end of the next. *Pauses* are those of [`PAUSE`] and more in which the
//! scheduler did not take the core from the thread (`ru_nivcsw`): with more
//! threads than cores all long gaps are the scheduler's in every run, and would
//! hide the others. A thread that waits for something has a pause; one that was
//! made to wait and then was also preempted has none, which flatters engines
//! that stop threads.

use crate::engine::stand_in;
use hdrhistogram::Histogram;
use midair_libraries::many::Number;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Calls in a turn.
const CALLS: usize = 16;
/// Nanoseconds that make a gap a pause.
pub(crate) const PAUSE: u64 = 5_000;

/// What the workers are to do, and what they have found.
pub(crate) struct Phase {
    phase: AtomicU8,
    workers: usize,
    ready: AtomicUsize,
    ended: AtomicUsize,
    found: Mutex<Gaps>,
}

const WAIT: u8 = 0;
const WARM_UP: u8 = 1;
const MEASURE: u8 = 2;
const END: u8 = 3;

impl Phase {
    pub(crate) fn new(workers: usize) -> Self {
        Self {
            phase: AtomicU8::new(WAIT),
            workers,
            ready: AtomicUsize::new(0),
            ended: AtomicUsize::new(0),
            found: Mutex::new(Gaps::new()),
        }
    }

    /// Starts the workers, and measures as soon as each has called all
    /// functions.
    pub(crate) fn start(&self) {
        self.phase.store(WARM_UP, Ordering::Relaxed);
        self.wait_for(&self.ready);
        self.phase.store(MEASURE, Ordering::Relaxed);
    }

    /// Has the workers stop, and returns what they have found.
    pub(crate) fn end(&self) -> Gaps {
        self.phase.store(END, Ordering::Relaxed);
        self.wait_for(&self.ended);
        std::mem::replace(&mut *self.found.lock().unwrap(), Gaps::new())
    }

    fn wait_for(&self, all: &AtomicUsize) {
        while all.load(Ordering::Acquire) < self.workers {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// Nanoseconds between turns.
pub(crate) struct Gaps {
    pub(crate) gaps: Histogram<u64>,
    pub(crate) pauses: Histogram<u64>,
}

impl Gaps {
    pub(crate) fn new() -> Self {
        // Up to ten minutes, to a percent.
        let histogram = || Histogram::new_with_bounds(1, 600_000_000_000, 2).unwrap();
        Self {
            gaps: histogram(),
            pauses: histogram(),
        }
    }

    fn add(&mut self, other: &Self) {
        self.gaps.add(&other.gaps).unwrap();
        self.pauses.add(&other.pauses).unwrap();
    }
}

/// Calls `functions` until the end, leaves the gaps of the phase in which they
/// are measured, and sleeps for good. Ends the process if a function gives
/// what neither it nor its replacement gives.
pub(crate) fn work(phase: &Phase, functions: &[Number], first: usize) {
    let mut found = Gaps::new();
    let mut at = first % functions.len();
    let mut turn = || {
        for _ in 0..CALLS {
            let n = at as u64 * 3;
            let got = functions[at](n);
            if got != n + at as u64 && got != stand_in(n) {
                eprintln!("function {at} gave {got:#x} for {n:#x}");
                std::process::exit(1);
            }
            at = (at + 1) % functions.len();
        }
    };
    // No lock: threads that queue for one while others are busy take turns.
    while phase.phase.load(Ordering::Relaxed) == WAIT {
        std::thread::sleep(Duration::from_millis(50));
    }
    (0..functions.len().div_ceil(CALLS)).for_each(|_| turn());
    phase.ready.fetch_add(1, Ordering::Release);
    while phase.phase.load(Ordering::Relaxed) == WARM_UP {
        turn();
    }
    let mut taken_away = times_taken_away();
    let mut last = Instant::now();
    while phase.phase.load(Ordering::Relaxed) == MEASURE {
        turn();
        let now = Instant::now();
        let gap = now.duration_since(last).as_nanos() as u64;
        last = now;
        found.gaps.saturating_record(gap.max(1));
        if gap >= PAUSE {
            let before = std::mem::replace(&mut taken_away, times_taken_away());
            if before == taken_away {
                found.pauses.saturating_record(gap);
            }
            last = Instant::now();
        }
    }
    phase.found.lock().unwrap().add(&found);
    phase.ended.fetch_add(1, Ordering::Release);
    loop {
        std::thread::park();
    }
}

/// How often the scheduler has taken the core from this thread.
fn times_taken_away() -> i64 {
    // SAFETY: zeros are a valid rusage, which the kernel fills.
    unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        assert_eq!(libc::getrusage(libc::RUSAGE_THREAD, &mut usage), 0);
        usage.ru_nivcsw
    }
}
