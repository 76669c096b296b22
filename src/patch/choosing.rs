//! Choices that are made by asking who calls, and where that thread is.
//!
//! While a crossing is under way, the slots of its functions lead to choices
//! (`choice::by_dispatcher` of [`midair_arch`]) that call [`dispatch`], which
//! keeps every register and asks [`choose`]: the old way or the new one?
//!
//! - *per thread*: a thread that is outside of all the functions goes over to
//!   the new ones, for good; one that is inside goes on with the old ones.
//! - *hold*: a thread that is inside goes on with the old ones, so that it can
//!   leave them; one that is outside waits until all are decided.
//! - *old*, *new*: for everybody.
//!
//! What a thread has been given is kept in a word of its own ([`States`]). Who
//! marks another thread as being outside reads its word, then looks at its stack,
//! and marks it only if the word is still the same: a thread that was given an
//! old function meanwhile has changed it.
//!
//! A choice may be made anywhere, in a signal handler or inside of malloc:
//! nothing here allocates, locks, or writes to `errno`. It takes about 16 kB of
//! the calling thread's stack; on an alternate stack that has less, a thread is
//! not looked at and goes on with what is old.
//!
//! Who waits may hold a lock that the coordinator needs (the allocator's, the
//! dynamic linker's), and a signal handler may call one of the functions while
//! its thread waits. So nobody waits for longer than was said beforehand, and
//! both may *veto* the attempt: then it is off, for all at once. Old or new is
//! decided by one compare-and-swap between a veto and the coordinator.

#[cfg(target_arch = "aarch64")]
mod aarch64;
#[cfg(target_arch = "x86_64")]
mod x86_64;

#[cfg(target_arch = "aarch64")]
pub(super) use aarch64::dispatch;
#[cfg(target_arch = "aarch64")]
use aarch64::{Saved, vectors};
#[cfg(target_arch = "x86_64")]
pub(super) use x86_64::dispatch;
#[cfg(target_arch = "x86_64")]
use x86_64::{Saved, vectors};

use super::inside::{Functions, Position};
use super::limbo::Other;
use crate::threads::frames::OwnStack;
use crate::threads::system_call;
use crate::threads::tasks::Tid;
use std::cell::Cell;
use std::ops::Range;
use std::sync::atomic::{AtomicI32, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence};
use std::time::Duration;

/// What is decided: the low bits of [`Crossing::decision`], under the number
/// of the attempt.
pub(super) mod decision {
    pub(in super::super) const OLD: u32 = 0;
    pub(in super::super) const NEW: u32 = 1;
    pub(in super::super) const HOLD: u32 = 2;
    pub(in super::super) const PER_THREAD: u32 = 3;
    pub(in super::super) const BITS: u32 = 2;
}

/// Many functions on their way from old to new.
pub(super) struct Crossing {
    /// Read by every choice, and a futex for those that wait.
    decision: AtomicU32,
    /// Threads in [`choose`].
    choosing: AtomicUsize,
    /// Who waits for the others: it is never held itself.
    coordinator: AtomicI32,
    /// Until when others may be held, in nanoseconds of the monotonic clock.
    held_until: AtomicU64,
    pub(super) functions: Functions,
    pub(super) states: States,
}

/// One slot's two ways: what a choice gives to [`choose`].
pub(super) struct Choice {
    crossing: *const Crossing,
    old: usize,
    new: usize,
}

// SAFETY: the pointer is to a crossing that is kept with the choices, and which
// threads share by design.
unsafe impl Send for Choice {}

impl Choice {
    pub(super) fn new(crossing: &Crossing, old: usize, new: usize) -> Self {
        Self { crossing, old, new }
    }
}

impl Crossing {
    pub(super) fn new(functions: Functions, threads: usize) -> Self {
        vectors::measure();
        Self {
            decision: AtomicU32::new(decision::OLD),
            choosing: AtomicUsize::new(0),
            coordinator: AtomicI32::new(0),
            held_until: AtomicU64::new(0),
            functions,
            states: States::for_threads(threads),
        }
    }

    /// Decides, and wakes all that wait.
    pub(super) fn decide(&self, what: u32, attempt: u32) {
        self.decision
            .store(attempt << decision::BITS | what, Ordering::SeqCst);
        // Before anybody is looked at: who decides meanwhile has seen this.
        fence(Ordering::SeqCst);
        system_call::wake_all(&self.decision);
    }

