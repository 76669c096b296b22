//! Threads that block all signals, SIGTRAP too, in functions that are patched.
//!
//! The kernel kills a process whose thread traps while it blocks the signal,
//! so the stress runs in a process of its own.

use midair_libraries::shapes::{Caution, Fixtures, Needs, SHAPES, Shape};
use std::os::unix::process::ExitStatusExt;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const THREADS: u64 = 8;
const CHILD: &str = "MIDAIR_BLOCKED_CHILD";

fn cycles(default: u64) -> u64 {
    std::env::var("MIDAIR_CYCLES")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(default)
}

/// Some of the shapes.
fn shapes() -> Vec<&'static Shape> {
    let quiet = |s: &&Shape| s.caution == Caution::None && s.needs == Needs::Nothing;
    SHAPES.iter().filter(quiet).step_by(4).collect()
}

fn block_all() {
    // SAFETY: fills a local mask, and blocks what it says in this thread.
    unsafe {
        let mut all: libc::sigset_t = std::mem::zeroed();
        libc::sigfillset(&mut all);
        let done = libc::pthread_sigmask(libc::SIG_SETMASK, &all, std::ptr::null_mut());
        assert_eq!(done, 0);
    }
}

fn stress() {
    let fixtures = Fixtures::load().unwrap();
    let shapes = shapes();
    let each = cycles(6_000) / shapes.len() as u64 + 1;
    // Looking a name up takes a lock: these threads shall not sleep.
    let calls: Vec<extern "C" fn(u64, u64) -> u64> = shapes
        .iter()
        .map(|shape| {
            let at = fixtures.address(shape.entry()).unwrap();
            // SAFETY: a shape or its driver takes two integers.
            unsafe { std::mem::transmute::<*const (), extern "C" fn(u64, u64) -> u64>(at) }
        })
        .collect();
    let done = AtomicBool::new(false);
    let current = AtomicUsize::new(0);
    let blocked = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        let _stop = Stop(&done);
        for thread in 0..THREADS {
            let (done, current, blocked) = (&done, &current, &blocked);
            let (calls, shapes) = (&calls, &shapes);
            scope.spawn(move || {
                let mut n = thread;
                let mut seen = usize::MAX;
                while !done.load(Ordering::Relaxed) {
                    let now = current.load(Ordering::SeqCst);
                    if now != seen {
                        block_all(); // again: it was made to let the signal through
                        blocked.fetch_add(1, Ordering::SeqCst);
                        seen = now;
                    }
                    let shape = shapes[now];
                    let got = calls[now](n, 3);
                    assert_eq!(got, (shape.expected)(n, 3), "{}", shape.name);
                    n += THREADS;
                }
            });
        }
        for (number, shape) in shapes.iter().enumerate() {
            let target = fixtures.address(shape.name).unwrap();
            current.store(number, Ordering::SeqCst);
            while blocked.load(Ordering::SeqCst) < (number + 1) * THREADS as usize {
                std::thread::yield_now();
            }
            // Masks are not read for each patch, but after ten times what it took.
            std::thread::sleep(Duration::from_millis(300));
            for _ in 0..each {
                // SAFETY: a pass-through.
                let patch = unsafe { midair::patch_raw(target, |original| original) };
                drop(patch.unwrap_or_else(|e| panic!("{}: {e}", shape.name)));
            }
            println!("{} survived", shape.name);
        }
    });
}

/// Ends the threads, also when a patch fails.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn threads_that_block_sigtrap_survive_patches_that_come_and_go() {
    if std::env::var_os(CHILD).is_some() {
        return stress();
    }
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--nocapture", "--exact"])
        .arg("threads_that_block_sigtrap_survive_patches_that_come_and_go")
        .env(CHILD, "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let survived = text.matches(" survived").count();
    println!("{survived} of {} shapes survived", shapes().len());
    assert_ne!(
        output.status.signal(),
        Some(libc::SIGTRAP),
        "a trap killed it in the shape after {}",
        text.lines()
            .rfind(|l| l.ends_with("survived"))
            .unwrap_or("none")
    );
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {error}", output.status);
    assert_eq!(survived, shapes().len(), "{text}");
}

/// All signals are blocked in a thread when it begins, and again when it ends, with
/// its stack about to be unmapped or taken by the next one.
#[test]
fn threads_that_begin_and_end_all_the_time_are_no_hindrance() {
    let fixtures = Fixtures::load().unwrap();
    // Most are written with traps, for which the masks are read.
    let shapes = shapes().into_iter();
    let targets: Vec<_> = shapes
        .map(|shape| fixtures.address(shape.name).unwrap())
        .collect();
    let done = AtomicBool::new(false);
    let started = AtomicUsize::new(0);
    let mut times = std::thread::scope(|scope| {
        let _stop = Stop(&done);
        for _ in 0..THREADS {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    started.fetch_add(1, Ordering::Relaxed);
                    std::thread::spawn(|| std::hint::black_box(vec![1; 1000]))
                        .join()
                        .unwrap();
                }
            });
        }
        let start = Instant::now();
        let mut times = Vec::new();
        while start.elapsed() < Duration::from_secs(3) {
            let before = Instant::now();
            // SAFETY: a pass-through.
            let patch = unsafe {
                midair::patch_raw(targets[times.len() % targets.len()], |original| original)
            };
            drop(patch.unwrap());
            times.push(before.elapsed());
        }
        times
    });
    times.sort();
    let [middle, longest] = [times[times.len() / 2], times[times.len() - 1]];
    println!("{} patches and {started:?} threads", times.len());
    println!("the one in the middle took {middle:?}, the longest {longest:?}");
    // CI's aarch64 is an emulator beside another one.
    let most = if cfg!(target_arch = "aarch64") {
        30
    } else {
        10
    };
    assert!(longest < Duration::from_secs(most), "{longest:?}");
}
