//! Locks across a fork.
//!
//! A child has only the thread that forked. A lock that another one held would
//! stay locked there for good, so the forking thread takes midair's locks first
//! and gives them back on both sides. The locks of the layers below are taken
//! only under the registry's, but for that of the module list.

use super::lock::ForFork;
use crate::symbols;
use std::cell::RefCell;
use std::sync::Once;

thread_local! {
    static HELD: RefCell<Option<(ForFork, symbols::ListGuard)>> = const { RefCell::new(None) };
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
    HELD.with(|held| *held.borrow_mut() = Some((registry, list)));
}

unsafe extern "C" fn after() {
    HELD.with(|held| held.borrow_mut().take());
}

unsafe extern "C" fn in_child() {
    HELD.with(|held| {
        if let Some((registry, _)) = held.borrow_mut().take() {
            registry.in_child();
        }
    });
}
