//! C++ exceptions through patched functions.
//!
//! `fixtures/cpp/throws.cpp` throws, cleans up, throws again and catches; each
//! of its functions is patched, and those that replace them are Rust's. Without
//! a C++ compiler there is nothing to test, and the build has said so; CI has
//! one.

use libloading::Library;
use midair::RawPatch;
#[cfg(target_arch = "x86_64")]
use midair_libraries::shapes::Fixtures;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

type Function = extern "C-unwind" fn(u64) -> u64;
#[cfg(target_arch = "x86_64")]
type CallsBack = extern "C-unwind" fn(Function, u64) -> u64;
#[cfg(target_arch = "x86_64")]
type Through = extern "C-unwind" fn(CallsBack, u64) -> u64;
type Count = extern "C" fn() -> u64;

/// The functions that an exception goes through, its origin first.
const THROWN_THROUGH: [&str; 3] = ["throws_if_odd", "throws_cleans_up", "throws_again"];

static ALONE: Mutex<()> = Mutex::new(());

struct Throws {
    library: Library,
    _alone: MutexGuard<'static, ()>,
}

impl Throws {
    /// The library, unless it could not be built.
    fn load() -> Option<Self> {
        let alone = ALONE.lock().unwrap_or_else(|e| e.into_inner());
        let Some(path) = midair_libraries::throws() else {
            println!("NOT TESTED: there was no C++ compiler");
            return None;
        };
        // SAFETY: it sets two counters to 0 when it is loaded.
        let library = unsafe { Library::new(path) }.unwrap();
        Some(Self {
            library,
            _alone: alone,
        })
    }

    fn get<T: Copy>(&self, name: &str) -> T {
        // SAFETY: the types above are those of the source.
        *unsafe { self.library.get::<T>(name.as_bytes()) }.unwrap()
    }

    fn check(&self, n: u64) {
        let caught: Function = self.get("throws_caught");
        assert_eq!(caught(n), expected(n));
    }

    fn assert_all_destroyed(&self) {
        let left: Count = self.get("throws_left");
        let made: Count = self.get("throws_made");
        assert!(made() > 0);
        assert_eq!(left(), 0, "destructors did not run");
    }
}

fn expected(n: u64) -> u64 {
    if n.is_multiple_of(2) {
        n * 2
    } else {
        n + 1_000_000
    }
}

fn pass_through(target: *const ()) -> RawPatch {
    // SAFETY: the original is a replacement that nobody can tell from it.
    unsafe { midair::patch_raw(target, |original| original) }.unwrap()
}

/// The calling thread gets what the patching thread leaves: CI emulates aarch64 on one
/// core.
fn yield_to_the_patcher() {
    // SAFETY: takes no pointers; 0 is the calling thread on Linux.
    let lowered = unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, 19) };
    assert_eq!(lowered, 0, "a thread may always lower its own priority");
}

/// How many rounds: what `MIDAIR_CYCLES` says, if it is fewer.
fn cycles(default: usize) -> usize {
    let said = std::env::var("MIDAIR_CYCLES").ok();
    said.map_or(default, |n| n.parse::<usize>().unwrap().min(default))
}

static UNWOUND: AtomicU64 = AtomicU64::new(0);

/// Counts that an exception went through a Rust frame.
struct Unwound;
impl Drop for Unwound {
    fn drop(&mut self) {
        UNWOUND.fetch_add(1, Ordering::Relaxed);
    }
}

/// The original of `throws_again` for the plain replacement below.
static ORIGINAL: Mutex<Option<Function>> = Mutex::new(None);

extern "C-unwind" fn calls_original(n: u64) -> u64 {
    let original = ORIGINAL.lock().unwrap().unwrap();
    let _unwound = Unwound;
    original(n)
}

#[test]
fn exceptions_cross_pass_throughs_and_are_caught_above() {
    let Some(throws) = Throws::load() else { return };
    for n in 0..4 {
        throws.check(n);
    }
    let names = THROWN_THROUGH.into_iter().chain(["throws_caught"]);
    let patches: Vec<_> = names
        .map(|name| pass_through(throws.get::<Function>(name) as *const ()))
        .collect();
    for n in 0..100 {
        throws.check(n);
    }
    drop(patches);
    throws.check(3);
    throws.assert_all_destroyed();
}

