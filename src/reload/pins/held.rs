//! Who holds which generation.
//!
//! Generations are numbered from zero; here they are counted from one (*eras*), for
//! zero is nobody's. [`CURRENT`] is that of unpinned code. What a thread is pinned
//! to is in a word of its own ([`words`]) that version selectors read
//! ([`crate::patch::versions`]), and once more where others can read it: in a
//! record that stays when the thread is gone.
//!
//! Whoever pins a thread writes down the era and then looks whether it is current
//! still; whoever makes a new one current looks at the records after that. So one
//! of both sees the other: an era that nobody is found to hold, and which is not
//! current, is held by nobody for good. What is handed on, from a thread to a
//! future or back, is handed on under the lock under which is looked.
//!
//! A thread's pins end with it: a guard that was forgotten holds nothing for ever.

use crate::threads::system_call::thread_id;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicPtr, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};
use std::time::Duration;

/// The era of all that is not pinned.
pub(in super::super) static CURRENT: AtomicU64 = AtomicU64::new(1);

/// What a thread is pinned to, for others to read. Records are never freed, and
/// used again.
struct Record {
    /// Zero if it is not.
    era: AtomicU64,
    thread: AtomicI32,
    /// Since when, in nanoseconds of [`clock`].
    since: AtomicU64,
    is_taken: AtomicBool,
    next: *const Record,
}

// SAFETY: `next` is never written once others know of the record.
unsafe impl Sync for Record {}

static RECORDS: AtomicPtr<Record> = AtomicPtr::new(ptr::null_mut());

fn records() -> impl Iterator<Item = &'static Record> {
    let mut next = RECORDS.load(Ordering::Acquire).cast_const();
    std::iter::from_fn(move || {
        // SAFETY: records are never freed.
        let record = unsafe { next.as_ref() }?;
        next = record.next;
        Some(record)
    })
}

impl Record {
    /// One for the calling thread.
    fn take() -> &'static Self {
        let free = records().find(|record| !record.is_taken.swap(true, Ordering::AcqRel));
        let record = free.unwrap_or_else(|| {
            let new = Box::leak(Box::new(Self {
                era: AtomicU64::new(0),
                thread: AtomicI32::new(0),
                since: AtomicU64::new(0),
                is_taken: AtomicBool::new(true),
                next: RECORDS.load(Ordering::Acquire),
            }));
            while let Err(first) = RECORDS.compare_exchange(
                new.next.cast_mut(),
                new,
                Ordering::AcqRel,
                Ordering::Acquire,
            ) {
                new.next = first;
            }
            new
        });
        record.thread.store(thread_id() as i32, Ordering::Relaxed);
        record
    }

    fn give_back(&self) {
        self.era.store(0, Ordering::Release);
        self.is_taken.store(false, Ordering::Release);
    }
}

/// The calling thread's pins. Nothing in here is dropped, so that it is there
/// until the thread is gone.
struct Own {
    /// What selectors read: the era of the future that is polled, else that of the
    /// guards.
    word: Cell<u64>,
    guards: Cell<u64>,
    era: Cell<u64>,
    polled: Cell<u64>,
    record: Cell<Option<&'static Record>>,
    /// Guards of an earlier life count no more: see [`Leaver`].
    life: Cell<u64>,
}

thread_local! {
    static OWN: Own = const {
        Own {
            word: Cell::new(0),
            guards: Cell::new(0),
            era: Cell::new(0),
            polled: Cell::new(0),
            record: Cell::new(None),
            life: Cell::new(0),
        }
    };
    static LEAVER: Leaver = const { Leaver };
}

/// Ends the thread's pins when it ends.
struct Leaver;

impl Drop for Leaver {
    fn drop(&mut self) {
        OWN.with(|own| {
            own.life.set(own.life.get() + 1);
            own.guards.set(0);
            own.era.set(0);
            own.show();
            if let Some(record) = own.record.take() {
                record.give_back();
            }
        });
    }
}

impl Own {
    fn show(&self) {
        let polled = self.polled.get();
        self.word
            .set(if polled != 0 { polled } else { self.era.get() });
    }

    fn first_guard(&self) {
        let record = self.record.get().unwrap_or_else(|| {
            let record = Record::take();
            self.record.set(Some(record));
            record
        });
        record.since.store(clock(), Ordering::Relaxed);
        let polled = self.polled.get();
        let era = if polled != 0 {
            // Handed on: the future that is polled holds it.
            let _shared = shared();
            record.era.store(polled, Ordering::SeqCst);
            polled
        } else {
            loop {
                let era = CURRENT.load(Ordering::SeqCst);
                record.era.store(era, Ordering::SeqCst);
                if CURRENT.load(Ordering::SeqCst) == era {
                    break era;
                }
            }
        };
        self.era.set(era);
    }

    fn last_guard(&self) {
        self.era.set(0);
        self.show();
        let Some(record) = self.record.get() else {
            return;
        };
        record.era.store(0, Ordering::Release);
        // The thread is about to end: nobody else would give it back.
        if LEAVER.try_with(|_| ()).is_err() {
            self.record.set(None);
            record.give_back();
        }
    }
}

/// The calling thread's pin: its era, and what it takes to end it.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(super) struct Ticket {
    pub(super) era: u64,
    life: u64,
}

/// Pins the calling thread, unless it is.
pub(super) fn enter() -> Ticket {
    // Makes it be dropped when the thread ends.
    let _ = LEAVER.try_with(|_| ());
    OWN.with(|own| {
        if own.guards.get() == 0 {
            own.first_guard();
        }
        own.guards.set(own.guards.get() + 1);
        own.show();
        Ticket {
            era: own.word.get(),
            life: own.life.get(),
        }
    })
}

