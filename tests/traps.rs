//! The SIGTRAP handler shares the signal with others.
#![cfg(target_arch = "x86_64")]

use midair_libraries::shapes::{Fixtures, SHAPES};
use std::arch::asm;
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

static FIRST: AtomicU32 = AtomicU32::new(0);
static SECOND: AtomicU32 = AtomicU32::new(0);
/// What was installed when the second handler was.
static BELOW_SECOND: AtomicUsize = AtomicUsize::new(0);

type Handler = extern "C" fn(i32, *mut libc::siginfo_t, *mut libc::c_void);

extern "C" fn first(_: i32, _: *mut libc::siginfo_t, _: *mut libc::c_void) {
    FIRST.fetch_add(1, Ordering::SeqCst);
}

extern "C" fn second(signal: i32, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    SECOND.fetch_add(1, Ordering::SeqCst);
    let below = BELOW_SECOND.load(Ordering::SeqCst);
    // SAFETY: the address of a handler with SA_SIGINFO: midair's.
    let below = unsafe { std::mem::transmute::<usize, Handler>(below) };
    below(signal, info, context);
}

fn install(handler: Handler) -> usize {
    // SAFETY: zeros are a valid sigaction; both handlers only count and call.
    unsafe {
        let mut new: libc::sigaction = MaybeUninit::zeroed().assume_init();
        let mut old: libc::sigaction = MaybeUninit::zeroed().assume_init();
        new.sa_sigaction = handler as usize;
        new.sa_flags = libc::SA_SIGINFO;
        assert_eq!(libc::sigaction(libc::SIGTRAP, &new, &mut old), 0);
        old.sa_sigaction
    }
}

fn foreign_trap() {
    // SAFETY: the handlers return behind it.
    unsafe { asm!("int3") };
}

fn counts() -> (u32, u32) {
    (FIRST.load(Ordering::SeqCst), SECOND.load(Ordering::SeqCst))
}

#[test]
fn traps_of_others_reach_handlers_from_before_and_from_after() {
    let fixtures = Fixtures::load().unwrap();
    // Its entry can only be left by a breakpoint.
    let shape = SHAPES
        .iter()
        .find(|s| s.name == "shape_call_callback_early")
        .unwrap();
    let target = fixtures.address(shape.name).unwrap();
    let patch = || {
        // SAFETY: a pass-through.
        unsafe { midair::patch_raw(target, |original| original) }.unwrap()
    };
    let works = || {
        for (a, b) in [(1, 2), (30, 4)] {
            assert_eq!(fixtures.call(shape, a, b).unwrap(), (shape.expected)(a, b));
        }
    };
    assert_eq!(
        midair::can_patch(target).unwrap().strategy,
        midair::Strategy::Breakpoint
    );

    install(first);
    let patched = patch();
    works();
    assert_eq!(counts(), (0, 0), "midair's own traps go no further");
    foreign_trap();
    assert_eq!(counts(), (1, 0));
    drop(patched);

    // A handler that is put in front of midair's, and chains to it.
    BELOW_SECOND.store(install(second), Ordering::SeqCst);
    foreign_trap();
    assert_eq!(counts(), (2, 1));
    let patched = patch(); // midair's is in front again
    works();
    assert_eq!(counts(), (2, 1));
    foreign_trap();
    assert_eq!(counts(), (3, 2), "each handler once, and no endless round");
    drop(patched);
    works();
}
