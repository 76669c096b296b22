//! The SIGTRAP handler, and the table of where a trapped thread has to go.
//!
//! A thread traps at a byte of midair's in three cases: it woke up between two
//! instructions that a jump now covers, it met the `int3` that stands at an
//! entry while the bytes behind it change, or the patch is an `int3` for good.
//! Each such address has one entry in the table: where the same computation
//! goes on. When the bytes are the original ones again, the address leads to
//! itself, so that a signal that is delivered late still finds its way; it is
//! forgotten once no thread can be on that way any more.
//!
//! The handler takes no lock, allocates nothing and calls nothing. A trap that
//! is not midair's goes to the handler that was there before. What this cannot
//! do: a thread that blocks SIGTRAP is killed by the kernel when it traps.

use super::machine;
use std::cell::Cell;
use std::io;
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering, fence};

struct Table {
    /// A power of two of (address, destination); 0 is a free entry.
    entries: Box<[(AtomicUsize, AtomicUsize)]>,
    used: AtomicUsize,
}

static TABLE: AtomicPtr<Table> = AtomicPtr::new(ptr::null_mut());
/// How often the table was changed: counted when it has been.
static CHANGES: AtomicUsize = AtomicUsize::new(0);
static WRITERS: Mutex<()> = Mutex::new(());
/// What SIGTRAP did before midair's handler was installed, the latest first:
/// there are several if others were installed in front of it since. Leaked, as
/// a handler may be reading it.
static PREVIOUS: AtomicPtr<Previous> = AtomicPtr::new(ptr::null_mut());

struct Previous {
    action: libc::sigaction,
    older: *const Previous,
}

thread_local! {
    /// How many handlers this thread has chained to and not come back from. One
    /// that was installed in front of midair's may chain to midair's in turn.
    static CHAINED: Cell<usize> = const { Cell::new(0) };
}

impl Table {
    fn with_capacity(capacity: usize) -> Self {
        let entries = (0..capacity).map(|_| Default::default()).collect();
        Self {
            entries,
            used: AtomicUsize::new(0),
        }
    }

    fn places(&self, address: usize) -> impl Iterator<Item = &(AtomicUsize, AtomicUsize)> {
        let mask = self.entries.len() - 1;
        // Fibonacci hashing: addresses differ in their middle bits.
        let first = (address as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        (0..self.entries.len()).map(move |n| &self.entries[(first as usize + n) & mask])
    }

    fn get(&self, address: usize) -> Option<usize> {
        for (key, value) in self.places(address) {
            match key.load(Ordering::Acquire) {
                0 => return None,
                k if k == address => {
                    return Some(value.load(Ordering::Acquire)).filter(|to| *to != 0);
                }
                _ => {}
            }
        }
        None
    }

    fn insert(&self, address: usize, destination: usize) {
        for (key, value) in self.places(address) {
            let k = key.load(Ordering::Relaxed);
            if k == 0 || k == address {
                value.store(destination, Ordering::Release);
                key.store(address, Ordering::Release);
                if k == 0 {
                    self.used.fetch_add(1, Ordering::Relaxed);
                }
                return;
            }
        }
    }
}

/// From now on, a thread that traps at `address` goes on at `destination`.
pub(crate) fn redirect(entries: impl IntoIterator<Item = (usize, usize)>) {
    let _writer = WRITERS
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner());
    for (address, destination) in entries {
        // SAFETY: tables are leaked, never freed.
        let mut table = unsafe { TABLE.load(Ordering::Acquire).as_ref() };
        if table.is_none_or(|t| t.used.load(Ordering::Relaxed) * 2 >= t.entries.len()) {
            let capacity = table.map_or(1024, |t| t.entries.len() * 2);
            let larger = Box::leak(Box::new(Table::with_capacity(capacity)));
            for (key, value) in table.iter().flat_map(|t| t.entries.iter()) {
                let key = key.load(Ordering::Relaxed);
                if key != 0 {
                    larger.insert(key, value.load(Ordering::Relaxed));
                }
            }
            TABLE.store(larger, Ordering::Release);
            table = Some(larger);
        }
        if let Some(table) = table {
            table.insert(address, destination);
        }
    }
    CHANGES.fetch_add(1, Ordering::Release);
}

/// The code at `addresses` was unmapped: what traps there from now on is not
/// midair's.
pub(crate) fn forget(addresses: impl IntoIterator<Item = usize>) {
    redirect(addresses.into_iter().map(|address| (address, 0)));
}

/// Those of `addresses` that lead to themselves are not midair's any more: no
/// thread is on its way to the handler from there.
pub(crate) fn forget_settled(addresses: impl IntoIterator<Item = usize>) {
    forget(
        addresses
            .into_iter()
            .filter(|&at| destination(at) == Some(at)),
    );
}

/// Where a thread goes on that traps at `address`.
fn destination(address: usize) -> Option<usize> {
    // SAFETY: tables are leaked, never freed.
    let table = unsafe { TABLE.load(Ordering::Acquire).as_ref() };
    table?.get(address)
}

/// Where a thread goes on that has trapped at `address`, unless the trap is
/// somebody else's: one that was set where midair's bytes are gone.
fn way_on(address: usize) -> Option<usize> {
    loop {
        let changes = CHANGES.load(Ordering::Acquire);
        let to = destination(address)?;
        if to != address {
            return Some(to);
        }
        // SAFETY: the thread has executed this just now.
        if !unsafe { machine::is_breakpoint(address) } {
            return Some(address);
        }
        // A patch that is being made has told the table before it wrote its
        // trap. One more look at the table does not do: that patch may be gone
        // again (`tests/model`, `two_looks_do_not_tell_whose_a_trap_is`).
        fence(Ordering::Acquire);
        if CHANGES.load(Ordering::Relaxed) == changes {
            return None;
        }
    }
}

