//! Transitions met in odd places: on alternate stacks, in signal handlers, in
//! children of forks, under an allocator's lock, between two instructions.

use midair::{Consistency, RawPatch, Transaction, Transition};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::hint::black_box;
use std::os::unix::thread::JoinHandleExt;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::thread::{sleep, spawn};
use std::time::{Duration, Instant};

// None of the functions ends with a call that does not return: see tests/consistency.rs.
type Number = fn(u64) -> u64;

const LONG: Duration = Duration::from_secs(20);
const NAP: Duration = Duration::from_millis(1);
const NEW: u64 = 1 << 40;

/// The tests patch the same functions.
fn one_at_a_time() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(|e| e.into_inner())
}

thread_local! {
    static INSIDE: Cell<Option<fn()>> = const { Cell::new(None) };
}

#[inline(never)]
fn outer(n: u64) -> u64 {
    if let Some(f) = INSIDE.take() {
        f();
    }
    black_box(inner as Number)(n).wrapping_add(1)
}

#[inline(never)]
fn inner(n: u64) -> u64 {
    black_box(n).wrapping_mul(3)
}

fn new_outer(n: u64) -> u64 {
    if let Some(f) = INSIDE.take() {
        f();
    }
    black_box(inner as Number)(n).wrapping_add(NEW + 1)
}

fn new_inner(n: u64) -> u64 {
    n.wrapping_mul(3).wrapping_add(2 * NEW)
}

const ALL_OLD: u64 = 22;
const ALL_NEW: u64 = 22 + 3 * NEW;

fn call() -> u64 {
    black_box(outer as Number)(7)
}

fn commit(consistency: Consistency) -> (Vec<RawPatch>, Option<Transition>) {
    let mut transaction = Transaction::new();
    transaction
        .patch_raw(outer as Number as *const (), |_| new_outer as Number as _)
        .patch_raw(inner as Number as *const (), |_| new_inner as Number as _);
    // SAFETY: of the same types; nobody relies on the results.
    let committed = unsafe { transaction.commit(consistency) }.unwrap();
    (
        committed.patches.into_iter().collect(),
        committed.transition,
    )
}

fn wait_for(flag: impl Fn() -> bool) {
    let started = Instant::now();
    while !flag() {
        assert!(started.elapsed() < LONG);
        sleep(NAP);
    }
}

fn handle(signal: i32, handler: usize, flags: i32) {
    // SAFETY: zeros are a valid sigaction; the handlers of this file are of the
    // types that their flags say.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handler;
        action.sa_flags = flags;
        assert_eq!(libc::sigaction(signal, &action, std::ptr::null_mut()), 0);
    }
}

#[test]
fn the_longest_time_that_there_is_may_be_given() {
    let _one = one_at_a_time();
    let (patches, _) = commit(Consistency::Quiescent {
        deadline: Duration::MAX,
    });
    assert_eq!(call(), ALL_NEW);
    drop(patches);
    midair::reclaim(Duration::MAX).unwrap();
    assert_eq!(call(), ALL_OLD);
}

#[test]
fn what_transactions_leave_is_reclaimed_by_itself() {
    let _one = one_at_a_time();
    let (patches, _) = commit(Consistency::Immediate);
    let deadline = LONG;
    let kinds = [
        (Consistency::Atomic, 60_000),
        (Consistency::Quiescent { deadline }, 60),
        (Consistency::PerThread, 60),
    ];
    for (consistency, times) in kinds {
        for n in 0..times {
            let mut transaction = Transaction::new();
            for patch in &patches {
                match n % 2 {
                    0 => transaction.disable(patch),
                    _ => transaction.enable(patch),
                };
            }
            // SAFETY: nothing new.
            let committed = unsafe { transaction.commit(consistency) }.unwrap();
            if let Some(transition) = committed.transition {
                transition.wait(LONG).unwrap();
            }
        }
        let stats = midair::stats();
        // A commit, whose time counts, looks at threads only if there is a lot.
        assert!(stats.bytes_limbo < 5 << 20, "{consistency:?}: {stats:?}");
    }
}

#[test]
fn a_handler_on_a_small_alternate_stack_may_call_a_function_that_changes() {
    let _one = one_at_a_time();
    static GOT: AtomicU64 = AtomicU64::new(0);
    extern "C" fn handler(_: i32) {
        GOT.store(call(), Ordering::SeqCst);
    }
    handle(
        libc::SIGUSR1,
        handler as *const () as usize,
        libc::SA_ONSTACK,
    );
    let (patches, transition) = commit(Consistency::PerThread);
    // SAFETY: handled.
    let raise = || unsafe { libc::raise(libc::SIGUSR1) };
    spawn(raise).join().unwrap();
    assert_eq!(GOT.load(Ordering::SeqCst), ALL_OLD, "it cannot be told");
    transition.unwrap().wait(LONG).unwrap();
    spawn(raise).join().unwrap();
    assert_eq!(GOT.load(Ordering::SeqCst), ALL_NEW);
    drop(patches);
}

