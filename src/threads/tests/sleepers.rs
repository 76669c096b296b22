//! Threads that sleep: read, never woken.

use super::{functions_on, look_at, points_into, sleeps, tables, thread_that, view_of, wait_until};
use crate::threads::frames::{End, Gap};
use crate::threads::look::Outcome;
use crate::threads::view::Seen;
use std::hint::black_box;
use std::io;
use std::ptr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

const TIME: Duration = Duration::from_millis(4000);

fn spec() -> libc::timespec {
    libc::timespec {
        tv_sec: TIME.as_secs() as _,
        tv_nsec: TIME.subsec_nanos() as _,
    }
}

#[inline(never)]
fn in_nanosleep() -> i32 {
    // SAFETY: the argument is whole; the rest is not asked for.
    black_box(unsafe { libc::nanosleep(&spec(), ptr::null_mut()) })
}

#[inline(never)]
fn in_poll() -> i32 {
    // SAFETY: no descriptors are passed.
    black_box(unsafe { libc::poll(ptr::null_mut(), 0, TIME.as_millis() as i32) })
}

#[inline(never)]
fn in_select() -> i32 {
    let mut time = libc::timeval {
        tv_sec: TIME.as_secs() as _,
        tv_usec: TIME.subsec_micros() as _,
    };
    let none = ptr::null_mut;
    // SAFETY: no descriptors are passed.
    black_box(unsafe { libc::select(0, none(), none(), none(), &mut time) })
}

#[inline(never)]
fn in_epoll_wait() -> i32 {
    // SAFETY: takes no pointers.
    let epoll = unsafe { libc::epoll_create1(0) };
    // SAFETY: all zeros is an event.
    let mut event = unsafe { std::mem::zeroed::<libc::epoll_event>() };
    // SAFETY: there is room for one event.
    let result = unsafe { libc::epoll_wait(epoll, &mut event, 1, TIME.as_millis() as i32) };
    // SAFETY: the descriptor is ours.
    unsafe { libc::close(epoll) };
    black_box(result)
}

#[inline(never)]
fn in_futex() -> i32 {
    let word = AtomicU32::new(0);
    // SAFETY: the word and the time live until the call returns.
    let result = unsafe {
        libc::syscall(
            libc::SYS_futex,
            word.as_ptr(),
            libc::FUTEX_WAIT,
            0usize,
            &spec(),
            0usize,
            0usize,
        )
    };
    let error = io::Error::last_os_error().raw_os_error();
    black_box(i32::from(!(result == -1 && error == Some(libc::ETIMEDOUT))))
}

#[inline(never)]
fn in_sem_timedwait() -> i32 {
    // SAFETY: all zeros is memory for a semaphore.
    let mut semaphore = unsafe { std::mem::zeroed::<libc::sem_t>() };
    let mut until = spec();
    // SAFETY: the semaphore is initialised before it is used.
    let result = unsafe {
        libc::sem_init(&mut semaphore, 0, 0);
        libc::clock_gettime(libc::CLOCK_REALTIME, &mut until);
        let nanos = until.tv_nsec + i64::from(TIME.subsec_nanos());
        until.tv_sec += TIME.as_secs() as i64 + nanos / 1_000_000_000;
        until.tv_nsec = nanos % 1_000_000_000;
        libc::sem_timedwait(&mut semaphore, &until)
    };
    let error = io::Error::last_os_error().raw_os_error();
    black_box(i32::from(!(result == -1 && error == Some(libc::ETIMEDOUT))))
}

/// Looks at a sleeper 1,000 times, or as often as a loaded machine can in time: its function is on the stack each time, and
/// the call ends as if nobody had looked.
fn is_seen_and_sleeps_on(call: fn() -> i32) {
    let tables = tables();
    let started = Instant::now();
    let (tid, thread) = thread_that(move || {
        let started = Instant::now();
        (call(), started.elapsed())
    });
    wait_until("it sleeps", || sleeps(tid));
    let mut looks = Duration::ZERO;
    let mut count = 0;
    while count < 1000 && started.elapsed() < TIME * 3 / 4 {
        count += 1;
        let from = Instant::now();
        let view = view_of(tid);
        looks += from.elapsed();
        assert!(
            matches!(view.seen, Seen::Asleep { vfork: false, .. }),
            "{view:?}"
        );
        if count % 10 != 1 {
            continue;
        }
        let (functions, end) = functions_on(&view, &tables);
        if returns_by_register(call) {
            assert_eq!(gap(end), Gap::Register(30));
        } else {
            assert!(functions.contains(&(call as usize)), "{functions:x?}");
            assert_eq!(end, End::Complete);
        }
        // The same without knowledge of frames.
        let here = call as usize..call as usize + 64;
        assert!(points_into(&view, here));
    }
    let (result, slept) = thread.join().expect("it does not panic");
    assert_eq!(result, 0, "the call was interrupted");
    assert!(
        slept >= TIME && slept < TIME + Duration::from_millis(400),
        "{slept:?}"
    );
    println!("{count} looks at a sleeper, {:?} each", looks / count);
    assert!(count >= 20, "{count}");
}

/// Whether the walk ends in libc: on aarch64 its `syscall` keeps the return address in a
/// register, and nobody tells the registers of a sleeper.
fn returns_by_register(call: fn() -> i32) -> bool {
    cfg!(target_arch = "aarch64") && call as usize == in_futex as fn() -> i32 as usize
}

fn gap(end: End) -> Gap {
    match end {
        End::UnknownFrom { gap, .. } => gap,
        end => panic!("{end:?}"),
    }
}

#[test]
fn a_thread_in_nanosleep_is_seen_and_sleeps_on() {
    is_seen_and_sleeps_on(in_nanosleep);
}

#[test]
fn a_thread_in_poll_is_seen_and_sleeps_on() {
    is_seen_and_sleeps_on(in_poll);
}

#[test]
fn a_thread_in_select_is_seen_and_sleeps_on() {
    is_seen_and_sleeps_on(in_select);
}

#[test]
fn a_thread_in_epoll_wait_is_seen_and_sleeps_on() {
    is_seen_and_sleeps_on(in_epoll_wait);
}

#[test]
fn a_thread_in_futex_is_seen_and_sleeps_on() {
    is_seen_and_sleeps_on(in_futex);
}

#[test]
fn a_thread_in_sem_timedwait_is_seen_and_sleeps_on() {
    is_seen_and_sleeps_on(in_sem_timedwait);
}

#[test]
#[cfg_attr(
    target_arch = "aarch64",
    ignore = "emulated, waking up takes longer than the nap"
)]
fn a_thread_that_wakes_all_the_time_is_seen_and_never_interrupted() {
    static STOP: AtomicU32 = AtomicU32::new(0);
    let (tid, thread) = thread_that(|| {
        let short = libc::timespec {
            tv_sec: 0,
            tv_nsec: 50_000,
        };
        let mut interrupted = 0u32;
        while STOP.load(Ordering::Relaxed) == 0 {
            // SAFETY: the argument is whole; the rest is not asked for.
            interrupted += u32::from(unsafe { libc::nanosleep(&short, ptr::null_mut()) } != 0);
        }
        interrupted
    });
    // On a busy machine it may be awake each time that a look has its turn.
    let is_seen = || matches!(look_at(tid), Outcome::Seen(_));
    for _ in 0..300 {
        assert!((0..20).any(|_| is_seen()));
    }
    STOP.store(1, Ordering::Relaxed);
    assert_eq!(thread.join().expect("it does not panic"), 0);
}
