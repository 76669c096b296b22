//! Locks across a fork.
//!
//! A child has only the thread that forked. A lock that another one held would
//! stay locked there for good, so the forking thread takes midair's locks first
//! and gives them back on both sides. The locks of the layers below are taken
//! only under the registry's, but for that of the module list.

use super::lock::ForFork;
use crate::symbols;
use crate::threads::tasks::{self, Tid};
use std::cell::{Cell, RefCell};
use std::sync::Once;

thread_local! {
    static HELD: RefCell<Option<(ForFork, symbols::ListGuard)>> = const { RefCell::new(None) };
    /// The id of the thread that forks.
    static FORKING: Cell<Tid> = const { Cell::new(0) };
}

/// Makes forks safe from now on.
pub(super) fn prepare() {
    static REGISTERED: Once = Once::new();
    REGISTERED.call_once(|| {
        // SAFETY: the handlers live as long as this code; glibc forgets them
        // if it is unloaded.
        unsafe { libc::pthread_atfork(Some(before), Some(after), Some(in_child)) };
    });
}

unsafe extern "C" fn before() {
    let registry = ForFork::lock();
    let list = symbols::lock_list();
    FORKING.set(tasks::own());
    HELD.with(|held| *held.borrow_mut() = Some((registry, list)));
}

unsafe extern "C" fn after() {
    HELD.with(|held| held.borrow_mut().take());
}

/// The thread has another id there, and is as far in transitions as it was.
unsafe extern "C" fn in_child() {
    HELD.with(|held| {
        if let Some((mut registry, _)) = held.borrow_mut().take() {
            if let Some(registry) = registry.held() {
                registry.inherit(FORKING.get(), tasks::own());
            }
            registry.in_child();
        }
    });
}
