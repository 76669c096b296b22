//! Being first in line for the signal by which threads are asked.
//!
//! The signal is 33, glibc's SIGSETXID: no function of glibc blocks it, so that
//! a thread that blocked "all" signals still answers. glibc refuses it in
//! `sigaction`, so the kernel is asked directly, with a return of our own. What
//! is not ours goes on to the handler that was there: glibc installs its own at
//! the first `pthread_create`, which may be after us, so we look before each
//! question and go to the front again. Where 33 is not to be had, a real-time
//! signal that nobody uses serves.

#![allow(dead_code, reason = "quiescence and reclaim, which come next, use it")]

use super::answer::{Info, answer};
use super::own_memory;
use std::arch::{asm, global_asm};
use std::io;
use std::ptr;
use std::sync::atomic::{AtomicI32, AtomicPtr, Ordering};

/// glibc's SIGSETXID.
const SETXID: i32 = 33;
const SA_RESTORER: usize = 0x0400_0000;

/// `struct sigaction` of the kernel.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Action {
    handler: usize,
    flags: usize,
    restorer: usize,
    mask: u64,
}

/// The signal in use; 0 before the first question.
static SIGNAL: AtomicI32 = AtomicI32::new(0);
/// What that signal did before. Leaked, as a handler may be reading it.
static PREVIOUS: AtomicPtr<Action> = AtomicPtr::new(ptr::null_mut());

// mov $15,%rax; syscall: unwinders and debuggers know these bytes. The nop keeps
// the byte before the return address out of any other function.
global_asm!(
    ".pushsection .text.midair_signal_return,\"ax\",@progbits",
    "nop",
    ".globl midair_signal_return",
    ".hidden midair_signal_return",
    ".type midair_signal_return, @function",
    "midair_signal_return:",
    "mov rax, 15",
    "syscall",
    "ud2",
    ".size midair_signal_return, . - midair_signal_return",
    ".popsection",
);

unsafe extern "C" {
    fn midair_signal_return();
}

/// Makes sure that we come first, and gives the signal.
pub(super) fn ensure() -> io::Result<i32> {
    match SIGNAL.load(Ordering::Acquire) {
        0 => {}
        SETXID => return take(SETXID).map(|()| SETXID),
        // One that nobody used; if somebody does now, another is taken.
        signal if get(signal)?.handler == own_handler() => return Ok(signal),
        _ => {}
    }
    let free = |signal: &i32| get(*signal).is_ok_and(|action| action.handler == libc::SIG_DFL);
    let candidates = [SETXID].into_iter().chain((34..=64).rev().filter(free));
    let mut refused = io::Error::from_raw_os_error(libc::EINVAL);
    for signal in candidates {
        match take(signal) {
            Ok(()) => {
                SIGNAL.store(signal, Ordering::Release);
                return Ok(signal);
            }
            Err(error) => refused = error,
        }
    }
    Err(refused)
}

fn own_handler() -> usize {
    let handler: unsafe extern "C" fn(i32, *mut Info, *mut libc::ucontext_t) = handle;
    handler as usize
}

fn take(signal: i32) -> io::Result<()> {
    let current = get(signal)?;
    if current.handler == own_handler() {
        return Ok(());
    }
    PREVIOUS.store(Box::leak(Box::new(current)), Ordering::Release);
    let ours = Action {
        handler: own_handler(),
        flags: (libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_RESTART) as usize | SA_RESTORER,
        restorer: midair_signal_return as *const () as usize,
        // Other signals wait: an alternate stack may not hold several frames.
        mask: !0,
    };
    set(signal, &ours)
}

fn get(signal: i32) -> io::Result<Action> {
    let mut action = Action::default();
    // SAFETY: asks only; `action` has room for the answer.
    let done = unsafe {
        libc::syscall(
            libc::SYS_rt_sigaction,
            signal,
            0_usize,
            &raw mut action,
            8_usize,
        )
    };
    if done != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(action)
}

fn set(signal: i32, action: &Action) -> io::Result<()> {
    // SAFETY: the handler is async-signal-safe and of the type that SA_SIGINFO
    // asks for; the restorer returns from it.
    let done = unsafe {
        libc::syscall(
            libc::SYS_rt_sigaction,
            signal,
            ptr::from_ref(action),
            0_usize,
            8_usize,
        )
    };
    if done != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

unsafe extern "C" fn handle(signal: i32, info: *mut Info, context: *mut libc::ucontext_t) {
    // SAFETY: the kernel's own arguments.
    if unsafe { answer(info, context) } {
        return;
    }
    // SAFETY: leaked when it was stored, never freed.
    let previous = unsafe { PREVIOUS.load(Ordering::Acquire).as_ref() };
    match previous.map_or(libc::SIG_DFL, |action| action.handler) {
        libc::SIG_IGN => {}
        // SAFETY: what the kernel would have done.
        libc::SIG_DFL => unsafe { die(signal) },
        handler => {
            type WithInfo = unsafe extern "C" fn(i32, *mut Info, *mut libc::ucontext_t);
            // SAFETY: the address is a handler that somebody installed. One
            // without SA_SIGINFO takes the first argument and leaves the rest.
            let handler = unsafe { std::mem::transmute::<usize, WithInfo>(handler) };
            // SAFETY: with what the kernel would have passed.
            unsafe { handler(signal, info, context) };
        }
    }
}

/// The default of a real-time signal is to end the process.
unsafe fn die(signal: i32) {
    let default = Action::default();
    // SAFETY: bare system calls, with a local of the kernel's layout.
    unsafe {
        bare(
            libc::SYS_rt_sigaction,
            signal as usize,
            &raw const default as usize,
            0,
            8,
        );
        let process = bare(libc::SYS_getpid, 0, 0, 0, 0);
        let thread = bare(libc::SYS_gettid, 0, 0, 0, 0);
        bare(
            libc::SYS_tgkill,
            process as usize,
            thread as usize,
            signal as usize,
            0,
        );
    }
}

unsafe fn bare(number: libc::c_long, a: usize, b: usize, c: usize, d: usize) -> isize {
    let mut result = number as isize;
    // SAFETY: the caller's; a system call changes rax, rcx and r11.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") result,
            in("rdi") a,
            in("rsi") b,
            in("rdx") c,
            in("r10") d,
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack),
        );
    }
    result
}

/// Queues the signal for one thread, with a value.
pub(super) fn send(signal: i32, process: i32, thread: i32, value: u64) -> io::Result<()> {
    let info = Info::new(signal, own_memory::own_id(), value);
    // SAFETY: `info` is a whole siginfo_t.
    let done = unsafe {
        libc::syscall(
            libc::SYS_rt_tgsigqueueinfo,
            process,
            thread,
            signal,
            &raw const info,
        )
    };
    if done != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}
