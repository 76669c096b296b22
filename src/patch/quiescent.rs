//! Transitions: functions that change when threads are outside of them.
//!
//! The slots that will lead elsewhere lead to choices ([`super::choosing`]) that
//! still lead to what is old. Then threads are looked at, none is stopped:
//!
//! - *quiescent*: threads that come to one of the functions from outside wait at
//!   the choice, so whoever has been seen outside stays outside. When all have
//!   been, one store decides for all and they go on. The wait is short at first;
//!   if somebody does not leave, the waiting threads go on with what is old, and
//!   after a while it is tried again, for longer.
//! - *per thread* ([`super::per_thread`]): nobody waits.
//!
//! A thread that starts meanwhile begins outside.

use super::atomic::{Turns, place};
use super::choosing::{Choice, Crossing, Over, decision, dispatch};
use super::consistency::{Holdout, Whereabouts};
use super::inside::{Functions, Position};
use super::limbo::Item;
use super::registry::{LayerId, Registry};
use crate::Error;
use crate::machine::choice;
use crate::threads::count::{self, Alone};
use crate::threads::look::{self, Outcome, Patience};
use crate::threads::own_memory;
use crate::threads::tasks::{self, Tid};
use crate::threads::view::Seen;
use std::collections::{HashMap, HashSet};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// How long threads wait at the functions, at first and at most, before they go
/// on with what is old.
const HOLDS: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(320));

/// How often threads are listed again because new ones have come.
const LISTINGS: usize = 8;

/// A crossing with its choices in place.
pub(super) struct Moving {
    pub(super) turns: Turns,
    pub(super) crossing: Box<Crossing>,
    choices: Box<[Choice]>,
    item: Item,
}

impl Registry {
    /// Turns layers on and off when no thread is inside of any of the functions.
    pub(super) fn switch_quiescent(
        &mut self,
        wanted: &[(LayerId, bool)],
        deadline: Duration,
    ) -> Result<(), Error> {
        let moving = self.start_moving(wanted)?;
        let started = Instant::now();
        let result = wait_for_quiescence(&moving.crossing, look::after(deadline));
        let done = match result {
            Ok(holdouts) if holdouts.is_empty() => Ok(()),
            Ok(inside) => Err(Error::NotQuiescent {
                waited: started.elapsed(),
                inside,
            }),
            Err(source) => Err(Error::Threads { source }),
        };
        self.end_moving(moving, done.is_ok());
        done
    }

    /// Leads all that is to change through choices, which choose what is old.
    pub(super) fn start_moving(&mut self, wanted: &[(LayerId, bool)]) -> Result<Moving, Error> {
        // Without this no stack can be walked.
        own_memory::is_readable().map_err(|source| Error::Threads { source })?;
        let turns = self.prepare_turns(wanted)?;
        let sites = turns.targets.iter().filter_map(|t| self.sites.get(t));
        let functions = Functions::of(sites);
        let threads = tasks::list().map_or(0, |tids| tids.len());
        let crossing = Box::new(Crossing::new(functions, threads));
        let ways = turns.changed.iter();
        let choices: Box<[Choice]> = ways
            .map(|turn| Choice::new(&crossing, turn.old, turn.new))
            .collect();
        let mut item = Item::default();
        let mut contexts = choices.iter();
        let entry: extern "C" fn() = dispatch;
        let frames = choice::BY_DISPATCHER_FRAMES;
        let placed = place(&mut self.store, &turns.changed, &mut item, frames, |_| {
            let context = contexts.next().map_or(0, |c| std::ptr::from_ref(c) as u64);
            choice::by_dispatcher(entry as usize as u64, context)
        });
        let written = placed.and_then(|places| {
            let written = self.store.write(&Alone::new(count::alone));
            written.map(|()| places)
        });
        drop(contexts);
        let moving = Moving {
            turns,
            crossing,
            choices,
            item,
        };
        let places = match written {
            Ok(places) => places,
            Err(source) => {
                self.end_moving(moving, false);
                return Err(Error::Write { source, also: None });
            }
        };
        for (turn, at) in moving.turns.changed.iter().zip(places) {
            turn.slot.store(at, Ordering::SeqCst);
        }
        Ok(moving)
    }

    /// Decides for everybody, makes all slots direct, and gives the choices up.
    pub(super) fn end_moving(&mut self, mut moving: Moving, is_new: bool) {
        let what = if is_new { decision::NEW } else { decision::OLD };
        moving.crossing.decide(what, 0);
        if !is_new {
            self.take_back(&moving.turns);
        }
        self.end_turns(&moving.turns);
        moving.item.other = Some(Box::new(Over {
            crossing: moving.crossing,
            choices: moving.choices,
        }));
        self.store.limbo.push(moving.item);
        self.reclaim_if_due();
    }
}