#[test]
fn exceptions_cross_replacements_and_closures_of_rust() {
    let Some(throws) = Throws::load() else { return };
    let again: Function = throws.get("throws_again");
    // SAFETY: the replacement calls the original.
    let patch = unsafe { midair::patch(again, calls_original as Function) }.unwrap();
    *ORIGINAL.lock().unwrap() = Some(patch.original());
    let unwound = UNWOUND.load(Ordering::SeqCst);
    for n in 0..10 {
        throws.check(n);
    }
    assert_eq!(UNWOUND.load(Ordering::SeqCst), unwound + 10);
    let dropped = Arc::new(AtomicU64::new(0));
    let mut closures = Vec::new();
    for name in THROWN_THROUGH {
        struct Flag(Arc<AtomicU64>);
        impl Drop for Flag {
            fn drop(&mut self) {
                self.0.fetch_add(1, Ordering::SeqCst);
            }
        }
        let flag = Flag(Arc::clone(&dropped));
        let make = move |original: Function| {
            move |n| {
                let _kept = (&flag, Unwound);
                original(n)
            }
        };
        // SAFETY: the closure calls the original.
        closures.push(unsafe { midair::patch_closure(throws.get(name), make) }.unwrap());
    }
    for n in 0..10 {
        throws.check(n);
    }
    assert_eq!(UNWOUND.load(Ordering::SeqCst), unwound + 10 + 40);
    drop(closures);
    // An exception that leaves a closure counts as a call that has ended.
    assert_eq!(dropped.load(Ordering::SeqCst), 3);
    drop(patch);
    throws.assert_all_destroyed();
}

/// On aarch64 one instruction is displaced, and a function that begins with a call has
/// lost the way back.
#[cfg(target_arch = "x86_64")]
#[test]
fn exceptions_leave_a_call_among_the_displaced_instructions() {
    let Some(throws) = Throws::load() else { return };
    let fixtures = Fixtures::load().unwrap();
    let through: Through = throws.get("throws_through");
    for name in ["shape_call_callback", "shape_call_callback_early"] {
        let target = fixtures.address(name).unwrap();
        // SAFETY: the shape takes a callback and its argument.
        let call = unsafe { std::mem::transmute::<*const (), CallsBack>(target) };
        let patches: Vec<_> = THROWN_THROUGH
            .iter()
            .map(|name| throws.get::<Function>(name) as *const ())
            .chain([target])
            .map(pass_through)
            .collect();
        for n in 0..10 {
            assert_eq!(through(call, n), expected(n), "{name}");
        }
        let copy = patches[3].original();
        // SAFETY: the copy has the type of the target.
        let copy = unsafe { std::mem::transmute::<*const (), CallsBack>(copy) };
        for n in 0..10 {
            assert_eq!(through(copy, n), expected(n), "{name}, the copy");
        }
    }
    throws.assert_all_destroyed();
}

#[test]
fn exceptions_are_thrown_by_eight_threads_while_patches_come_and_go() {
    let Some(throws) = Throws::load() else { return };
    let caught: Function = throws.get("throws_caught");
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let done = &done;
            scope.spawn(move || {
                yield_to_the_patcher();
                let mut n = thread;
                while !done.load(Ordering::Relaxed) {
                    assert_eq!(caught(n), expected(n));
                    n += 9;
                }
            });
        }
        for round in 0..cycles(2_000) {
            let name = THROWN_THROUGH[round % 3];
            let target: Function = throws.get(name);
            let below = pass_through(target as *const ());
            let make = |original: Function| move |n| original(n);
            // SAFETY: the closure calls the original.
            let above = unsafe { midair::patch_closure(target, make) }.unwrap();
            if round % 2 == 0 {
                drop(below);
                drop(above);
            }
        }
        done.store(true, Ordering::SeqCst);
    });
    throws.assert_all_destroyed();
}