    /// From now on, whoever comes from outside waits, but not for longer than
    /// `time`.
    pub(super) fn hold(&self, attempt: u32, time: Duration) {
        let until = system_call::monotonic().saturating_add(time.as_nanos() as u64);
        self.held_until.store(until, Ordering::SeqCst);
        self.decide(decision::HOLD, attempt);
    }

    /// Whether nobody has vetoed the attempt.
    pub(super) fn is_held(&self, attempt: u32) -> bool {
        self.decision.load(Ordering::SeqCst) == attempt << decision::BITS | decision::HOLD
    }

    /// Decides for what is new, unless somebody has vetoed the attempt.
    pub(super) fn decide_new(&self, attempt: u32) -> bool {
        self.replace_hold(attempt, decision::NEW)
    }

    /// The attempt is off.
    fn veto(&self, attempt: u32) {
        self.replace_hold(attempt, decision::OLD);
    }

    fn replace_hold(&self, attempt: u32, what: u32) -> bool {
        let number = attempt << decision::BITS;
        let replaced = self.decision.compare_exchange(
            number | decision::HOLD,
            number | what,
            Ordering::SeqCst,
            Ordering::SeqCst,
        );
        system_call::wake_all(&self.decision);
        replaced.is_ok()
    }

    /// The calling thread waits for the others.
    pub(super) fn coordinate(&self, own: Tid) {
        self.coordinator.store(own, Ordering::SeqCst);
    }
}

/// A crossing that is over, in limbo, with its choices.
pub(super) struct Over {
    pub(super) crossing: Box<Crossing>,
    pub(super) choices: Box<[Choice]>,
}

impl Other for Over {
    fn is_unused(&self) -> bool {
        self.crossing.choosing.load(Ordering::SeqCst) == 0
    }

    fn bytes(&self) -> usize {
        size_of::<Crossing>()
            + self.crossing.states.bytes()
            + size_of_val::<[Choice]>(&self.choices)
    }
}

/// A word for each thread that has met a choice, or has been marked.
pub(super) struct States(Box<[(AtomicI32, AtomicU64)]>);

/// What a word says. The attempt it is about, how often the thread has been
/// given an old function, and whether it is marked as being outside.
const MARKED: u64 = 1;
const GIVEN_OLD: u64 = 2;
const ATTEMPT: u32 = 48;

impl States {
    fn for_threads(threads: usize) -> Self {
        let places = (threads * 4 + 1024).next_power_of_two();
        Self((0..places).map(|_| Default::default()).collect())
    }

    fn bytes(&self) -> usize {
        size_of_val::<[_]>(&self.0)
    }

    /// The word of a thread; none if there is no room for more threads.
    fn of(&self, tid: Tid) -> Option<&AtomicU64> {
        let mask = self.0.len() - 1;
        let first = (tid as u32).wrapping_mul(0x9e37_79b9) as usize;
        for n in 0..self.0.len() {
            let (owner, word) = &self.0[first.wrapping_add(n) & mask];
            match owner.compare_exchange(0, tid, Ordering::SeqCst, Ordering::SeqCst) {
                Ok(_) => return Some(word),
                Err(other) if other == tid => return Some(word),
                Err(_) => {}
            }
        }
        None
    }

    /// What the word says now, to be given to [`States::mark`].
    pub(super) fn read(&self, tid: Tid) -> Option<u64> {
        Some(self.of(tid)?.load(Ordering::SeqCst))
    }

    pub(super) fn is_marked(&self, tid: Tid, attempt: u32) -> bool {
        self.read(tid)
            .is_some_and(|word| word & MARKED != 0 && word >> ATTEMPT == u64::from(attempt as u16))
    }

    /// Marks a thread as being outside, if its word is still `before`.
    pub(super) fn mark(&self, tid: Tid, before: u64, attempt: u32) -> bool {
        let Some(word) = self.of(tid) else {
            return false;
        };
        let count = before & ((1 << ATTEMPT) - 1) & !MARKED;
        let marked = u64::from(attempt as u16) << ATTEMPT | count | MARKED;
        word.compare_exchange(before, marked, Ordering::SeqCst, Ordering::SeqCst)
            .is_ok()
    }

    /// A thread goes on under another id, in the child of a fork.
    pub(super) fn inherit(&self, from: Tid, to: Tid) {
        let word = self.read(from);
        if let (Some(word), Some(own)) = (word, self.of(to)) {
            own.store(word, Ordering::SeqCst);
        }
    }

