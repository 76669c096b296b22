//! Threads that sleep in a call made from a displaced instruction while the
//! patch under them is removed.
//!
//! The call is among the bytes that the jump covers, so the thread comes back
//! into what was the jump, or to its copy; and the memory of gates and copies
//! may have been given to other patches meanwhile.
// On aarch64 one instruction is displaced, and a function that begins with a call has
// lost the way back.
#![cfg(target_arch = "x86_64")]

use midair_libraries::shapes::{Caution, Fixtures, Needs, SHAPES, Shape};
use std::sync::Barrier;
use std::time::Duration;

type Callback = extern "C-unwind" fn(u64) -> u64;
type CallsBack = extern "C-unwind" fn(Callback, u64) -> u64;

const CALLS_BACK: [&str; 2] = ["shape_call_callback", "shape_call_callback_early"];

extern "C-unwind" fn sleeps(ms: u64) -> u64 {
    std::thread::sleep(Duration::from_millis(ms));
    ms + 1
}

extern "C-unwind" fn polls(ms: u64) -> u64 {
    // SAFETY: no descriptors: it only waits.
    let got = unsafe { libc::poll(std::ptr::null_mut(), 0, ms as i32) };
    assert_eq!(got, 0, "{}", std::io::Error::last_os_error());
    ms + 1
}

extern "C-unwind" fn panics_later(ms: u64) -> u64 {
    std::thread::sleep(Duration::from_millis(ms));
    std::panic::resume_unwind(Box::new(ms + 1));
}

fn pass_through(target: *const ()) -> midair::RawPatch {
    // SAFETY: the original is a replacement that nobody can tell from it.
    unsafe { midair::patch_raw(target, |original| original) }.unwrap()
}

/// Patches everything else, calls it, and takes it off, so that memory that
/// was given back would be another's by now.
fn churn(fixtures: &Fixtures, others: &[&Shape]) {
    for shape in others {
        let target = fixtures.address(shape.name).unwrap();
        // SAFETY: two closures, both of which call the original, of the type
        // that every shape without a driver has.
        let patches = unsafe {
            let function = std::mem::transmute::<*const (), extern "C" fn(u64, u64) -> u64>(target);
            let below = midair::patch_closure(function, |original| move |a, b| original(a, b));
            let above = midair::patch_closure(function, |original| move |a, b| original(a, b));
            (below.unwrap(), above.unwrap())
        };
        let got = fixtures.call(shape, 6, 3).unwrap();
        assert_eq!(got, (shape.expected)(6, 3), "{}", shape.name);
        drop(patches);
    }
}

#[test]
fn a_thread_asleep_in_a_displaced_call_returns_after_the_patch_is_gone() {
    let fixtures = Fixtures::load().unwrap();
    let others: Vec<&Shape> = SHAPES
        .iter()
        .filter(|s| s.caution == Caution::None && s.needs == Needs::Nothing && s.driver.is_none())
        .filter(|s| !CALLS_BACK.contains(&s.name))
        .collect();
    let rounds = if cfg!(debug_assertions) { 3 } else { 10 };
    let mut reclaimed = 0;
    for round in 0..rounds {
        for name in CALLS_BACK {
            let target = fixtures.address(name).unwrap();
            // SAFETY: the shape takes a callback and its argument.
            let call = unsafe { std::mem::transmute::<*const (), CallsBack>(target) };
            let patches = [pass_through(target), pass_through(target)];
            let copy = patches[0].original();
            // SAFETY: the copy has the type of the target.
            let call_copy = unsafe { std::mem::transmute::<*const (), CallsBack>(copy) };
            let asleep = Barrier::new(9);
            std::thread::scope(|scope| {
                for thread in 0..8 {
                    let asleep = &asleep;
                    scope.spawn(move || {
                        let callback: Callback = if thread % 2 == 0 { sleeps } else { polls };
                        let call = if thread < 6 { call } else { call_copy };
                        let ms = 150 + thread;
                        asleep.wait();
                        if thread < 4 {
                            assert_eq!(call(callback, ms), ms + 1, "{name}, round {round}");
                        } else {
                            let call = || call(panics_later, ms);
                            let thrown = std::panic::catch_unwind(call).unwrap_err();
                            assert_eq!(*thrown.downcast::<u64>().unwrap(), ms + 1);
                        }
                    });
                }
                asleep.wait();
                std::thread::sleep(Duration::from_millis(30)); // all are in there
                drop(patches);
                let looked = midair::reclaim(Duration::from_millis(20)).unwrap();
                reclaimed += looked.bytes;
                churn(&fixtures, &others);
            });
            assert_eq!(call(sleeps, 0), 1);
            reclaimed += midair::reclaim(Duration::from_secs(5)).unwrap().bytes;
        }
    }
    println!("{reclaimed} bytes were given back, and used again");
    assert!(reclaimed > 0);
}
