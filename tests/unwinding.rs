//! Panics and backtraces through patched functions.

#[cfg(target_arch = "x86_64")]
use midair_libraries::shapes::Fixtures;
use std::backtrace::Backtrace;
use std::hint::black_box;
#[cfg(target_arch = "x86_64")]
use std::panic::AssertUnwindSafe;
use std::panic::catch_unwind;

type Number = fn(u32) -> u32;

#[inline(never)]
fn divide(n: u32) -> u32 {
    black_box(100 / black_box(n))
}

#[test]
fn a_panic_in_the_original_crosses_the_patch_and_is_caught() {
    struct Dropped<'a>(&'a std::sync::atomic::AtomicU32);
    impl Drop for Dropped<'_> {
        fn drop(&mut self) {
            self.0.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        }
    }
    static DROPS: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let make = |original: Number| {
        move |n: u32| {
            let _dropped = Dropped(&DROPS);
            original(n) + 1
        }
    };
    // SAFETY: the closure has the function's signature.
    let patch = unsafe { midair::patch_closure(divide as Number, make) }.unwrap();
    assert_eq!(divide(4), 26);
    for _ in 0..3 {
        let caught = catch_unwind(|| divide(0)).unwrap_err();
        let text = caught.downcast_ref::<&str>().copied().unwrap_or_default();
        assert!(text.contains("divide by zero"), "{text}");
    }
    assert_eq!(DROPS.load(std::sync::atomic::Ordering::SeqCst), 4);
    drop(patch);
    assert_eq!(divide(4), 25);
}

#[cfg(target_arch = "x86_64")] // by a fixture of that machine
#[test]
fn a_panic_crosses_a_call_among_the_displaced_instructions() {
    type Callback = extern "C-unwind" fn(u64) -> u64;
    type CallsBack = extern "C-unwind" fn(Callback, u64) -> u64;
    extern "C-unwind" fn panics(n: u64) -> u64 {
        panic!("thrown with {n}");
    }
    extern "C-unwind" fn adds(n: u64) -> u64 {
        n + 1
    }
    let fixtures = Fixtures::load().unwrap();
    for name in ["shape_call_callback", "shape_call_callback_early"] {
        let target = fixtures.address(name).unwrap();
        // SAFETY: the shape takes a callback and its argument.
        let call = unsafe { std::mem::transmute::<*const (), CallsBack>(target) };
        let unpatched = call(adds, 5);
        // SAFETY: a pass-through.
        let patch = unsafe { midair::patch_raw(target, |original| original) }.unwrap();
        assert_eq!(call(adds, 5), unpatched, "{name}");
        let caught = catch_unwind(AssertUnwindSafe(|| call(panics, 7))).unwrap_err();
        assert_eq!(
            caught.downcast_ref::<String>().map(String::as_str),
            Some("thrown with 7")
        );
        drop(patch);
    }
}

#[test]
fn a_backtrace_names_the_original_and_who_called_the_patched_function() {
    #[inline(never)]
    fn traced(n: u32) -> u32 {
        let trace = Backtrace::force_capture().to_string();
        let names = trace.contains("traced") && trace.contains("calls_traced");
        black_box(n + u32::from(names))
    }
    #[inline(never)]
    fn calls_traced(n: u32) -> u32 {
        black_box(traced(black_box(n)))
    }
    // SAFETY: a pass-through.
    let patch =
        unsafe { midair::patch_raw(traced as Number as *const (), |original| original) }.unwrap();
    assert_eq!(calls_traced(10), 11);
    drop(patch);
}