    /// The thread gets an old function: a mark that somebody is about to make
    /// would be wrong.
    fn give_old(&self, tid: Tid) {
        if let Some(word) = self.of(tid) {
            word.fetch_add(GIVEN_OLD, Ordering::SeqCst);
        }
    }
}

/// Where the code of [`dispatch`] is.
pub(super) fn dispatcher_code() -> Range<usize> {
    unsafe extern "C" {
        // The linker makes these for a section whose name is an identifier.
        static __start_midair_choice: u8;
        static __stop_midair_choice: u8;
    }
    // What is in the section has to be in the program, or the linker drops it and
    // does not make these.
    let entry: extern "C" fn() = dispatch;
    std::hint::black_box(entry);
    (&raw const __start_midair_choice as usize)..(&raw const __stop_midair_choice as usize)
}

thread_local! {
    /// This thread is choosing: what it calls for that is not chosen.
    static CHOOSING: Cell<bool> = const { Cell::new(false) };
}

/// Decides where a call goes on.
unsafe extern "C" fn choose(saved: &mut Saved) {
    // SAFETY: the choice that called has handed over its context, and neither is
    // freed while a thread is on this way: an address of it is on the stack.
    let choice = unsafe { &*saved.context() };
    // SAFETY: lives as long as the choice.
    let crossing = unsafe { &*choice.crossing };
    crossing.choosing.fetch_add(1, Ordering::SeqCst);
    let nested = CHOOSING.replace(true);
    let is_new = match nested {
        true => crossing.chooses_new_meanwhile(),
        false => crossing.chooses_new(saved),
    };
    CHOOSING.set(nested);
    saved.go_on(if is_new { choice.new } else { choice.old });
    crossing.choosing.fetch_sub(1, Ordering::SeqCst);
}

impl Crossing {
    /// Whether the calling thread gets the new function. It may wait.
    fn chooses_new(&self, saved: &Saved) -> bool {
        let own = system_call::thread_id() as Tid;
        loop {
            let now = self.decision.load(Ordering::SeqCst);
            let attempt = now >> decision::BITS;
            let what = now & ((1 << decision::BITS) - 1);
            match what {
                decision::NEW => return true,
                decision::OLD => break,
                decision::PER_THREAD if self.states.is_marked(own, attempt) => return true,
                decision::HOLD if self.coordinator.load(Ordering::SeqCst) == own => break,
                _ => {}
            }
            let before = self.states.read(own);
            let is_outside = self.states.is_marked(own, attempt)
                || has_room_below(saved) && self.is_outside(saved);
            // Without a word of its own, it goes on with what is old.
            let Some(before) = before.filter(|_| is_outside) else {
                break;
            };
            if !self.states.is_marked(own, attempt) && !self.states.mark(own, before, attempt) {
                continue; // somebody else has marked it
            }
            let until = self.held_until.load(Ordering::SeqCst);
            if what == decision::HOLD && !system_call::wait_while(&self.decision, now, until) {
                self.veto(attempt);
            }
        }
        self.states.give_old(own);
        false
    }

    /// The same for a thread that is in [`choose`] already: what that calls for
    /// is patched itself, or a signal handler has come in between.
    fn chooses_new_meanwhile(&self) -> bool {
        let own = system_call::thread_id() as Tid;
        loop {
            let now = self.decision.load(Ordering::SeqCst);
            let attempt = now >> decision::BITS;
            let is_marked = self.states.is_marked(own, attempt);
            match now & ((1 << decision::BITS) - 1) {
                decision::NEW => return true,
                decision::PER_THREAD if is_marked => return true,
                // It waits, and nobody looks at it any more: a handler cannot
                // wait, nor may it be inside when all is new.
                decision::HOLD if is_marked => self.veto(attempt),
                _ => break,
            }
        }
        self.states.give_old(own);
        false
    }

    /// In a frame of its own, which is large.
    #[inline(never)]
    fn is_outside(&self, saved: &Saved) -> bool {
        let stack = OwnStack::new();
        self.functions.position_of_own(saved.caller(), &stack) == Position::Outside
    }
}

/// Bytes of stack that a look at the own frames may take.
const ROOM: usize = 16 << 10;

/// Whether there is room for that, as far as can be told: an alternate stack
/// may be small.
fn has_room_below(saved: &Saved) -> bool {
    let here = std::ptr::from_ref(saved) as usize;
    system_call::alternate_stack_in_use()
        .is_none_or(|stack| !stack.contains(&here) || here - stack.start >= ROOM)
}
