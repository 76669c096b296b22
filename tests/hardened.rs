//! A process that may not make memory writable and executable
//! (`PR_SET_MDWE`), and one that a profiling timer interrupts all the time.
//!
//! Both settings are for good, so this is a program of its own.

use std::hint::black_box;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

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

static TICKS: AtomicU64 = AtomicU64::new(0);

extern "C" fn tick(_: i32) {
    TICKS.fetch_add(1, Ordering::Relaxed);
    // The handler calls the patched function itself.
    let n = TICKS.load(Ordering::Relaxed);
    let got = (black_box(target as Number))(n);
    if got != model(n) && got != inverted(n) {
        std::process::abort();
    }
}

#[test]
fn patches_come_and_go_under_mdwe_and_a_profiling_timer() {
    const PR_SET_MDWE: i32 = 65;
    const PR_MDWE_REFUSE_EXEC_GAIN: u64 = 1;
    // SAFETY: refuses rights from now on; takes no pointers.
    let set = unsafe { libc::prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0) };
    println!(
        "PR_SET_MDWE: {}",
        if set == 0 {
            "set"
        } else {
            "not known to this kernel"
        }
    );
    // SAFETY: the handler counts and computes; the timer's numbers are sound.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = tick as extern "C" fn(i32) as usize;
        action.sa_flags = libc::SA_RESTART;
        assert_eq!(
            libc::sigaction(libc::SIGPROF, &action, std::ptr::null_mut()),
            0
        );
        let often = libc::timeval {
            tv_sec: 0,
            tv_usec: 300,
        };
        let timer = libc::itimerval {
            it_interval: often,
            it_value: often,
        };
        assert_eq!(
            libc::setitimer(libc::ITIMER_PROF, &timer, std::ptr::null_mut()),
            0
        );
    }
    let cycles = std::env::var("MIDAIR_CYCLES")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(5_000);
    let stop = AtomicBool::new(false);
    let calls = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (stop, calls) = (&stop, &calls);
            scope.spawn(move || {
                let mut n = thread;
                while !stop.load(Ordering::Relaxed) {
                    for _ in 0..64 {
                        n += 4;
                        let got = (black_box(target as Number))(n);
                        assert!(got == model(n) || got == inverted(n), "{got:#x} for {n:#x}");
                    }
                    calls.fetch_add(64, Ordering::Relaxed);
                }
            });
        }
        for _ in 0..cycles {
            // SAFETY: of the same type; nobody relies on the result.
            drop(unsafe { midair::patch(target as Number, inverted) }.unwrap());
        }
        stop.store(true, Ordering::Relaxed);
    });
    println!("{cycles} installs and removals, {calls:?} calls, {TICKS:?} ticks");
    assert!(TICKS.load(Ordering::Relaxed) > 0);
    assert_eq!(target(7), model(7));
}