/// Makes sure that SIGTRAP comes to midair first.
pub(crate) fn ensure_handler() -> io::Result<()> {
    let _writer = WRITERS
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner());
    let mut current = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: asks only; `current` has room for the answer.
    if unsafe { libc::sigaction(libc::SIGTRAP, ptr::null(), current.as_mut_ptr()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: filled by the call above.
    let current = unsafe { current.assume_init() };
    let handler: extern "C" fn(i32, *mut libc::siginfo_t, *mut libc::c_void) = handle;
    if current.sa_sigaction == handler as usize {
        return Ok(());
    }
    let older = PREVIOUS.load(Ordering::Acquire);
    let previous = Box::leak(Box::new(Previous {
        action: current,
        older,
    }));
    PREVIOUS.store(previous, Ordering::Release);
    // SAFETY: all zeros is a valid sigaction: no flags, an empty mask.
    let mut ours: libc::sigaction = unsafe { MaybeUninit::zeroed().assume_init() };
    ours.sa_sigaction = handler as usize;
    // NODEFER: a patched function that traps may be called by the handler that
    // this one chains to. All other signals wait: frames of several handlers
    // may be more than an alternate stack holds (3 kB each with AVX-512).
    ours.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_NODEFER | libc::SA_RESTART;
    // SAFETY: fills the mask of a local.
    unsafe {
        libc::sigfillset(&mut ours.sa_mask);
        libc::sigdelset(&mut ours.sa_mask, libc::SIGTRAP);
    }
    // SAFETY: `handle` is async-signal-safe and has the type that SA_SIGINFO asks for.
    if unsafe { libc::sigaction(libc::SIGTRAP, &ours, ptr::null_mut()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

extern "C" fn handle(signal: i32, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: the kernel passes a ucontext_t to a SA_SIGINFO handler.
    let saved = unsafe { &mut *context.cast::<libc::ucontext_t>() };
    // SAFETY: the kernel passes the signal's information.
    let code = unsafe { (*info).si_code };
    // Single steps and watchpoints have other codes.
    let is_breakpoint = code == machine::BREAKPOINT_CODE;
    if is_breakpoint && let Some(destination) = way_on(machine::trapped_at(saved)) {
        machine::go_on(saved, destination);
        return;
    }
    chain(signal, info, context, code > 0);
}

/// Does what the handler before midair's would have done.
fn chain(
    signal: i32,
    info: *mut libc::siginfo_t,
    context: *mut libc::c_void,
    raised_by_code: bool,
) {
    let depth = CHAINED.get();
    // SAFETY: leaked when it was stored, never freed.
    let mut previous = unsafe { PREVIOUS.load(Ordering::Acquire).as_ref() };
    for _ in 0..depth {
        // SAFETY: as above.
        previous = previous.and_then(|p| unsafe { p.older.as_ref() });
    }
    let previous = previous.map(|p| &p.action);
    match previous.map_or(libc::SIG_DFL, |action| action.sa_sigaction) {
        libc::SIG_IGN if !raised_by_code => {}
        libc::SIG_DFL | libc::SIG_IGN => die(signal),
        handler => {
            CHAINED.set(depth + 1);
            if let Some(action) = previous {
                mask_for(action, signal, context);
            }
            let with_info = previous.is_some_and(|p| p.sa_flags & libc::SA_SIGINFO != 0);
            // SAFETY: the address is the handler that someone installed, of
            // the type that its flags say.
            unsafe {
                if with_info {
                    type WithInfo = extern "C" fn(i32, *mut libc::siginfo_t, *mut libc::c_void);
                    std::mem::transmute::<usize, WithInfo>(handler)(signal, info, context);
                } else {
                    std::mem::transmute::<usize, extern "C" fn(i32)>(handler)(signal);
                }
            }
            CHAINED.set(depth);
        }
    }
}

/// Blocks what the kernel would have blocked for the handler of `action`: what
/// the interrupted code had blocked, and what the handler asks for. Leaving
/// midair's handler brings the old mask back.
fn mask_for(action: &libc::sigaction, signal: i32, context: *mut libc::c_void) {
    // SAFETY: the kernel passes a ucontext_t; the calls are async-signal-safe
    // and change a local mask and that of the thread.
    unsafe {
        let mut mask = (*context.cast::<libc::ucontext_t>()).uc_sigmask;
        for other in 1..=64 {
            if libc::sigismember(&action.sa_mask, other) == 1 {
                libc::sigaddset(&mut mask, other);
            }
        }
        if action.sa_flags & libc::SA_NODEFER == 0 {
            libc::sigaddset(&mut mask, signal);
        }
        libc::pthread_sigmask(libc::SIG_SETMASK, &mask, ptr::null_mut());
    }
}

/// The default is to die of it; so does a trap that is ignored.
fn die(signal: i32) {
    // SAFETY: all of these are async-signal-safe; zeros are a valid sigaction,
    // the default one.
    unsafe {
        let default: libc::sigaction = MaybeUninit::zeroed().assume_init();
        libc::sigaction(signal, &default, ptr::null_mut());
        libc::raise(signal);
    }
}