/// Holds threads at the functions until all are outside; says who is not at the
/// deadline. Whatever comes out, threads wait until somebody decides.
fn wait_for_quiescence(crossing: &Crossing, deadline: Instant) -> std::io::Result<Vec<Holdout>> {
    let own = tasks::own();
    crossing.coordinate(own);
    let mut hold = HOLDS.0;
    // A look that was cut short by the deadline tells less than one before.
    let mut known: HashMap<Tid, Holdout> = HashMap::new();
    let mut best = move |holdouts: Vec<Holdout>| -> Vec<Holdout> {
        let recall = |holdout: Holdout| match holdout.whereabouts {
            Whereabouts::Unknown(_) => known.get(&holdout.thread).cloned().unwrap_or(holdout),
            _ => {
                known.insert(holdout.thread, holdout.clone());
                holdout
            }
        };
        holdouts.into_iter().map(recall).collect()
    };
    for attempt in 1.. {
        // Twice the time: not to be met, unless this thread is held up itself.
        crossing.hold(attempt, hold * 2);
        let until = deadline.min(Instant::now() + hold);
        let mut holdouts = loop {
            let left = until.saturating_duration_since(Instant::now());
            let holdouts = best(mark_those_outside(crossing, attempt, Some(own), left)?);
            let is_hopeless = holdouts.iter().any(|h| h.thread == own);
            let is_new = holdouts.is_empty() && crossing.decide_new(attempt);
            if is_new || is_hopeless {
                return Ok(holdouts);
            }
            if Instant::now() >= until || !crossing.is_held(attempt) {
                break holdouts;
            }
            std::thread::sleep(Duration::from_micros(200));
        };
        if Instant::now() >= deadline {
            if holdouts.is_empty() {
                let why = "a thread that waited could not wait any longer";
                holdouts.push(Holdout::new(0, (0, Whereabouts::Unknown(why.into()))));
            }
            return Ok(holdouts);
        }
        // Let those inside have what they are waiting for.
        crossing.decide(decision::OLD, attempt);
        let pause = deadline.saturating_duration_since(Instant::now()).min(hold);
        std::thread::sleep(pause);
        hold = (hold * 2).min(HOLDS.1);
    }
    Ok(Vec::new())
}

/// Looks once at each thread that is not marked as being outside, and marks
/// those that are; gives the others. The `coordinator` is looked at and not
/// marked.
pub(super) fn mark_those_outside(
    crossing: &Crossing,
    attempt: u32,
    coordinator: Option<Tid>,
    time: Duration,
) -> std::io::Result<Vec<Holdout>> {
    let patience = Patience::of(time);
    let mut holdouts = Vec::new();
    let mut done: HashSet<Tid> = HashSet::new();
    let mut all = false;
    for _ in 0..LISTINGS {
        let states = &crossing.states;
        // The words are read before the stacks.
        let mut words: HashMap<Tid, u64> = HashMap::new();
        for tid in tasks::list()? {
            if done.contains(&tid) || states.is_marked(tid, attempt) {
                continue;
            }
            match states.read(tid) {
                Some(word) => {
                    words.insert(tid, word);
                }
                None => {
                    let why = "is one of more threads than there were at first";
                    holdouts.push(Holdout::new(tid, (0, Whereabouts::Unknown(why.into()))));
                    done.insert(tid);
                }
            }
        }
        all = words.is_empty();
        if all {
            break;
        }
        let tids: Vec<Tid> = words.keys().copied().collect();
        look::sweep(&tids, &patience, |tid, outcome| {
            done.insert(tid);
            let is_own = coordinator == Some(tid);
            let whereabouts = match whereabouts(crossing, &outcome) {
                None if is_own || states.mark(tid, words[&tid], attempt) => return,
                None => (0, Whereabouts::Unknown("came back inside meanwhile".into())),
                Some(whereabouts) => whereabouts,
            };
            // A thread that marks itself has found itself outside.
            if !states.is_marked(tid, attempt) {
                holdouts.push(Holdout::new(tid, whereabouts));
            }
        })?;
    }
    holdouts.retain(|h| !crossing.states.is_marked(h.thread, attempt));
    if !all && holdouts.is_empty() {
        let why = "threads start faster than they can be looked at";
        holdouts.push(Holdout::new(0, (0, Whereabouts::Unknown(why.into()))));
    }
    Ok(holdouts)
}

/// Where a thread is, and of which function; none if it is outside of all.
fn whereabouts(crossing: &Crossing, outcome: &Outcome) -> Option<(usize, Whereabouts)> {
    let unknown = |why: String| Some((0, Whereabouts::Unknown(why)));
    match outcome {
        Outcome::Seen(view) => match crossing.functions.position(view) {
            Position::Inside(function) => Some((function, Whereabouts::Inside)),
            Position::Maybe(function) => Some((function, Whereabouts::Perhaps)),
            Position::Choosing => unknown("is about to enter one".into()),
            Position::Outside => match view.seen {
                Seen::Asleep { vfork: true, .. } => {
                    unknown("waits for a child that runs in its memory".into())
                }
                _ => None,
            },
        },
        Outcome::RunsNothing | Outcome::Gone => None,
        Outcome::Unseen(unseen) => unknown(unseen.to_string()),
    }
}
