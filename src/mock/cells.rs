//! What each thread's cells for mocked functions hold, and the calls from outside.
//!
//! A cell is a counter of one thread for one mocked function, read by the
//! function's selector ([`crate::patch::selector`]): negative sends a call to the
//! mock layer, otherwise it is the number of calls that have gone straight to the
//! original. All cells are negative at first, so that a thread comes here once
//! for each function and is told whether it has to come again.
//!
//! A thread that sees no mock at all is *outside*: no scope has reached it, or all
//! mocks of its scope are over. Its counts are what is said about calls from
//! outside when an expectation fails.
//!
//! What this does not do: make a thread known without allocating. Threads are when
//! they are started; one that is older than the first mock is known from its first
//! call of a mocked function on, so that one is not for a signal handler.

use super::scope::{Busy, Scope};
use crate::patch::selector::thread_pointer;
use crate::symbols::{self, ModuleRole};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

/// So many functions have cells. Calls of those that are mocked after them go
/// through the mock layer in every thread.
pub(super) const CELLS: usize = 256;

/// A cell that sends calls to the mock layer.
const ASK: i32 = i32::MIN;

thread_local! {
    static MINE: [AtomicI32; CELLS] = const { [const { AtomicI32::new(ASK) }; CELLS] };
    static MEMBER: RefCell<Option<Member>> = const { RefCell::new(None) };
    static IS_MEMBER: Cell<bool> = const { Cell::new(false) };
}

/// The distance from the thread pointer to a function's cell, if that is the same
/// in every thread: it is where this code is part of the program. In a library
/// that was loaded later it need not be.
pub(super) fn distance(index: usize) -> Option<isize> {
    static IS_FIXED: OnceLock<bool> = OnceLock::new();
    let is_fixed = *IS_FIXED.get_or_init(|| {
        let own = distance as fn(usize) -> Option<isize> as usize;
        symbols::module_at(own).is_some_and(|module| module.role() == ModuleRole::Program)
    });
    if !is_fixed || index >= CELLS {
        return None;
    }
    let at = MINE.with(|cells| std::ptr::from_ref(&cells[index]) as usize);
    Some(at.wrapping_sub(thread_pointer()) as isize)
}

/// One thread's cells, for others to read.
struct Thread {
    name: Name,
    /// Where they are, for as long as the thread is in the list.
    cells: usize,
    scope: Mutex<Scope>,
}

#[derive(Default)]
struct Threads {
    running: Vec<Arc<Thread>>,
    /// Calls from outside by threads that have ended or are outside no more: by
    /// function and thread name.
    past: BTreeMap<(usize, String), u64>,
}

static THREADS: Mutex<Option<Threads>> = Mutex::new(None);

fn threads() -> MutexGuard<'static, Option<Threads>> {
    lock(&THREADS)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The calling thread's place in the list, until it ends.
struct Member(Arc<Thread>);

impl Drop for Member {
    fn drop(&mut self) {
        let _busy = Busy::enter();
        let mut threads = threads();
        let threads = threads.get_or_insert_default();
        if self.0.is_outside() {
            threads.bank(&self.0);
        }
        threads.running.retain(|other| !Arc::ptr_eq(other, &self.0));
        // The cells are there until the thread is gone; from here on they count
        // for nobody, and nothing looks for a scope.
    }
}

impl Threads {
    /// Moves what a thread has counted to the past.
    fn bank(&mut self, thread: &Thread) {
        for index in 0..CELLS {
            let counted = thread.counted(index);
            if counted > 0 {
                *self.past.entry((index, thread.name.get())).or_default() += counted;
            }
        }
    }
}

impl Thread {
    fn is_outside(&self) -> bool {
        lock(&self.scope).is_over()
    }

    fn counted(&self, index: usize) -> u64 {
        let cells = self.cells as *const [AtomicI32; CELLS];
        // SAFETY: the cells of a thread in the list are there, as it leaves the
        // list before it ends.
        let cell = unsafe { &*cells }.get(index);
        cell.map_or(0, |cell| cell.load(Ordering::Relaxed).max(0) as u64)
    }
}

