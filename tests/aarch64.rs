//! What is different on aarch64: threads are held while an instruction is
//! exchanged, breakpoints are `brk`. CI runs it in two emulators, of which one does not show the
//! stacks of sleepers (`MIDAIR_EMULATED` says that it is that one).
#![cfg(target_arch = "aarch64")]
#![expect(
    clippy::undocumented_unsafe_blocks,
    reason = "every replacement has the type of its target, and nobody relies on that"
)]

use midair::{Consistency, Error, Strategy, Transaction};
use std::hint::black_box;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

type Number = extern "C" fn(u64) -> u64;

/// One test at a time: they are about all threads of the process.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(|e| e.into_inner())
}

/// The calling thread gets what the patching thread leaves: CI emulates aarch64 on one
/// core.
fn yield_to_the_patcher() {
    let lowered = unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, 19) };
    assert_eq!(lowered, 0, "a thread may always lower its own priority");
}

/// Runs `work` while `threads` threads do `turn` again and again; says how often.
fn under_load(threads: usize, turn: impl Fn() + Sync, work: impl FnOnce()) -> u64 {
    struct Stop<'a>(&'a AtomicBool);
    impl Drop for Stop<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    let (stop, turns) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        let _stop = Stop(&stop);
        for _ in 0..threads {
            scope.spawn(|| {
                yield_to_the_patcher();
                while !stop.load(Ordering::Relaxed) {
                    turn();
                    turns.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        work();
    });
    turns.into_inner()
}

#[inline(never)]
extern "C" fn first(n: u64) -> u64 {
    black_box(black_box(n) * 3)
}

#[inline(never)]
extern "C" fn second(n: u64) -> u64 {
    black_box(black_box(n) * 5)
}

extern "C" fn new_first(n: u64) -> u64 {
    n + 1_000_000
}

extern "C" fn new_second(n: u64) -> u64 {
    n + 2_000_000
}

fn call(function: Number, n: u64) -> u64 {
    black_box(function)(n)
}

#[test]
fn nobody_meets_something_old_after_something_new_in_an_atomic_transaction() {
    let _alone = alone();
    // In the order of the calls: what is called later is not older.
    let turn = || {
        let a = call(first, 7) > 1000;
        let b = call(second, 7) > 1000;
        let c = call(first, 7) > 1000;
        assert!(a == c || a == b || b == c, "{a} {b} {c}");
    };
    let turns = under_load(4, turn, || {
        for _ in 0..8 {
            let mut transaction = Transaction::new();
            transaction.patch_raw(first as Number as *const (), |_| {
                new_first as Number as *const ()
            });
            transaction.patch_raw(second as Number as *const (), |_| {
                new_second as Number as *const ()
            });
            let patches = unsafe { transaction.commit(Consistency::Atomic) }.unwrap();
            assert_eq!((call(first, 7), call(second, 7)), (1_000_007, 2_000_007));
            drop(patches);
            assert_eq!((call(first, 7), call(second, 7)), (21, 35));
        }
    });
    println!("{turns} turns");
}

#[test]
fn with_unsanctioned_stores_nobody_is_held() {
    let _alone = alone();
    midair::allow_unsanctioned_stores(true);
    let turn = || {
        let got = call(first, 7);
        assert!(got == 21 || got == 1_000_007, "{got}");
    };
    let turns = under_load(8, turn, || {
        let started = Instant::now();
        for _ in 0..1000 {
            drop(unsafe { midair::patch(first as Number, new_first as Number) }.unwrap());
        }
        println!("1000 patches made and removed in {:.1?}", started.elapsed());
    });
    midair::allow_unsanctioned_stores(false);
    println!("{turns} turns");
    assert_eq!(call(first, 7), 21);
}

fn block_all_signals(how: i32) {
    let mask = !0_u64;
    let at = &raw const mask;
    let null = std::ptr::null_mut::<u64>();
    let done = unsafe { libc::syscall(libc::SYS_rt_sigprocmask, how, at, null, 8) };
    assert_eq!(done, 0);
}

#[test]
fn a_thread_that_cannot_be_held_is_named_and_nothing_is_changed() {
    let _alone = alone();
    let (tid, stop) = (AtomicI32::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            block_all_signals(libc::SIG_BLOCK);
            tid.store(unsafe { libc::gettid() }, Ordering::SeqCst);
            while !stop.load(Ordering::Relaxed) {
                black_box(call(second, 1));
            }
            block_all_signals(libc::SIG_UNBLOCK);
        });
        while tid.load(Ordering::SeqCst) == 0 {
            std::thread::yield_now();
        }
        let patched = unsafe { midair::patch(first as Number, new_first as Number) };
        stop.store(true, Ordering::Relaxed);
        match patched.map(drop) {
            Err(Error::NotHeld { threads }) => {
                assert_eq!(threads, [tid.load(Ordering::SeqCst)]);
            }
            other => panic!("{other:?}"),
        }
    });
    assert_eq!(call(first, 7), 21);
    drop(unsafe { midair::patch(first as Number, new_first as Number) }.unwrap());
}

