//! Being first in line for the signal by which threads are asked.
//!
//! The signal is 33, glibc's SIGSETXID: no function of glibc blocks it, so that
//! a thread that blocked "all" signals still answers. glibc refuses it in
//! `sigaction`, so the kernel is asked directly, with a return of our own. What
//! is not ours goes on to the handler that was there: glibc installs its own at
//! the first `pthread_create`, which may be after us, so we look before each
//! question and go to the front again. Where 33 is not to be had, a real-time
//! signal that nobody uses serves.

use super::answer::{Info, MARK, answer};
use super::system_call::{error, process_id, system_call, thread_id};
use std::io;
use std::ptr;
use std::sync::atomic::{AtomicI32, AtomicPtr, Ordering};

/// glibc's SIGSETXID.
const SETXID: i32 = 33;
/// Bytes of the kernel's signal masks.
const MASK: usize = 8;

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

/// The return from the handler, which glibc would bring.
#[cfg(target_arch = "x86_64")]
mod restorer {
    use std::arch::global_asm;

    pub(super) const FLAG: usize = 0x0400_0000;

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

    pub(super) fn address() -> usize {
        midair_signal_return as *const () as usize
    }
}

/// The kernel brings the return from the handler itself.
#[cfg(target_arch = "aarch64")]
mod restorer {
    pub(super) const FLAG: usize = 0;

    pub(super) fn address() -> usize {
        0
    }
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
        flags: (libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_RESTART) as usize | restorer::FLAG,
        restorer: restorer::address(),
        // Other signals wait: an alternate stack may not hold several frames.
        mask: !0,
    };
    set(signal, &ours)
}

fn get(signal: i32) -> io::Result<Action> {
    let mut action = Action::default();
    let arguments = [signal as usize, 0, &raw mut action as usize, MASK, 0, 0];
    // SAFETY: asks only; `action` has room for the answer.
    unsafe { system_call(libc::SYS_rt_sigaction, arguments) }.map_err(error)?;
    Ok(action)
}

fn set(signal: i32, action: &Action) -> io::Result<()> {
    let action = ptr::from_ref(action) as usize;
    // SAFETY: the handler is async-signal-safe and of the type that SA_SIGINFO
    // asks for; the restorer returns from it.
    let done = unsafe {
        system_call(
            libc::SYS_rt_sigaction,
            [signal as usize, action, 0, MASK, 0, 0],
        )
    };
    done.map(|_| ()).map_err(error)
}

unsafe extern "C" fn handle(signal: i32, info: *mut Info, context: *mut libc::ucontext_t) {
    // SAFETY: the kernel's own arguments.
    if unsafe { answer(info, context) } {
        return;
    }
    // SAFETY: as above.
    #[cfg(target_arch = "aarch64")]
    if super::hold::answer(unsafe { &*info }) {
        return;
    }
    // SAFETY: leaked when it was stored, never freed.
    let previous = unsafe { PREVIOUS.load(Ordering::Acquire).as_ref() };
    match previous.map_or(libc::SIG_DFL, |action| action.handler) {
        libc::SIG_IGN => {}
        libc::SIG_DFL => die(signal),
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
fn die(signal: i32) {
    let default = Action::default();
    let (number, default) = (signal as usize, &raw const default as usize);
    // SAFETY: a local of the kernel's layout; what is pending comes when the
    // handler returns.
    unsafe {
        let _ = system_call(libc::SYS_rt_sigaction, [number, default, 0, MASK, 0, 0]);
        let _ = system_call(
            libc::SYS_tgkill,
            [process_id(), thread_id(), number, 0, 0, 0],
        );
    }
}

/// Queues the signal for one thread, with a value.
pub(super) fn send(signal: i32, process: usize, thread: i32, value: u64) -> Result<(), i32> {
    send_marked(MARK, signal, process, thread, value)
}

/// The same, with a mark that says whose the value is.
pub(super) fn send_marked(
    mark: u32,
    signal: i32,
    process: usize,
    thread: i32,
    value: u64,
) -> Result<(), i32> {
    let info = Info::new(mark, signal, process as i32, value);
    let info = &raw const info as usize;
    let arguments = [process, thread as usize, signal as usize, info, 0, 0];
    // SAFETY: `info` is a whole siginfo_t.
    unsafe { system_call(libc::SYS_rt_tgsigqueueinfo, arguments) }.map(|_| ())
}