#[test]
fn the_child_of_a_thread_that_has_changed_over_has_too() {
    let _one = one_at_a_time();
    thread_local! { static CHILD: Cell<i32> = const { Cell::new(0) } }
    let (patches, transition) = commit(Consistency::PerThread);
    // SAFETY: the child exits below.
    INSIDE.set(Some(|| CHILD.set(unsafe { libc::fork() })));
    let got = call();
    if CHILD.get() == 0 {
        // SAFETY: ends the child.
        unsafe { libc::_exit(i32::from(got != ALL_NEW)) };
    }
    let mut status = 0;
    // SAFETY: `status` is a live local.
    unsafe { libc::waitpid(CHILD.get(), &mut status, 0) };
    assert_eq!((got, status), (ALL_NEW, 0), "a mixture in the child");
    drop((patches, transition));
}

/// Threads that wait between two instructions: found by single steps, which user code
/// takes on x86-64 alone.
#[cfg(target_arch = "x86_64")]
mod between_instructions {
    use super::*;
    use std::arch::asm;
    use std::thread::JoinHandle;

    /// Single steps are taken until one of these is next; there the thread waits.
    static WAIT_AT: [AtomicU64; 2] = [const { AtomicU64::new(0) }; 2];
    static WAITS: AtomicUsize = AtomicUsize::new(0);
    static GO_ON: AtomicBool = AtomicBool::new(false);

    extern "C" fn step(_: i32, _: *mut libc::siginfo_t, context: *mut libc::c_void) {
        const TRAP_FLAG: i64 = 0x100;
        // SAFETY: the kernel's own argument; the instruction is about to be executed.
        unsafe {
            let registers = &mut (*context.cast::<libc::ucontext_t>()).uc_mcontext.gregs;
            let pc = registers[libc::REG_RIP as usize] as usize;
            let next = (pc as *const u64).read_unaligned() & 0xffff_ffff_ffff;
            if WAIT_AT.iter().any(|at| at.load(Ordering::SeqCst) == next) {
                registers[libc::REG_EFL as usize] &= !TRAP_FLAG;
                WAITS.store(pc, Ordering::SeqCst);
                while !GO_ON.load(Ordering::SeqCst) {
                    libc::usleep(1000);
                }
            }
        }
    }

    /// Calls in steps up to an instruction with these bytes.
    fn call_up_to(instruction: [u8; 6]) -> JoinHandle<u64> {
        let [a, b, c, d, e, f] = instruction;
        WAIT_AT[0].store(
            u64::from_le_bytes([a, b, c, d, e, f, 0, 0]),
            Ordering::SeqCst,
        );
        WAITS.store(0, Ordering::SeqCst);
        GO_ON.store(false, Ordering::SeqCst);
        let flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
        handle(libc::SIGTRAP, step as *const () as usize, flags);
        let thread = spawn(|| {
            // SAFETY: sets the trap flag, which the handler takes back.
            unsafe { asm!("pushfq", "or qword ptr [rsp], 0x100", "popfq") };
            call()
        });
        wait_for(|| WAITS.load(Ordering::SeqCst) != 0);
        thread
    }

    #[test]
    fn what_a_choice_leads_to_stays_while_a_thread_is_in_the_choice() {
        let _one = one_at_a_time();
        #[inline(never)]
        fn other(n: u64) -> u64 {
            black_box(n) + 5
        }
        let (patches, transition) = commit(Consistency::PerThread);
        // The call of the dispatcher.
        let thread = call_up_to([0xff, 0x15, 5, 0, 0, 0]);
        transition.unwrap().cancel().unwrap();
        drop(patches);
        for _ in 0..3 {
            midair::reclaim(LONG).unwrap();
        }
        // These would take the memory.
        let closures: Vec<_> = (0..6)
            .map(|_| {
                // SAFETY: the same type.
                unsafe { midair::patch_closure(other as Number, |_| |_| 666) }.unwrap()
            })
            .collect();
        GO_ON.store(true, Ordering::SeqCst);
        assert_eq!(thread.join().unwrap(), ALL_OLD);
        drop(closures);
    }

    #[test]
    fn a_thread_that_is_about_to_enter_a_closure_is_inside() {
        let _one = one_at_a_time();
        // SAFETY: of the same types; nobody relies on the results.
        let patches = unsafe {
            [
                midair::patch_closure(inner as Number, |_| new_inner),
                midair::patch_closure(outer as Number, |_| new_outer),
            ]
        };
        let patches = patches.map(Result::unwrap);
        // What comes behind the closure's stub: push rdi, rsi, rdx, rcx, r8.
        let thread = call_up_to([0x57, 0x56, 0x52, 0x51, 0x41, 0x50]);
        let mut transaction = Transaction::new();
        transaction.disable(&patches[0]).disable(&patches[1]);
        let deadline = Duration::from_millis(200);
        // SAFETY: nothing new.
        let committed = unsafe { transaction.commit(Consistency::Quiescent { deadline }) };
        GO_ON.store(true, Ordering::SeqCst);
        assert_eq!(thread.join().unwrap(), ALL_NEW, "{committed:?}");
        assert!(matches!(committed, Err(midair::Error::NotQuiescent { .. })));
    }
}