#[test]
fn where_no_memory_is_in_reach_the_function_is_left_by_a_breakpoint() {
    const CODE: usize = 0x2000_0000_0000;
    /// More than a `b` reaches.
    const REACH: usize = 0x0900_0000;
    fn map(at: usize, len: usize, rights: i32) {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        let got = unsafe { libc::mmap(at as *mut _, len, rights, flags, -1, 0) };
        assert_eq!(got as usize, at, "{}", std::io::Error::last_os_error());
    }
    let _alone = alone();
    let all = libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC;
    map(CODE, 4096, all);
    map(CODE - REACH, REACH, libc::PROT_NONE);
    map(CODE + 4096, REACH, libc::PROT_NONE);
    // add x0, x0, x0, lsl #1; ldr x1, .+12; add x0, x0, x1; ret; 100
    let code: [u32; 6] = [0x8b00_0400, 0x5800_0061, 0x8b01_0000, 0xd65f_03c0, 100, 0];
    unsafe { std::ptr::copy_nonoverlapping(code.as_ptr(), CODE as *mut u32, code.len()) };
    unsafe extern "C" {
        fn __clear_cache(from: *mut libc::c_void, to: *mut libc::c_void);
    }
    unsafe { __clear_cache(CODE as *mut _, (CODE + 24) as *mut _) };
    let function = unsafe { std::mem::transmute::<usize, Number>(CODE) };
    assert_eq!(function(5), 115);

    // There is another thread, so that the longer jumps do not serve.
    let plan = midair::can_patch(CODE as *const ()).unwrap();
    assert_eq!(plan.strategy, Strategy::Breakpoint, "{plan}");
    let jump = |(strategy, _): &&(Strategy, midair::Refusal)| *strategy == Strategy::Jump;
    let why = plan.passed_over.iter().find(jump);
    let (_, refusal) = why.expect("a jump would fit but for the memory");
    assert_eq!(refusal.reason, midair::Reason::NoMemoryInReach);

    let patch = unsafe { midair::patch(function, new_first as Number) }.unwrap();
    assert_eq!(function(5), 1_000_005);
    assert_eq!(patch.original()(5), 115);
    patch.disable().unwrap();
    assert_eq!(function(5), 115);
    drop(patch);
    assert_eq!(function(5), 115);
}

#[test]
fn what_a_sleeper_hides_in_an_emulator_is_said_and_kept() {
    if std::env::var_os("MIDAIR_EMULATED").is_none() {
        return; // the other tests of the library cover the machine itself
    }
    let _alone = alone();
    // The thread of the test harness sleeps.
    drop(unsafe { midair::patch(first as Number, new_first as Number) }.unwrap());
    match midair::reclaim(Duration::from_millis(300)) {
        Ok(reclaimed) => {
            assert_eq!(reclaimed.bytes, 0, "freed on a guess");
            let (_, why) = reclaimed.unseen.first().expect("a sleeper is not seen");
            assert!(why.contains("emulator"), "{why}");
        }
        // qemu has no process_vm_readv.
        Err(Error::Threads { source }) => {
            assert_eq!(source.raw_os_error(), Some(libc::ENOSYS));
        }
        Err(other) => panic!("{other}"),
    }
    assert!(midair::stats().limbo > 0);

    let mut transaction = Transaction::new();
    transaction.patch_raw(first as Number as *const (), |_| {
        new_first as Number as *const ()
    });
    let deadline = Duration::from_millis(300);
    let error = unsafe { transaction.commit(Consistency::Quiescent { deadline }) }.unwrap_err();
    match &error {
        Error::NotQuiescent { .. } => assert!(error.to_string().contains("emulator"), "{error}"),
        Error::Threads { source } => assert_eq!(source.raw_os_error(), Some(libc::ENOSYS)),
        other => panic!("{other}"),
    }
    assert_eq!(call(first, 7), 21);
}
