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
    held(|| unsafe { midair::patch(f, double as Number) })
}

/// On aarch64 threads that run have to be held, or the patch is refused. Emulated, beside
/// another emulator, a thread may have no core for longer than midair waits.
fn held<P>(make: impl Fn() -> Result<P, midair::Error>) -> P {
    let mut refused = 0;
    loop {
        match make() {
            Err(midair::Error::NotHeld { .. }) if is_emulated() && refused < 5 => refused += 1,
            made => return made.unwrap(),
        }
    }
}

fn is_emulated() -> bool {
    std::env::var_os("MIDAIR_EMULATED").is_some()
}

/// Runs `child` in a forked process and says whether it returned true.
fn in_child(child: impl FnOnce() -> bool) -> bool {
    // SAFETY: the child runs `child` and leaves at once.
    unsafe {
        match libc::fork() {
            0 => {
                // A deadlock ends as a failure.
                libc::alarm(if is_emulated() { 60 } else { 10 });
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
    // A child may be made while this one is patched, which it is for good then.
    #[inline(never)]
    fn by_turns(n: u32) -> u32 {
        black_box(black_box(n) * 7)
    }
    let patched = patch(target);
    let stop = AtomicBool::new(false);
    let wrong = std::thread::scope(|scope| {
        // Midair's locks are held most of the time.
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                drop(patch(by_turns));
                let _ = midair::symbol("malloc");
            }
        });
        let wrong = (0..50).find(|_| {
            let right = in_child(|| {
                let inherited = target(5) == 10;
                let off = patched.disable().is_ok() && target(5) == 15;
                // The other thread's patch of it was on just then, or not.
                let before = busy(5);
                let anew = patch(busy);
                let own = busy(5) == 10;
                drop(anew);
                inherited && off && own && busy(5) == before
            });
            !right || target(5) != 10
        });
        stop.store(true, Ordering::Relaxed);
        wrong
    });
    assert_eq!(
        wrong, None,
        "the round in which the child or the parent was wrong"
    );
    drop(patched);
    assert_eq!(target(5), 15);
}

/// Runs `work` while threads hammer patched functions whose patches come and
/// go.
fn under_load(work: impl FnOnce()) {
    struct Stop<'a>(&'a AtomicBool);
    impl Drop for Stop<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let _stop = Stop(&stop);
        for _ in 0..4 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let got = black_box(hammered as Number)(7);
                    assert!(got == 77 || got == 14, "{got}");
                }
            });
        }
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                drop(patch(hammered));
                let kept = String::from("owned by the closure");
                let make = |original: Number| move |n| original(n) * u32::from(!kept.is_empty());
                // SAFETY: of the same type; nobody relies on the results.
                drop(held(|| unsafe {
                    midair::patch_closure(hammered as Number, make.clone())
                }));
                // The lock is not fair: a fork would wait for seconds.
                std::thread::sleep(std::time::Duration::from_micros(100));
            }
        });
        work();
    });
}

#[inline(never)]
fn hammered(n: u32) -> u32 {
    let mut sum = black_box(n);
    for _ in 0..black_box(10) {
        sum = black_box(sum + black_box(7));
    }
    sum
}

#[test]
fn children_of_a_loaded_parent_patch_and_fork_in_turn() {
    let patched = patch(grandchild);
    under_load(|| {
        for round in 0..40 {
            let right = in_child(|| {
                // What another thread was about to write must not be half there.
                let before = black_box(hammered as Number)(7);
                let anew = patch(hammered);
                let own = black_box(hammered as Number)(7) == 14;
                let threads = std::thread::spawn(|| {
                    drop(patch(busy_in_child));
                    busy_in_child(5)
                });
                let right = threads.join().is_ok_and(|n| n == 55);
                let deeper = in_child(|| {
                    let inherited = grandchild(5) == 10 && hammered(7) == 14;
                    drop(patch(busy_in_child));
                    inherited && busy_in_child(5) == 55
                });
                drop(anew);
                let all = midair::unpatch_all().is_ok();
                let restored = grandchild(5) == 65 && hammered(7) == 77;
                (before == 77 || before == 14) && own && right && deeper && all && restored
            });
            assert!(right, "round {round}");
            assert_eq!(grandchild(5), 10);
        }
    });
    drop(patched);
}

#[inline(never)]
fn grandchild(n: u32) -> u32 {
    black_box(black_box(n) * 13)
}

#[inline(never)]
fn busy_in_child(n: u32) -> u32 {
    black_box(black_box(n) * 11)
}

/// A child of `posix_spawn` or `vfork` runs in its parent's memory until it
/// executes something else: what it calls meanwhile is patched.
#[test]
#[cfg(target_arch = "x86_64")]
fn children_that_share_memory_run_patched_functions_and_execute_programs() {
    use std::io::{Read, Write};
    use std::os::unix::process::CommandExt;
    use std::process::{Command, Stdio};
    let names = [
        "execve",
        "execvp",
        "execvpe",
        "dup2",
        "close",
        "chdir",
        "sigaction",
        "sigprocmask",
        "pthread_sigmask",
        "setpgid",
        "posix_spawn",
        "posix_spawnp",
        "fork",
        "vfork",
        "waitpid",
        "waitid",
        "_exit",
        "open64",
        "read",
        "write",
        "getenv",
        "strchr",
        "strlen",
        "memcpy",
    ];
    let mut patches = Vec::new();
    for name in names {
        let symbol = midair::symbol(&format!("libc.so.6::{name}")).unwrap();
        let plan = midair::can_patch(symbol.address).unwrap();
        assert_ne!(plan.strategy, midair::Strategy::Breakpoint, "{name}");
        // SAFETY: a pass-through.
        patches.push(unsafe { midair::patch_raw(symbol.address, |original| original) }.unwrap());
    }
    let cat = |command: &mut Command| {
        let command = command.current_dir("/").env("MIDAIR", "1");
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(b"through").unwrap();
        let mut text = String::new();
        child
            .stdout
            .take()
            .unwrap()
            .read_to_string(&mut text)
            .unwrap();
        assert!(child.wait().unwrap().success());
        assert_eq!(text, "through");
    };
    under_load(|| {
        for _ in 0..30 {
            cat(&mut Command::new("cat")); // posix_spawn
            let mut forked = Command::new("cat");
            // SAFETY: does nothing; makes std fork.
            unsafe { forked.pre_exec(|| Ok(())) };
            cat(&mut forked);
            cat(Command::new("cat").process_group(0));
            let missing = Command::new("/no/such/program").spawn().unwrap_err();
            assert_eq!(missing.kind(), std::io::ErrorKind::NotFound);
            // SAFETY: a C string; the shell runs in a child that shares memory.
            assert_eq!(unsafe { libc::system(c"exit 3".as_ptr()) }, 3 << 8);
        }
    });
    drop(patches);
    cat(&mut Command::new("cat"));
}
