//! Transitions in which each thread changes over on its own.

use super::choosing::decision;
use super::consistency::Holdout;
use super::quiescent::{Moving, mark_those_outside};
use super::registry::{LayerId, Registry, registry};
use crate::Error;
use crate::threads::tasks::Tid;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// There is one attempt: who has changed over stays so.
const ATTEMPT: u32 = 1;

/// A transition that is under way.
pub(super) struct Active {
    id: u64,
    moving: Moving,
    is_complete: Arc<AtomicBool>,
}

/// Functions that change thread by thread; made by
/// [`Consistency::PerThread`](crate::Consistency::PerThread).
///
/// A thread changes over when it calls one of the functions and is outside of
/// all, or when it is seen outside while it sleeps or does something else:
/// [`Transition::poll`] looks. When all have, the functions are patched like any
/// others. Until then they are slower: each call of a thread that has not changed
/// over walks its stack, some microseconds.
///
/// Dropping this changes nothing: the transition goes on, but nobody completes
/// it. Removing one of its patches cancels it.
#[derive(Debug)]
#[must_use = "the transition is only completed when it is polled"]
pub struct Transition {
    id: u64,
    is_complete: Arc<AtomicBool>,
}

impl Transition {
    /// Looks, for at most `time`, at the threads that have not changed over, and
    /// says which these are. If there are none, the transition is complete, and
    /// was before if it is asked again.
    ///
    /// # Errors
    ///
    /// [`Error::Threads`] if threads cannot be looked at, [`Error::Cancelled`] if
    /// the transition was.
    pub fn poll(&self, time: Duration) -> Result<Vec<Holdout>, Error> {
        registry().poll(self, time)
    }

    /// Polls until all threads have changed over, or says after `time` who has
    /// not; the transition goes on then.
    ///
    /// # Errors
    ///
    /// [`Error::NotQuiescent`] with those that have not changed over; as for
    /// [`Transition::poll`].
    pub fn wait(&self, time: Duration) -> Result<(), Error> {
        let started = Instant::now();
        loop {
            let left = time.saturating_sub(started.elapsed());
            // Others may use midair in between.
            let inside = self.poll(left.min(Duration::from_millis(20)))?;
            if inside.is_empty() {
                return Ok(());
            }
            if left.is_zero() {
                return Err(Error::NotQuiescent {
                    waited: started.elapsed(),
                    inside,
                });
            }
            std::thread::sleep(Duration::from_millis(1).min(left));
        }
    }

    /// Goes back to the old functions, for all threads at once; also for those
    /// inside of a new one, which may call old ones then.
    ///
    /// # Errors
    ///
    /// [`Error::Cancelled`] if it is complete, or was cancelled before.
    pub fn cancel(self) -> Result<(), Error> {
        match registry().end(self.id, false) {
            true => Ok(()),
            false => Err(Error::Cancelled),
        }
    }
}

impl Registry {
    /// Begins to turn layers on and off thread by thread.
    pub(super) fn switch_per_thread(
        &mut self,
        wanted: &[(LayerId, bool)],
    ) -> Result<Transition, Error> {
        let moving = self.start_moving(wanted)?;
        let id = self.next_id();
        for target in &moving.turns.targets {
            if let Some(site) = self.sites.get_mut(target) {
                site.transition = Some(id);
            }
        }
        moving.crossing.decide(decision::PER_THREAD, ATTEMPT);
        let is_complete = Arc::new(AtomicBool::new(false));
        self.active.push(Active {
            id,
            moving,
            is_complete: Arc::clone(&is_complete),
        });
        Ok(Transition { id, is_complete })
    }

    fn poll(&mut self, of: &Transition, time: Duration) -> Result<Vec<Holdout>, Error> {
        let Some(active) = self.active.iter().find(|active| active.id == of.id) else {
            return match of.is_complete.load(Ordering::Relaxed) {
                true => Ok(Vec::new()),
                false => Err(Error::Cancelled),
            };
        };
        let holdouts = mark_those_outside(&active.moving.crossing, ATTEMPT, None, time)
            .map_err(|source| Error::Threads { source })?;
        if holdouts.is_empty() {
            self.end(of.id, true);
        }
        Ok(holdouts)
    }

    /// A thread goes on under another id, in the child of a fork.
    pub(super) fn inherit(&mut self, from: Tid, to: Tid) {
        for active in &self.active {
            active.moving.crossing.states.inherit(from, to);
        }
    }

    /// Ends a transition; says whether there was one.
    fn end(&mut self, id: u64, is_new: bool) -> bool {
        let Some(n) = self.active.iter().position(|active| active.id == id) else {
            return false;
        };
        let active = self.active.swap_remove(n);
        active.is_complete.store(is_new, Ordering::Relaxed);
        for target in &active.moving.turns.targets {
            if let Some(site) = self.sites.get_mut(target) {
                site.transition = None;
            }
        }
        self.end_moving(active.moving, is_new);
        true
    }

    /// Refuses to change a function that is part of a transition.
    pub(super) fn check_transition(&self, target: usize) -> Result<(), Error> {
        match self.sites.get(&target).and_then(|site| site.transition) {
            Some(_) => Err(Error::InTransition { target }),
            None => Ok(()),
        }
    }

    /// Cancels the transition that a function is part of.
    pub(super) fn cancel_transition(&mut self, target: usize) {
        if let Some(id) = self.sites.get(&target).and_then(|site| site.transition) {
            self.end(id, false);
        }
    }
}
