//! One mock: what it does, what is expected of it, what it has seen.

use super::cells;
use super::expect::Expected;
use super::scope::Busy;
use super::show::Shows;
use super::signature::Signature;
use super::site::Site;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// So many calls are kept with their arguments; all are counted.
const KEPT: usize = 10_000;

/// A call that a mock has answered.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Call {
    /// The arguments, by their `Debug`; the name of the type where there is none.
    pub arguments: Vec<String>,
    /// The name of the thread that made it.
    pub thread: String,
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({})", self.arguments.join(", "))
    }
}

/// A condition on the arguments.
pub(super) type When<P> = Box<dyn Fn(&<P as Signature>::Args) -> bool + Send + Sync>;

/// What a mock does.
pub(super) enum Act<P: Signature> {
    Answer(Box<dyn Fn(P::Args) -> P::Ret + Send + Sync>),
    /// The original is called.
    Original,
}

/// How a call is counted and kept.
pub(super) enum Record<P: Signature> {
    /// Every call, with its arguments.
    Arguments(Box<Shows>),
    /// A call that this gives arguments for.
    By(RecordBy<P>),
}

pub(super) type RecordBy<P> =
    Box<dyn Fn(&<P as Signature>::Args) -> Option<Vec<String>> + Send + Sync>;

/// What a mock does with which calls.
pub(super) struct Action<P: Signature> {
    pub(super) when: Vec<When<P>>,
    pub(super) act: Act<P>,
    pub(super) record: Record<P>,
}

impl<P: Signature> Action<P> {
    /// The arguments in words, if the call counts.
    fn arguments(&self, args: &P::Args) -> Option<Vec<String>> {
        match &self.record {
            Record::Arguments(shows) => {
                let mut arguments = Vec::new();
                P::each(args, &mut |n, at| {
                    // SAFETY: the address of the argument whose type is shown so.
                    arguments.push(unsafe { shows.show(n, at) });
                });
                Some(arguments)
            }
            Record::By(by) => by(args),
        }
    }
}

/// An `Arc<Action<P>>` whose type is known by the site.
struct Untyped {
    action: *const (),
    drop: unsafe fn(*const ()),
}

// SAFETY: what is in an action is Send and Sync; the rest of its type are
// function pointers.
unsafe impl Send for Untyped {}
// SAFETY: as above.
unsafe impl Sync for Untyped {}

impl Untyped {
    fn new<P: Signature>(action: Action<P>) -> Self {
        unsafe fn drop_action<P: Signature>(action: *const ()) {
            // SAFETY: made of an `Arc` of this type by `new`.
            drop(unsafe { Arc::from_raw(action.cast::<Action<P>>()) });
        }
        Self {
            action: Arc::into_raw(Arc::new(action)).cast(),
            drop: drop_action::<P>,
        }
    }

    /// # Safety
    ///
    /// It was made of an `Action<P>`, but for lifetimes.
    unsafe fn action<P: Signature>(&self) -> Arc<Action<P>> {
        let action = self.action.cast::<Action<P>>();
        // SAFETY: the caller's promise; this value keeps one count.
        unsafe { Arc::increment_strong_count(action) };
        // SAFETY: that is the count.
        unsafe { Arc::from_raw(action) }
    }
}

impl Drop for Untyped {
    fn drop(&mut self) {
        // SAFETY: dropped once, with the function made for it.
        unsafe { (self.drop)(self.action) };
    }
}

/// A mock.
pub(super) struct State {
    site: &'static Site,
    /// None once the mock is dropped.
    action: Mutex<Option<Untyped>>,
    is_live: AtomicBool,
    /// Taken off for the time being.
    is_off: AtomicBool,
    is_recorded: AtomicBool,
    count: AtomicUsize,
    calls: Mutex<Vec<Call>>,
    pub(super) expected: Mutex<Expected>,
    /// What had been called from outside when the mock was made.
    outside: std::collections::BTreeMap<String, u64>,
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl State {
    pub(super) fn new<P: Signature>(site: &'static Site, action: Action<P>) -> Self {
        Self {
            site,
            action: Mutex::new(Some(Untyped::new(action))),
            is_live: AtomicBool::new(true),
            is_off: AtomicBool::new(false),
            is_recorded: AtomicBool::new(true),
            count: AtomicUsize::new(0),
            calls: Mutex::new(Vec::new()),
            expected: Mutex::new(Expected::default()),
            outside: cells::outside(site.index()),
        }
    }

    pub(super) fn site(&self) -> &'static Site {
        self.site
    }

    pub(super) fn name(&self) -> &str {
        self.site.name()
    }

    pub(super) fn is_live(&self) -> bool {
        self.is_live.load(Ordering::Acquire)
    }

    pub(super) fn set_off(&self, is_off: bool) {
        self.is_off.store(is_off, Ordering::Release);
    }

    pub(super) fn is_off(&self) -> bool {
        self.is_off.load(Ordering::Acquire)
    }

    pub(super) fn set_recorded(&self, is_recorded: bool) {
        self.is_recorded.store(is_recorded, Ordering::Release);
    }

    /// Nothing comes here any more; who is inside finishes. What the mock has
    /// captured is dropped by the last one.
    pub(super) fn close(&self) {
        self.is_live.store(false, Ordering::Release);
        let busy = Busy::enter();
        let action = lock(&self.action).take();
        drop(busy);
        drop(action);
    }

    /// What to do with a call, if it is for this mock; then it is counted.
    ///
    /// # Safety
    ///
    /// The site's functions are of type `P`, but for lifetimes.
    pub(super) unsafe fn take<P: Signature>(&self, args: &P::Args) -> Option<Arc<Action<P>>> {
        if !self.is_live() || self.is_off() {
            return None;
        }
        let untyped = lock(&self.action);
        // SAFETY: the caller's promise.
        let action = unsafe { untyped.as_ref()?.action::<P>() };
        drop(untyped);
        if !action.when.iter().all(|when| when(args)) {
            return None;
        }
        self.note(&action, args);
        Some(action)
    }

    /// Counts and keeps a call.
    fn note<P: Signature>(&self, action: &Action<P>, args: &P::Args) {
        let is_kept = self.is_recorded.load(Ordering::Acquire) && self.count() < KEPT;
        let always_counts = matches!(action.record, Record::Arguments(_));
        if !is_kept && always_counts {
            self.count.fetch_add(1, Ordering::AcqRel);
            return;
        }
        if let Some(arguments) = action.arguments(args) {
            self.count.fetch_add(1, Ordering::AcqRel);
            if is_kept {
                let thread = cells::own_name();
                lock(&self.calls).push(Call { arguments, thread });
            }
        }
    }

    pub(super) fn count(&self) -> usize {
        self.count.load(Ordering::Acquire)
    }

    pub(super) fn calls(&self) -> Vec<Call> {
        let _busy = Busy::enter();
        lock(&self.calls).clone()
    }

    /// Calls that came from outside of every scope since the mock was made.
    pub(super) fn outside(&self) -> Vec<(String, u64)> {
        let before = |name: &str| self.outside.get(name).copied().unwrap_or(0);
        let now = cells::outside(self.site.index()).into_iter();
        now.map(|(name, count)| (before(&name), name, count))
            .map(|(before, name, count)| (name, count.saturating_sub(before)))
            .filter(|(_, count)| *count > 0)
            .collect()
    }
}
