//! The registry's lock, which is fair.
//!
//! A mutex of the standard library goes to whoever comes first when it is free:
//! a thread that patches in a loop may have it again before one that waits has
//! woken up. So whoever finds it taken queues at a second mutex, and whoever
//! comes while somebody does that queues as well. The first of the queue is the
//! next to have the lock. Without contention this is one load more.
//!
//! A fork takes both, so that no other thread has one of them in the child.

use super::registry::Registry;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

static REGISTRY: Fair<Option<Registry>> = Fair::new(None);

/// The registry's lock, whatever is behind it.
pub(super) type Guard = MutexGuard<'static, Option<Registry>>;

pub(super) fn lock() -> Guard {
    REGISTRY.lock()
}

struct Fair<T> {
    value: Mutex<T>,
    /// Held by whoever is the next to have the lock.
    next: Mutex<()>,
    /// How many threads are in the queue, or are forking.
    queued: AtomicUsize,
}

impl<T> Fair<T> {
    const fn new(value: T) -> Self {
        Self {
            value: Mutex::new(value),
            next: Mutex::new(()),
            queued: AtomicUsize::new(0),
        }
    }

    fn lock(&self) -> MutexGuard<'_, T> {
        if self.queued.load(Ordering::Relaxed) == 0 {
            match self.value.try_lock() {
                Ok(guard) => return guard,
                Err(TryLockError::Poisoned(poisoned)) => return poisoned.into_inner(),
                Err(TryLockError::WouldBlock) => {}
            }
        }
        self.queue().1
    }

    /// The lock, and the first place of the queue.
    fn queue(&self) -> (Queued<'_>, MutexGuard<'_, T>) {
        self.queued.fetch_add(1, Ordering::Relaxed);
        let queued = Queued {
            count: &self.queued,
            _next: self.next.lock().unwrap_or_else(PoisonError::into_inner),
        };
        let guard = self.value.lock().unwrap_or_else(PoisonError::into_inner);
        (queued, guard)
    }
}

struct Queued<'a> {
    count: &'a AtomicUsize,
    _next: MutexGuard<'a, ()>,
}

impl Drop for Queued<'_> {
    fn drop(&mut self) {
        self.count.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Everything that a child must find unlocked.
pub(super) struct ForFork {
    queued: Queued<'static>,
    guard: Guard,
}

impl ForFork {
    pub(super) fn lock() -> Self {
        let (queued, guard) = REGISTRY.queue();
        Self { queued, guard }
    }

    /// The registry, if there is one yet.
    pub(super) fn held(&mut self) -> Option<&mut Registry> {
        self.guard.as_mut()
    }

    /// The other threads are not in the child, nor in its queue.
    pub(super) fn in_child(self) {
        self.queued.count.store(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    #[test]
    fn whoever_waits_for_the_lock_has_it_before_whoever_has_had_it() {
        static LOCK: Fair<usize> = Fair::new(0);
        for round in 0..200 {
            let held = LOCK.lock();
            std::thread::scope(|scope| {
                scope.spawn(|| *LOCK.lock() += 1);
                let start = Instant::now();
                while LOCK.next.try_lock().is_ok() {
                    assert!(start.elapsed() < Duration::from_secs(60));
                    std::thread::yield_now();
                }
                drop(held);
                assert_eq!(*LOCK.lock(), round + 1);
            });
        }
        assert_eq!(LOCK.queued.load(Ordering::Relaxed), 0);
    }
}
