//! The registry's lock, which is fair.
//!
//! A mutex of the standard library goes to whoever comes first when it is free:
//! a thread that patches in a loop has it again before one that waits has woken
//! up, for seconds. So whoever finds it taken queues before a second mutex, and
//! whoever comes while somebody does that queues as well. The first of the queue
//! is the next to have the lock. Without contention this is one load more.
//!
//! A fork takes both, so that no other thread has one of them in the child.

use super::registry::Registry;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

type Held = Option<Registry>;

static REGISTRY: Mutex<Held> = Mutex::new(None);
/// Held by whoever is the next to have the lock.
static NEXT: Mutex<()> = Mutex::new(());
/// How many threads are in the queue, or are forking.
static QUEUED: AtomicUsize = AtomicUsize::new(0);

/// The registry's lock, whatever is behind it.
pub(super) type Guard = MutexGuard<'static, Held>;

pub(super) fn lock() -> Guard {
    if QUEUED.load(Ordering::Relaxed) == 0 {
        match REGISTRY.try_lock() {
            Ok(guard) => return guard,
            Err(TryLockError::Poisoned(poisoned)) => return poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => {}
        }
    }
    let queued = Queued::new();
    let guard = REGISTRY.lock().unwrap_or_else(PoisonError::into_inner);
    drop(queued);
    guard
}

/// The first place of the queue.
struct Queued {
    _next: MutexGuard<'static, ()>,
}

impl Queued {
    fn new() -> Self {
        QUEUED.fetch_add(1, Ordering::Relaxed);
        let _next = NEXT.lock().unwrap_or_else(PoisonError::into_inner);
        Self { _next }
    }
}

impl Drop for Queued {
    fn drop(&mut self) {
        QUEUED.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Everything that a fork must find unlocked in the child.
pub(super) struct ForFork {
    _queued: Queued,
    _guard: Guard,
}

impl ForFork {
    pub(super) fn lock() -> Self {
        let _queued = Queued::new();
        let _guard = REGISTRY.lock().unwrap_or_else(PoisonError::into_inner);
        Self { _queued, _guard }
    }

    /// The other threads are not in the child, nor in its queue.
    pub(super) fn in_child(&self) {
        QUEUED.store(1, Ordering::Relaxed);
    }
}
