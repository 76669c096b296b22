//! Threads that are neither plainly asleep nor plainly running, and those that
//! run nothing.

use super::{
    functions_on, in_child, look_at, points_into, tables, thread_that, view_of, wait_until,
};
use crate::threads::frames::End;
use crate::threads::look::Outcome;
use crate::threads::own_memory;
use crate::threads::stretch::Stretch;
use crate::threads::tasks::{self, Kind};
use crate::threads::view::{Seen, stacks_missing};
use std::hint::black_box;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::time::Duration;

static IN_HANDLER: AtomicBool = AtomicBool::new(false);
static LEAVE: AtomicBool = AtomicBool::new(false);
static SLEEP: AtomicBool = AtomicBool::new(false);

extern "C" fn stay(_: i32) {
    IN_HANDLER.store(true, Ordering::SeqCst);
    while !LEAVE.load(Ordering::SeqCst) {
        if SLEEP.load(Ordering::SeqCst) {
            // SAFETY: takes no pointers that matter.
            unsafe { libc::usleep(20_000) };
        }
        std::hint::spin_loop();
    }
    IN_HANDLER.store(false, Ordering::SeqCst);
}

#[inline(never)]
fn is_interrupted(stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        std::hint::spin_loop();
    }
    black_box(());
}

fn interrupted_function_is_found_through_a_handler(sleep: bool) {
    // Rust gives each of its threads an alternate stack.
    // SAFETY: all zeros is a valid sigaction; the handler is async-signal-safe.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = stay as extern "C" fn(i32) as usize;
        action.sa_flags = libc::SA_ONSTACK | libc::SA_RESTART;
        libc::sigaction(libc::SIGUSR2, &action, ptr::null_mut());
    }
    SLEEP.store(sleep, Ordering::SeqCst);
    LEAVE.store(false, Ordering::SeqCst);
    let stop = Arc::new(AtomicBool::new(false));
    let (tid, thread) = thread_that({
        let stop = Arc::clone(&stop);
        move || is_interrupted(&stop)
    });
    std::thread::sleep(Duration::from_millis(20));
    // SAFETY: takes no pointers.
    unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), tid, libc::SIGUSR2) };
    wait_until("it is in the handler", || IN_HANDLER.load(Ordering::SeqCst));
    let tables = tables();
    for _ in 0..20 {
        let view = view_of(tid);
        assert_eq!(view.seen == Seen::Running, !sleep);
        assert_eq!(
            view.stacks.len(),
            2,
            "the alternate stack and the thread's own"
        );
        assert!(stacks_missing(&view.stacks).is_empty());
        let (functions, end) = functions_on(&view, &tables);
        for wanted in [
            stay as *const () as usize,
            is_interrupted as *const () as usize,
        ] {
            assert!(functions.contains(&wanted), "{functions:x?}");
        }
        assert_eq!(end, End::Complete);
        let start = is_interrupted as *const () as usize;
        let code = start..start + 128;
        assert!(points_into(&view, code));
    }
    LEAVE.store(true, Ordering::SeqCst);
    wait_until("it has left", || !IN_HANDLER.load(Ordering::SeqCst));
    stop.store(true, Ordering::Relaxed);
    thread.join().expect("it does not panic");
}

#[test]
fn an_interrupted_function_is_found_through_a_signal_handler() {
    interrupted_function_is_found_through_a_handler(true);
    interrupted_function_is_found_through_a_handler(false);
}

#[test]
fn a_first_thread_that_has_ended_runs_nothing() {
    in_child(|| {
        // SAFETY: takes no pointers.
        let first = unsafe { libc::getpid() };
        std::thread::spawn(move || {
            let is_zombie = || tasks::kind(first).unwrap() == Some(Kind::Ended);
            wait_until("it is a zombie", is_zombie);
            let outcome = look_at(first);
            let listed = tasks::list().unwrap().contains(&first);
            let right = listed && matches!(outcome, Outcome::RunsNothing);
            // SAFETY: ends the process.
            unsafe { libc::_exit(i32::from(!right)) };
        });
        // SAFETY: ends this thread alone.
        unsafe { libc::syscall(libc::SYS_exit, 0) };
        unreachable!("a thread that has ended")
    });
}

#[test]
fn a_parent_in_vfork_is_told_apart() {
    static CHILD: AtomicI32 = AtomicI32::new(0);
    let (tid, thread) = thread_that(|| {
        extern "C" fn child(_: *mut libc::c_void) -> i32 {
            CHILD.store(1, Ordering::SeqCst);
            let time = libc::timespec {
                tv_sec: 0,
                tv_nsec: 300_000_000,
            };
            // SAFETY: bare system calls, as behind vfork.
            unsafe {
                libc::nanosleep(&time, ptr::null_mut());
                libc::_exit(0)
            }
        }
        let mut stack = vec![0u8; 64 << 10];
        let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
        // SAFETY: the child has a stack of its own, and this thread waits.
        unsafe {
            let top = stack.as_mut_ptr().add(stack.len());
            let pid = libc::clone(child, top.cast(), flags, ptr::null_mut());
            libc::waitpid(pid, ptr::null_mut(), 0);
        }
    });
    wait_until("the child runs", || CHILD.load(Ordering::SeqCst) == 1);
    let view = view_of(tid);
    assert!(
        matches!(view.seen, Seen::Asleep { vfork: true, .. }),
        "{view:?}"
    );
    thread.join().expect("it does not panic");
}

/// `struct io_uring_params` is 120 bytes; nothing of it is read here but the
/// offsets of the submission queue.
#[test]
fn a_worker_of_io_uring_runs_nothing() {
    in_child(|| {
        const SETUP_SQPOLL: u32 = 2;
        let mut parameters = [0u32; 30];
        parameters[2] = SETUP_SQPOLL;
        // SAFETY: the parameters are as large as the kernel's.
        let ring =
            unsafe { libc::syscall(libc::SYS_io_uring_setup, 4usize, parameters.as_mut_ptr()) };
        if ring < 0 {
            println!(
                "io_uring is not to be had: {}",
                std::io::Error::last_os_error()
            );
            return std::io::Error::last_os_error().raw_os_error() == Some(libc::EPERM);
        }
        // The kernel's thread that polls the queue.
        let tids = tasks::list().unwrap();
        let workers: Vec<_> = tids
            .iter()
            .filter(|tid| matches!(look_at(**tid), Outcome::RunsNothing))
            .filter(|tid| tasks::kind(**tid).unwrap() == Some(Kind::Worker))
            .collect();
        println!("workers {workers:?} of {tids:?}");
        workers.len() == 1 && tids.len() == 2
    });
}

#[test]
fn a_stack_ends_where_the_thread_is_described() {
    let (tid, thread) = thread_that(|| std::thread::sleep(Duration::from_millis(200)));
    let view = view_of(tid);
    let stretch = &view.stacks[0];
    // glibc's description of a thread begins with its own address on x86-64 and has
    // no such thing on aarch64: there the list of robust mutexes leads to itself.
    let own = if cfg!(target_arch = "x86_64") {
        stretch.end()
    } else {
        stretch.end() + 28 * 8
    };
    assert_eq!(own_memory::word(own), Some(own));
    // The description of one thread does not end the stack of another.
    let sp = view.registers.sp();
    let longer = Stretch::of_stack(sp, 1 << 30, tid + 1).expect("less than a gigabyte");
    assert!(longer.end() > stretch.end());
    thread.join().expect("it does not panic");
}