/// An allocator with a lock, in which it calls [`grow`].
struct Locked;

#[global_allocator]
static ALLOCATOR: Locked = Locked;
static IS_LOCKING: AtomicBool = AtomicBool::new(false);
static LOCK: AtomicBool = AtomicBool::new(false);

#[inline(never)]
fn grow(n: u64) -> u64 {
    black_box(n) + 1
}

// SAFETY: the system's own.
unsafe impl GlobalAlloc for Locked {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let locks = IS_LOCKING.load(Ordering::SeqCst);
        while locks && LOCK.swap(true, Ordering::SeqCst) {
            std::thread::yield_now();
        }
        if locks {
            black_box(black_box(grow as Number)(1));
            LOCK.store(false, Ordering::SeqCst);
        }
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(at, layout) }
    }
}

#[test]
fn who_waits_with_the_allocators_lock_does_not_wait_for_ever() {
    let _one = one_at_a_time();
    static STOP: AtomicBool = AtomicBool::new(false);
    let allocate = || {
        while !STOP.load(Ordering::SeqCst) {
            black_box(Box::new(1));
        }
    };
    let threads: Vec<_> = (0..3).map(|_| spawn(allocate)).collect();
    IS_LOCKING.store(true, Ordering::SeqCst);
    let started = Instant::now();
    for _ in 0..3 {
        let mut transaction = Transaction::new();
        transaction.patch_raw(grow as Number as *const (), |_| new_inner as Number as _);
        let deadline = Duration::from_millis(100);
        // Whether it succeeds is a matter of luck.
        // SAFETY: nobody relies on the result.
        drop(unsafe { transaction.commit(Consistency::Quiescent { deadline }) });
    }
    STOP.store(true, Ordering::SeqCst);
    IS_LOCKING.store(false, Ordering::SeqCst);
    for thread in threads {
        thread.join().unwrap();
    }
    println!("three commits of 100 ms: {:?}", started.elapsed());
}

#[test]
fn a_signal_handler_of_a_thread_that_waits_is_inside_too() {
    let _one = one_at_a_time();
    static ENTERED: AtomicUsize = AtomicUsize::new(0);
    static LEAVE: [AtomicBool; 2] = [const { AtomicBool::new(false) }; 2];
    static GOT: AtomicU64 = AtomicU64::new(0);
    static STOP: AtomicBool = AtomicBool::new(false);
    static TID: AtomicU64 = AtomicU64::new(0);
    fn stay(n: usize) {
        ENTERED.fetch_or(1 << n, Ordering::SeqCst);
        while !LEAVE[n].load(Ordering::SeqCst) {
            sleep(NAP);
        }
    }
    extern "C" fn handler(_: i32) {
        if ENTERED.load(Ordering::SeqCst) & 2 == 0 {
            INSIDE.set(Some(|| stay(1)));
            GOT.store(call(), Ordering::SeqCst);
        }
    }
    handle(libc::SIGUSR2, handler as *const () as usize, 0);
    let first = spawn(|| {
        INSIDE.set(Some(|| stay(0)));
        call()
    });
    wait_for(|| ENTERED.load(Ordering::SeqCst) == 1);
    let commits = spawn(|| commit(Consistency::Quiescent { deadline: LONG }).0);
    let second = spawn(|| {
        // SAFETY: takes nothing.
        TID.store(unsafe { libc::gettid() } as u64, Ordering::SeqCst);
        while !STOP.load(Ordering::SeqCst) {
            let got = call();
            assert!(got == ALL_OLD || got == ALL_NEW, "{got:#x}");
        }
    });
    // By then threads are held for a third of a second.
    sleep(Duration::from_millis(650));
    let waits = || {
        let path = format!("/proc/self/task/{}/syscall", TID.load(Ordering::SeqCst));
        let call = std::fs::read_to_string(path).unwrap_or_default();
        call.starts_with(&format!("{} ", libc::SYS_futex))
    };
    wait_for(|| {
        if waits() {
            // SAFETY: handled; the thread runs until it is told to stop.
            unsafe { libc::pthread_kill(second.as_pthread_t(), libc::SIGUSR2) };
        }
        ENTERED.load(Ordering::SeqCst) == 3
    });
    LEAVE[0].store(true, Ordering::SeqCst);
    assert_eq!(first.join().unwrap(), ALL_OLD);
    sleep(Duration::from_secs(1));
    let early = commits.is_finished();
    LEAVE[1].store(true, Ordering::SeqCst);
    let patches = commits.join().unwrap();
    STOP.store(true, Ordering::SeqCst);
    second.join().unwrap();
    assert_eq!((GOT.load(Ordering::SeqCst), early), (ALL_OLD, false));
    drop(patches);
}