#[test]
fn backtraces_in_a_replacement_and_in_the_original_that_it_calls_name_everybody() {
    use std::sync::Mutex;
    static TRACES: Mutex<Vec<String>> = Mutex::new(Vec::new());
    fn note() {
        let trace = Backtrace::force_capture().to_string();
        TRACES.lock().unwrap().push(trace);
    }
    #[inline(never)]
    fn adds_one(n: u32) -> u32 {
        note();
        black_box(black_box(n) + 1)
    }
    #[inline(never)]
    fn calls_it(n: u32) -> u32 {
        black_box(black_box(adds_one as Number)(black_box(n)))
    }
    fn stands_in(n: u32) -> u32 {
        note();
        let original = ORIGINAL.lock().unwrap().unwrap();
        black_box(original(n) * 10)
    }
    static ORIGINAL: Mutex<Option<Number>> = Mutex::new(None);
    // SAFETY: both have one type, and nobody relies on the result.
    let patch = unsafe { midair::patch(adds_one as Number, stands_in) }.unwrap();
    *ORIGINAL.lock().unwrap() = Some(patch.original());
    assert_eq!(calls_it(1), 20);
    let make = |original: Number| {
        move |n| {
            note();
            original(n) + 5
        }
    };
    // SAFETY: as above.
    let above = unsafe { midair::patch_closure(adds_one as Number, make) }.unwrap();
    assert_eq!(calls_it(1), 25);
    drop(above);
    drop(patch);
    assert_eq!(calls_it(1), 2);
    let traces = TRACES.lock().unwrap();
    let (replacement, original) = ("stands_in", "adds_one");
    let closure = "{closure";
    let expected: [&[&str]; 6] = [
        &[replacement],
        &[original, replacement],
        &[closure],
        &[replacement, closure],
        &[original, replacement, closure],
        &[original],
    ];
    assert_eq!(traces.len(), expected.len());
    for (trace, names) in traces.iter().zip(expected) {
        // Inner frames first, and the caller and the test behind them.
        let mut rest = trace.as_str();
        for name in names.iter().chain(&["calls_it", "name_everybody"]) {
            let at = rest.find(name);
            rest = &rest[at.unwrap_or_else(|| panic!("{name} is missing: {trace}"))..];
        }
    }
}

/// What a profiler does: unwinds whatever a timer interrupts.
#[test]
fn unwinding_from_a_timer_that_interrupts_gates_and_copies_does_not_crash() {
    use std::ffi::c_void;
    use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
    unsafe extern "C" {
        fn _Unwind_Backtrace(
            trace: extern "C" fn(*mut c_void, *mut c_void) -> i32,
            argument: *mut c_void,
        ) -> i32;
    }
    static FRAMES: AtomicU64 = AtomicU64::new(0);
    static TICKS: AtomicU64 = AtomicU64::new(0);
    static INSIDE: AtomicU64 = AtomicU64::new(0);
    static PIECES: [AtomicUsize; 4] = [const { AtomicUsize::new(0) }; 4];
    extern "C" fn frame(_: *mut c_void, _: *mut c_void) -> i32 {
        FRAMES.fetch_add(1, Ordering::Relaxed);
        0
    }
    extern "C" fn tick(_: i32, _: *mut libc::siginfo_t, context: *mut c_void) {
        TICKS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the kernel passes a ucontext_t; the unwinder takes no lock.
        unsafe {
            let registers = &(*context.cast::<libc::ucontext_t>()).uc_mcontext;
            #[cfg(target_arch = "x86_64")]
            let pc = registers.gregs[libc::REG_RIP as usize] as usize;
            #[cfg(target_arch = "aarch64")]
            let pc = registers.pc as usize;
            let near = |at: &AtomicUsize| pc.wrapping_sub(at.load(Ordering::Relaxed)) < 64;
            if PIECES.iter().any(near) {
                INSIDE.fetch_add(1, Ordering::Relaxed);
            }
            _Unwind_Backtrace(frame, std::ptr::null_mut());
        }
    }
    #[inline(never)]
    fn profiled(a: u64, b: u64) -> u64 {
        black_box(black_box(a).wrapping_mul(black_box(b) | 1))
    }
    type Pair = fn(u64, u64) -> u64;
    // Emulated, a backtrace takes longer than that.
    let is_slow = cfg!(target_arch = "aarch64");
    let interval = libc::timeval {
        tv_sec: 0,
        tv_usec: if is_slow { 5_000 } else { 300 },
    };
    let mut often = libc::itimerval {
        it_interval: interval,
        it_value: interval,
    };
    // SAFETY: the handler counts and unwinds; the timer's numbers are sound.
    unsafe {
        _Unwind_Backtrace(frame, std::ptr::null_mut()); // loads what it needs
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = tick as extern "C" fn(_, _, _) as usize;
        action.sa_flags = libc::SA_RESTART | libc::SA_SIGINFO;
        let done = libc::sigaction(libc::SIGPROF, &action, std::ptr::null_mut());
        assert_eq!(done, 0);
        let done = libc::setitimer(libc::ITIMER_PROF, &often, std::ptr::null_mut());
        assert_eq!(done, 0);
    }
    let target = profiled as Pair as *const ();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let mut n = 1;
                while !done.load(Ordering::Relaxed) {
                    for _ in 0..64 {
                        n = black_box(profiled as Pair)(n, 3);
                    }
                }
            });
        }
        for _ in 0..if is_slow { 200 } else { 1_000 } {
            // SAFETY: a pass-through.
            let patch = unsafe { midair::patch_raw(target, |original| original) }.unwrap();
            let plan = midair::can_patch(target).unwrap();
            PIECES[0].store(plan.copy as usize, Ordering::Relaxed);
            PIECES[1].store(patch.original() as usize, Ordering::Relaxed);
            std::thread::sleep(std::time::Duration::from_millis(1));
            drop(patch);
        }
        done.store(true, Ordering::Relaxed);
    });
    often.it_value.tv_usec = 0;
    // SAFETY: stops the timer.
    unsafe { libc::setitimer(libc::ITIMER_PROF, &often, std::ptr::null_mut()) };
    println!("{TICKS:?} ticks, {INSIDE:?} of them in copies, {FRAMES:?} frames");
    assert!(TICKS.load(Ordering::Relaxed) > 100);
    assert!(INSIDE.load(Ordering::Relaxed) > 0);
    assert!(FRAMES.load(Ordering::Relaxed) > TICKS.load(Ordering::Relaxed));
}