/// Makes the calling thread known. A thread that is about to end stays unknown.
pub(super) fn join() {
    if IS_MEMBER.get() {
        return;
    }
    let thread = Arc::new(Thread {
        name: Name::default(),
        cells: MINE.with(std::ptr::from_ref) as usize,
        scope: Mutex::default(),
    });
    let member = Member(Arc::clone(&thread));
    let _ = MEMBER.try_with(|own| {
        if let Ok(mut own) = own.try_borrow_mut() {
            threads().get_or_insert_default().running.push(thread);
            *own = Some(member);
            IS_MEMBER.set(true);
        }
    });
}

/// The calling thread comes into a scope, or leaves the last one: what it has
/// counted so far was outside or not, and it asks again about every function.
pub(super) fn set_scope(scope: Scope) {
    join();
    let before = MEMBER.try_with(|own| {
        let own = own.try_borrow().ok()?;
        let Member(thread) = own.as_ref()?;
        if thread.is_outside() {
            threads().get_or_insert_default().bank(thread);
        }
        Some(std::mem::replace(&mut *lock(&thread.scope), scope))
    });
    drop(before);
    MINE.with(|cells| {
        for cell in cells {
            cell.store(ASK, Ordering::Relaxed);
        }
    });
}

/// The calling thread goes on asking about a function. Said at each call: a
/// counter that nobody sets back would not be negative for ever.
pub(super) fn ask(index: usize) {
    if index < CELLS {
        MINE.with(|cells| cells[index].store(ASK, Ordering::Relaxed));
    }
}

/// The calling thread asks no more about a function: its calls go straight to the
/// original, and this one was the first. If all calls come here, they are counted
/// here.
pub(super) fn go_straight(index: usize) {
    if index < CELLS && IS_MEMBER.get() {
        let _ = MEMBER.try_with(|own| {
            if let Some(Member(thread)) = own.try_borrow().ok()?.as_ref() {
                thread.name.refresh();
            }
            Some(())
        });
        MINE.with(|cells| {
            let counted = cells[index].load(Ordering::Relaxed).max(0);
            cells[index].store(counted.saturating_add(1), Ordering::Relaxed);
        });
    }
}

/// Calls of a function from outside, by the names of threads, since the program
/// has begun.
pub(super) fn outside(index: usize) -> BTreeMap<String, u64> {
    let mut calls = BTreeMap::new();
    let _busy = Busy::enter();
    let threads = threads();
    let Some(threads) = &*threads else {
        return calls;
    };
    for ((of, name), count) in &threads.past {
        if *of == index {
            *calls.entry(name.clone()).or_default() += count;
        }
    }
    for thread in &threads.running {
        let count = thread.counted(index);
        if count > 0 && thread.is_outside() {
            *calls.entry(thread.name.get()).or_default() += count;
        }
    }
    calls
}

/// The name of a thread. Most are given one after they have begun, so it is asked
/// for again when the thread is told to count.
#[derive(Default)]
struct Name([AtomicU64; 2]);

impl Name {
    /// To be called by the thread.
    fn refresh(&self) {
        for (half, now) in self.0.iter().zip(own_name_bytes().as_chunks::<8>().0) {
            half.store(u64::from_ne_bytes(*now), Ordering::Relaxed);
        }
    }

    fn get(&self) -> String {
        let halves = self.0.each_ref();
        let bytes = halves.map(|half| half.load(Ordering::Relaxed).to_ne_bytes());
        in_words(bytes.as_flattened())
    }
}

/// The name of the calling thread, as the operating system has it.
pub(super) fn own_name() -> String {
    in_words(&own_name_bytes())
}

fn own_name_bytes() -> [u8; 16] {
    let mut name = [0_u8; 16];
    // SAFETY: PR_GET_NAME writes up to 16 bytes, the last of them zero.
    unsafe { libc::prctl(libc::PR_GET_NAME, name.as_mut_ptr()) };
    name
}

fn in_words(name: &[u8]) -> String {
    let end = name.iter().position(|&byte| byte == 0);
    String::from_utf8_lossy(&name[..end.unwrap_or(name.len())]).into_owned()
}
