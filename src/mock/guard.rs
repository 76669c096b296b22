//! What a test holds of a mock.

use super::error::MockError;
use super::expect::{self, Expected};
use super::scope;
use super::state::{Call, State};
use std::fmt;
use std::ops::{Bound, RangeBounds};
use std::panic::Location;
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// A mock of a function, until this is dropped. Made by
/// [`mock!`](crate::mock!).
///
/// When it is dropped, the function is what it was before, also by a panic; and if
/// it was not called as often as it was expected to, that is a panic, with the
/// calls that were seen. Mocks of one function can be dropped in any order.
#[must_use = "the mock is taken off when this is dropped: bind it (`let mock = …`, not `let _ = …`)"]
pub struct Mock {
    state: Arc<State>,
    is_everywhere: bool,
    is_done: bool,
    made_at: &'static Location<'static>,
}

/// The mocks that are there, for [`reset_all`].
static ALL: Mutex<Vec<Weak<State>>> = Mutex::new(Vec::new());

impl Mock {
    pub(super) fn new(
        state: State,
        is_everywhere: bool,
        made_at: &'static Location<'static>,
    ) -> Result<Self, MockError> {
        let state = Arc::new(state);
        state.site().acquire()?;
        let mut mock = Self {
            state,
            is_everywhere: false,
            is_done: false,
            made_at,
        };
        scope::add(Arc::clone(&mock.state));
        if is_everywhere {
            mock.is_everywhere = true;
            mock.state.site().add_everywhere(Arc::clone(&mock.state))?;
        }
        let mut all = ALL.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() == all.capacity() {
            all.retain(|other| other.strong_count() > 0);
        }
        all.push(Arc::downgrade(&mock.state));
        drop(all);
        Ok(mock)
    }

    /// Lets all threads of the process see the mock from now on, also those that
    /// were there before. Other tests that run at the same time meet it.
    ///
    /// # Panics
    ///
    /// If the function cannot be patched for all.
    #[track_caller]
    pub fn everywhere(mut self) -> Self {
        if !std::mem::replace(&mut self.is_everywhere, true) {
            let added = self.state.site().add_everywhere(Arc::clone(&self.state));
            if let Err(error) = added {
                panic!("{error}");
            }
        }
        self
    }

    fn expect(self, change: impl FnOnce(&mut Expected)) -> Self {
        change(
            &mut self
                .state
                .expected
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        );
        self
    }

    /// Expects so many calls: `times(2)`, `times(1..)`, `times(..=3)`.
    pub fn times(self, times: impl Times) -> Self {
        let (least, most) = times.bounds();
        self.expect(|expected| *expected = Expected { least, most })
    }

    /// Expects one call.
    pub fn once(self) -> Self {
        self.times(1)
    }

    /// Expects `least` calls or more.
    pub fn at_least(self, least: usize) -> Self {
        self.expect(|expected| expected.least = least)
    }

    /// Expects `most` calls or fewer.
    pub fn at_most(self, most: usize) -> Self {
        self.expect(|expected| expected.most = most)
    }

    /// Expects no call.
    pub fn never(self) -> Self {
        self.times(0)
    }

    /// Keeps no arguments of calls and allocates nothing for them, only counts:
    /// for functions that signal handlers call, and for those that are called
    /// millions of times.
    pub fn unrecorded(self) -> Self {
        self.state.set_recorded(false);
        self
    }

    /// How often the mock was called, by all threads together.
    pub fn count(&self) -> usize {
        self.state.count()
    }

    /// The calls that the mock has answered, in their order; the first 10,000. None
    /// of functions by which malloc gets memory (`mmap`, `mprotect`, …): nothing can
    /// be kept while its locks are held.
    pub fn calls(&self) -> Vec<Call> {
        self.state.calls()
    }

    /// Calls of the function since the mock was made, by threads that see no mock
    /// at all: the names of the threads, and how many.
    pub fn calls_from_outside(&self) -> Vec<(String, u64)> {
        self.state.outside()
    }

    /// The function is what it was, until [`restore`](Self::restore).
    pub fn unpatch(&self) {
        self.state.set_off(true);
    }

    /// The mock is there again after [`unpatch`](Self::unpatch).
    pub fn restore(&self) {
        self.state.set_off(false);
    }

    /// Takes the mock off, and checks what was expected of it: what dropping does,
    /// by name.
    ///
    /// # Panics
    ///
    /// If the function was not called as often as expected.
    pub fn reset(self) {}

    /// Whether the function has been called as often as expected, so far.
    ///
    /// # Errors
    ///
    /// What dropping the mock would panic with.
    pub fn verify(&self) -> Result<(), String> {
        let expected = *self
            .state
            .expected
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        expect::unmet(&self.state, expected).map_or(Ok(()), Err)
    }

    fn take_off(&mut self) -> Result<(), MockError> {
        if std::mem::replace(&mut self.is_done, true) {
            return Ok(());
        }
        let site = self.state.site();
        self.state.close();
        scope::forget_dead();
        let removed = match self.is_everywhere {
            true => site.remove_everywhere(&self.state),
            false => Ok(()),
        };
        removed.and(site.release())
    }
}

impl Drop for Mock {
    #[track_caller]
    fn drop(&mut self) {
        let unmet = self.verify();
        let taken_off = self.take_off();
        if std::thread::panicking() {
            return;
        }
        if let Err(text) = unmet {
            panic!("{text}\n  the mock was made at {}", self.made_at);
        }
        if let Err(error) = taken_off {
            panic!(
                "the mock of `{}` cannot be taken off: {error}",
                self.state.name()
            );
        }
    }
}

impl fmt::Debug for Mock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mock")
            .field("function", &self.state.name())
            .field("made_at", &format_args!("{}", self.made_at))
            .field("everywhere", &self.is_everywhere)
            .field("count", &self.count())
            .finish()
    }
}

/// Makes all functions what they were for the calling thread and those that it has
/// started: each mock that it sees is over, whoever holds it. Mocks that all
/// threads see are over as well. Expectations are still checked when the
/// [`Mock`]s are dropped.
pub fn reset_all() {
    scope::own().iter().for_each(|state| state.close());
    let all = ALL.lock().unwrap_or_else(PoisonError::into_inner);
    let everywhere: Vec<_> = all.iter().filter_map(Weak::upgrade).collect();
    drop(all);
    for state in everywhere {
        if state.site().is_everywhere(&state) {
            state.close();
        }
    }
    scope::forget_dead();
}

/// How many calls are expected: a number, or a range.
pub trait Times {
    #[doc(hidden)]
    fn bounds(self) -> (usize, usize);
}

impl Times for usize {
    fn bounds(self) -> (usize, usize) {
        (self, self)
    }
}

macro_rules! ranges {
    ($($range:ty)*) => {
        $(impl Times for $range {
            fn bounds(self) -> (usize, usize) {
                let least = match self.start_bound() {
                    Bound::Included(&n) => n,
                    Bound::Excluded(&n) => n + 1,
                    Bound::Unbounded => 0,
                };
                let most = match self.end_bound() {
                    Bound::Included(&n) => n,
                    Bound::Excluded(&n) => usize::saturating_sub(n, 1),
                    Bound::Unbounded => usize::MAX,
                };
                (least, most)
            }
        })*
    };
}

ranges!(std::ops::Range<usize> std::ops::RangeFrom<usize> std::ops::RangeInclusive<usize>
    std::ops::RangeTo<usize> std::ops::RangeToInclusive<usize> std::ops::RangeFull);