/// A profiler unwinds in a handler that may have interrupted an unwinder. It must
/// not find a lock held there that was not there before the patch.
#[test]
fn threads_that_panic_are_profiled_while_a_function_is_patched() {
    use std::ffi::c_void;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::{Duration, Instant};
    unsafe extern "C" {
        fn _Unwind_Backtrace(
            trace: extern "C" fn(*mut c_void, *mut c_void) -> i32,
            argument: *mut c_void,
        ) -> i32;
    }
    static TICKS: AtomicU64 = AtomicU64::new(0);
    extern "C" fn frame(_: *mut c_void, _: *mut c_void) -> i32 {
        0
    }
    extern "C" fn tick(_: i32) {
        TICKS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the unwinder takes no lock.
        unsafe { _Unwind_Backtrace(frame, std::ptr::null_mut()) };
    }
    #[inline(never)]
    fn throws(depth: u32) -> u32 {
        if depth == 0 {
            std::panic::resume_unwind(Box::new(1_u32));
        }
        black_box(throws(black_box(depth - 1))) + 1
    }
    #[inline(never)]
    fn patched(n: u32) -> u32 {
        black_box(n) + 1
    }
    let target = patched as Number as *const ();
    // SAFETY: a pass-through.
    let patch = unsafe { midair::patch_raw(target, |original| original) }.unwrap();
    // SAFETY: zeros are a valid action; the handler counts and unwinds.
    unsafe {
        _Unwind_Backtrace(frame, std::ptr::null_mut()); // loads what it needs
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = tick as extern "C" fn(_) as usize;
        action.sa_flags = libc::SA_RESTART;
        let done = libc::sigaction(libc::SIGUSR1, &action, std::ptr::null_mut());
        assert_eq!(done, 0);
    }
    let (sender, ended) = std::sync::mpsc::channel();
    let start = Instant::now();
    let thread = std::thread::spawn(move || {
        let mut throws_made = 0_u64;
        while start.elapsed() < Duration::from_secs(2) {
            assert!(catch_unwind(|| throws(8)).is_err());
            throws_made += 1;
        }
        sender.send(throws_made).unwrap();
    });
    use std::os::unix::thread::JoinHandleExt;
    let id = thread.as_pthread_t();
    let made = loop {
        match ended.recv_timeout(Duration::from_micros(100)) {
            Ok(made) => break made,
            Err(_) if start.elapsed() > Duration::from_secs(20) => {
                // It would never be joined.
                eprintln!("a thread that unwinds in a handler hangs");
                std::process::abort();
            }
            // SAFETY: the thread is not joined yet.
            Err(_) => unsafe { libc::pthread_kill(id, libc::SIGUSR1) },
        };
    };
    thread.join().unwrap();
    println!("{made} panics, {TICKS:?} ticks");
    assert!(made > 100 && TICKS.load(Ordering::Relaxed) > 100);
    drop(patch);
}
