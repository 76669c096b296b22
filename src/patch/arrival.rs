//! How generated code hands an address to a function of any type.
//!
//! A stub knows more than its arguments: which closure, which mocked function.
//! It puts the address of that in a register that carries no argument and jumps
//! to [`dispatch`], which pushes it on a small stack of the calling thread, with
//! all argument registers kept, and jumps to the *thunk* whose address stands
//! first there: a function of the target's own type, whose first act is to
//! [`pop`]. A signal handler that comes between the two and calls a patched
//! function itself pushes and pops above, so the stack is as it was when it
//! returns.

#[cfg(target_arch = "aarch64")]
mod aarch64;
#[cfg(target_arch = "x86_64")]
mod x86_64;

#[cfg(target_arch = "aarch64")]
use aarch64 as machine;
#[cfg(target_arch = "x86_64")]
use x86_64 as machine;

use std::cell::Cell;
use std::sync::atomic::{Ordering, compiler_fence};

pub(super) use machine::dispatch;

const DEPTH: usize = 16;

struct Pending {
    depth: Cell<usize>,
    arrivals: [Cell<*const ()>; DEPTH],
}

thread_local! {
    static PENDING: Pending = const {
        Pending { depth: Cell::new(0), arrivals: [const { Cell::new(std::ptr::null()) }; DEPTH] }
    };
}

extern "C" fn push(arrival: *const ()) {
    PENDING.with(|pending| {
        let depth = pending.depth.get();
        // More levels would take more signal handlers, each interrupting the
        // last one between two instructions.
        if depth == DEPTH {
            std::process::abort();
        }
        // The place is taken before it is filled: a handler in between uses
        // the next one.
        pending.depth.set(depth + 1);
        compiler_fence(Ordering::SeqCst);
        pending.arrivals[depth].set(arrival);
    });
}

/// What the stub that led to the calling thunk stands for.
///
/// # Safety
///
/// The caller is a thunk that is about to begin, and the stubs that lead to it
/// are those of `T`s, whose first field is the thunk's address and which stay.
pub(crate) unsafe fn pop<T>() -> &'static T {
    PENDING.with(|pending| {
        let depth = pending.depth.get() - 1;
        let arrival = pending.arrivals[depth].get();
        compiler_fence(Ordering::SeqCst);
        pending.depth.set(depth);
        // SAFETY: the caller's promise.
        unsafe { &*arrival.cast::<T>() }
    })
}
