//! Threads that are busy until the work beside them is done.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard};

/// How many cycles: what `MIDAIR_CYCLES` says, or `default`.
///
/// # Panics
///
/// If the variable is not a number: a long run must not silently be a short one.
pub(crate) fn cycles(default: u64) -> u64 {
    match std::env::var("MIDAIR_CYCLES") {
        Ok(text) => text
            .parse()
            .unwrap_or_else(|e| panic!("MIDAIR_CYCLES={text}: {e}")),
        Err(_) => default,
    }
}

/// One stress test at a time: they are about load, and share fixtures.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(|e| e.into_inner())
}

/// Whether the threads should end.
pub(crate) struct Done(AtomicBool);

impl Done {
    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Ends the load when its owner ends, be it by a panic.
struct Stop<'a>(&'a Done);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.0.store(true, Ordering::Relaxed);
    }
}

/// Ends the load if its owner panics.
struct StopOnPanic<'a>(&'a Done);

impl Drop for StopOnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.0.store(true, Ordering::Relaxed);
        }
    }
}

/// Runs `work` while `threads` threads run `turn` again and again, which gets
/// the thread's number and returns how many calls it made. Returns what `work`
/// did, and the number of calls. `work` should look at [`Done`] now and then:
/// it is set early if a thread has panicked.
pub(crate) fn under_load<R>(
    threads: u64,
    turn: impl Fn(u64) -> u64 + Sync,
    work: impl FnOnce(&Done) -> R,
) -> (R, u64) {
    let done = Done(AtomicBool::new(false));
    let calls = AtomicU64::new(0);
    let running = AtomicU64::new(0);
    let result = std::thread::scope(|scope| {
        let _stop = Stop(&done);
        for thread in 0..threads {
            let (turn, done, calls, running) = (&turn, &done, &calls, &running);
            scope.spawn(move || {
                let _stop = StopOnPanic(done);
                yield_to_the_patcher();
                let mut first = true;
                while !done.is_set() {
                    calls.fetch_add(turn(thread), Ordering::Relaxed);
                    if std::mem::take(&mut first) {
                        running.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
        // Let them all get going.
        while running.load(Ordering::Relaxed) < threads && !done.is_set() {
            std::thread::yield_now();
        }
        work(&done)
    });
    (result, calls.load(Ordering::Relaxed))
}

/// The calling thread gets what the patching thread leaves: with equal shares,
/// 64 threads on two cores would leave that one three percent of a core.
fn yield_to_the_patcher() {
    // SAFETY: takes no pointers; 0 is the calling thread on Linux.
    let lowered = unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, 19) };
    assert_eq!(lowered, 0, "a thread may always lower its own priority");
}

/// Numbers that are the same in every run (xorshift64*).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        ((u128::from(self.next()) * end as u128) >> 64) as usize
    }
}
