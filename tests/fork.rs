//! Patches across a fork: the child has them, and changes only its own.

use std::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering};

type Number = fn(u32) -> u32;

#[inline(never)]
fn target(n: u32) -> u32 {
    black_box(black_box(n) * 3)
}

#[inline(never)]
fn busy(n: u32) -> u32 {
    black_box(black_box(n) * 5)
}

fn double(n: u32) -> u32 {
    n * 2
}

fn patch(f: Number) -> midair::Patch<Number> {
    // SAFETY: all functions here are of one type, and nobody relies on them.
    unsafe { midair::patch(f, double as Number) }.unwrap()
}

/// Runs `child` in a forked process and says whether it returned true.
fn in_child(child: impl FnOnce() -> bool) -> bool {
    // SAFETY: the child runs `child` and leaves at once.
    unsafe {
        match libc::fork() {
            0 => {
                libc::alarm(10); // a deadlock ends as a failure
                let code = i32::from(!child());
                libc::_exit(code)
            }
            pid => {
                let mut status = 0;
                assert_eq!(libc::waitpid(pid, &mut status, 0), pid);
                status == 0
            }
        }
    }
}

#[test]
fn a_child_has_the_patches_and_changes_only_its_own() {
    let patched = patch(target);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        // Midair's locks are held most of the time.
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                drop(patch(busy));
                let _ = midair::symbol("malloc");
            }
        });
        for round in 0..50 {
            let right = in_child(|| {
                let inherited = target(5) == 10;
                let off = patched.disable().is_ok() && target(5) == 15;
                let anew = patch(busy);
                let own = busy(5) == 10;
                drop(anew);
                inherited && off && own && busy(5) == 25
            });
            assert!(right, "round {round}");
            assert_eq!(target(5), 10, "the parent's patch is on");
        }
        stop.store(true, Ordering::Relaxed);
    });
    drop(patched);
    assert_eq!(target(5), 15);
}