/// Ends what [`enter`] began.
pub(super) fn leave(ticket: Ticket) {
    OWN.with(|own| {
        if own.life.get() != ticket.life || own.guards.get() == 0 {
            return;
        }
        own.guards.set(own.guards.get() - 1);
        if own.guards.get() == 0 {
            own.last_guard();
        }
    });
}

/// How many futures hold an era.
type Futures = BTreeMap<u64, u64>;

static SHARED: Mutex<Futures> = Mutex::new(Futures::new());

fn shared() -> MutexGuard<'static, Futures> {
    SHARED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A future is made: the era that it holds.
pub(super) fn hold() -> u64 {
    let own = OWN.with(|own| own.word.get());
    let mut shared = shared();
    let era = match own {
        0 => CURRENT.load(Ordering::SeqCst),
        own => own,
    };
    *shared.entry(era).or_default() += 1;
    era
}

/// A future is no more.
pub(super) fn release(era: u64) {
    let mut shared = shared();
    if let Some(count) = shared.get_mut(&era) {
        *count -= 1;
        if *count == 0 {
            shared.remove(&era);
        }
    }
}

/// A future of this era is polled in this thread; what was, before.
pub(super) fn begin(era: u64) -> u64 {
    OWN.with(|own| {
        let before = own.polled.replace(era);
        own.show();
        before
    })
}

/// Ends what [`begin`] began.
pub(super) fn end(before: u64) {
    OWN.with(|own| {
        own.polled.set(before);
        own.show();
    });
}

/// How far the calling thread's word is from its thread pointer.
pub(in super::super) fn distance() -> i64 {
    let at = OWN.with(|own| own.word.as_ptr() as i64);
    at.wrapping_sub(crate::patch::selector::thread_pointer() as i64)
}

/// The eras that somebody is pinned to.
pub(in super::super) fn eras() -> BTreeSet<u64> {
    let shared = shared();
    let threads = records().map(|record| record.era.load(Ordering::SeqCst));
    let mut eras: BTreeSet<u64> = threads.filter(|era| *era != 0).collect();
    eras.extend(shared.keys());
    eras
}

/// A pinned thread.
pub(in super::super) struct Thread {
    pub(in super::super) era: u64,
    pub(in super::super) thread: i32,
    pub(in super::super) time: Duration,
}

/// All pinned threads, and how many futures hold which era.
pub(in super::super) fn holders() -> (Vec<Thread>, BTreeMap<u64, u64>) {
    let shared = shared();
    let now = clock();
    let threads = records().filter_map(|record| {
        let era = record.era.load(Ordering::SeqCst);
        (era != 0).then(|| Thread {
            era,
            thread: record.thread.load(Ordering::Relaxed),
            time: Duration::from_nanos(now.saturating_sub(record.since.load(Ordering::Relaxed))),
        })
    });
    (threads.collect(), shared.clone())
}

/// Nanoseconds of a clock that is asked for in a few, and ticks every few milliseconds.
fn clock() -> u64 {
    let mut now = MaybeUninit::<libc::timespec>::zeroed();
    // SAFETY: there is room for the answer; libc asks the kernel's page, not the kernel.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC_COARSE, now.as_mut_ptr()) };
    // SAFETY: filled, or zeros, which are a time, too.
    let now = unsafe { now.assume_init() };
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

thread_local! {
    static FORKING: RefCell<Option<MutexGuard<'static, Futures>>> = const { RefCell::new(None) };
}

/// Makes forks safe from now on: the lock is nobody's in the child, where the
/// pins of the other threads are over.
pub(in super::super) fn prepare_forks() {
    static REGISTERED: Once = Once::new();
    REGISTERED.call_once(|| {
        // SAFETY: the handlers live as long as this code; glibc forgets them
        // if it is unloaded.
        unsafe { libc::pthread_atfork(Some(before), Some(after), Some(in_child)) };
    });
}

unsafe extern "C" fn before() {
    // A thread that forks while its thread-locals are dropped takes its chances.
    let _ = FORKING.try_with(|held| *held.borrow_mut() = Some(shared()));
}

unsafe extern "C" fn after() {
    let _ = FORKING.try_with(|held| held.borrow_mut().take());
}

unsafe extern "C" fn in_child() {
    let own = OWN.with(|own| own.record.get());
    for record in records() {
        match own {
            Some(own) if ptr::eq(own, record) => {
                record.thread.store(thread_id() as i32, Ordering::Relaxed);
            }
            _ => record.era.store(0, Ordering::Relaxed),
        }
    }
    let _ = FORKING.try_with(|held| held.borrow_mut().take());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pin_and_unpin() {
        leave(enter());
    }

    struct AtTheEnd;

    impl Drop for AtTheEnd {
        fn drop(&mut self) {
            pin_and_unpin();
        }
    }

    thread_local!(static LAST: AtTheEnd = const { AtTheEnd });

    #[test]
    fn records_of_threads_that_have_ended_are_used_again() {
        for n in 0..60 {
            let thread = std::thread::spawn(move || match n % 3 {
                0 => pin_and_unpin(),
                // A pin when thread-locals are dropped, before or after those of this module.
                1 => {
                    LAST.with(|_| ());
                    pin_and_unpin();
                }
                _ => {
                    pin_and_unpin();
                    LAST.with(|_| ());
                }
            });
            thread.join().unwrap();
        }
        // Other tests may pin a few threads meanwhile.
        let count = records().count();
        assert!(count < 20, "{count} records");
    }
}
