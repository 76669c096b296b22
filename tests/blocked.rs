//! Threads that block all signals, SIGTRAP too, in functions that are patched.
//!
//! The kernel kills a process whose thread traps while it blocks the signal,
//! so the stress runs in a process of its own.
#![cfg(target_arch = "x86_64")]

use midair_libraries::shapes::{Caution, Fixtures, Needs, SHAPES, Shape};
use std::os::unix::process::ExitStatusExt;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

const THREADS: u64 = 8;
const CHILD: &str = "MIDAIR_BLOCKED_CHILD";

fn cycles(default: u64) -> u64 {
    std::env::var("MIDAIR_CYCLES")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(default)
}

/// Shapes whose span holds several instructions.
fn shapes() -> Vec<&'static Shape> {
    let quiet = |s: &&Shape| s.caution == Caution::None && s.needs == Needs::Nothing;
    SHAPES.iter().filter(quiet).collect()
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
    let each = cycles(20_000) / shapes.len() as u64 + 1;
    for shape in &shapes {
        let target = fixtures.address(shape.name).unwrap();
        let done = AtomicBool::new(false);
        let started = AtomicU64::new(0);
        std::thread::scope(|scope| {
            for thread in 0..THREADS {
                let (done, started, fixtures) = (&done, &started, &fixtures);
                scope.spawn(move || {
                    block_all();
                    started.fetch_add(1, Ordering::SeqCst);
                    let mut n = thread;
                    while !done.load(Ordering::Relaxed) {
                        let got = fixtures.call(shape, n, 3).unwrap();
                        assert_eq!(got, (shape.expected)(n, 3), "{}", shape.name);
                        n += THREADS;
                    }
                });
            }
            while started.load(Ordering::SeqCst) < THREADS {
                std::thread::yield_now();
            }
            for _ in 0..each {
                // SAFETY: a pass-through.
                let patch = unsafe { midair::patch_raw(target, |original| original) };
                drop(patch.unwrap_or_else(|e| panic!("{}: {e}", shape.name)));
            }
            done.store(true, Ordering::SeqCst);
        });
        println!("{} survived", shape.name);
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
