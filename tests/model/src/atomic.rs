//! Two functions change at one instant, and nobody stops.
//!
//! In transition each gate leads to a selector, which reads one epoch that all
//! share: 0 is the version before, 1 the one after. One store flips it. Then the
//! slots are made direct, and the selectors are given back. The model does this
//! twice, from version 0 to 2, with the same epoch.
//!
//! What is proven is more than that no reader sees new-then-old: a call that
//! begins when *anybody* has finished one of a newer version is not of an older.

use super::checker::{Counterexample, Model, Step, explore};

const READERS: usize = 2;
const FUNCTIONS: usize = 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Slot {
    Version(usize),
    /// The selector of a transition, by the version before it.
    Selector(usize),
}

#[derive(Clone, Copy, Debug)]
enum Op {
    /// The jump to the gate is written; cores may not see it yet.
    Patch(usize),
    Synchronise,
    Slot(usize, Slot),
    Epoch(usize),
    /// A reader is seen not to be in the selectors of a transition.
    Observe(usize, usize),
    FreeSelectors(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Place {
    Outside,
    Entry(usize),
    Gate(usize),
    /// In the selector of a transition; has not read the epoch yet.
    Selector(usize),
    Body(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Reader {
    at: Place,
    /// The newest version that anybody had finished when its call began.
    at_least: usize,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct State {
    next: usize,
    patched: [bool; FUNCTIONS],
    all_see_patches: bool,
    slots: [Slot; FUNCTIONS],
    epoch: usize,
    has_selectors: [bool; 2],
    newest_finished: usize,
    readers: [Reader; READERS],
}

struct Atomic(Vec<Op>);

#[derive(Clone, Debug)]
#[allow(dead_code, reason = "read in traces")]
enum Action {
    Writer(Op),
    Reader(usize, Place),
}

const OLDER: &str = "a version older than one that was finished before";
const FREED: &str = "a freed selector is executed";

impl Atomic {
    fn reader_steps(state: &State, n: usize) -> Vec<Result<State, &'static str>> {
        let reader = state.readers[n];
        let go = |at| {
            let mut state = state.clone();
            state.readers[n].at = at;
            Ok(state)
        };
        match reader.at {
            Place::Outside => (0..FUNCTIONS)
                .map(|function| {
                    let mut state = state.clone();
                    state.readers[n].at = Place::Entry(function);
                    state.readers[n].at_least = state.newest_finished;
                    Ok(state)
                })
                .collect(),
            Place::Entry(function) => {
                let may_see_old = !state.patched[function] || !state.all_see_patches;
                let old = may_see_old.then(|| go(Place::Body(0)));
                let new = state.patched[function].then(|| go(Place::Gate(function)));
                old.into_iter().chain(new).collect()
            }
            Place::Gate(function) => match state.slots[function] {
                Slot::Version(version) => vec![go(Place::Body(version))],
                Slot::Selector(from) => vec![go(Place::Selector(from))],
            },
            Place::Selector(from) if !state.has_selectors[from] => vec![Err(FREED)],
            Place::Selector(from) => vec![go(Place::Body(from + state.epoch))],
            Place::Body(version) if version < reader.at_least => vec![Err(OLDER)],
            Place::Body(version) => {
                let mut state = state.clone();
                state.newest_finished = state.newest_finished.max(version);
                state.readers[n].at = Place::Outside;
                state.readers[n].at_least = 0;
                vec![Ok(state)]
            }
        }
    }

    fn writer_step(&self, state: &State) -> Option<(Action, Result<State, &'static str>)> {
        let op = *self.0.get(state.next)?;
        let mut state = state.clone();
        state.next += 1;
        match op {
            Op::Patch(function) => {
                state.patched[function] = true;
                state.all_see_patches = false;
            }
            Op::Synchronise => state.all_see_patches = true,
            Op::Slot(function, to) => state.slots[function] = to,
            Op::Epoch(epoch) => state.epoch = epoch,
            Op::Observe(n, from) if state.readers[n].at == Place::Selector(from) => return None,
            Op::Observe(..) => {}
            Op::FreeSelectors(from) => state.has_selectors[from] = false,
        }
        Some((Action::Writer(op), Ok(state)))
    }

    fn check(script: &[Op]) -> Result<(), Counterexample> {
        let model = Self(script.to_vec());
        let all = explore(&model)?;
        for n in 0..READERS {
            let outside = |state: &State| state.readers[n].at == Place::Outside;
            all.always_can("a reader cannot finish alone", |actor| actor == n, outside)?;
        }
        let done = |state: &State| state.next == script.len();
        all.always_can("the writer cannot finish", |_| true, done)?;
        eprintln!("{} states", all.states.len());
        Ok(())
    }

    fn flaw(script: &[Op]) -> &'static str {
        let found = Self::check(script).expect_err("it has a flaw");
        eprintln!("{found}");
        found.flaw
    }
}

impl Model for Atomic {
    type State = State;
    type Action = Action;

    fn start(&self) -> State {
        State {
            next: 0,
            patched: [false; FUNCTIONS],
            all_see_patches: true,
            slots: [Slot::Version(0); FUNCTIONS],
            epoch: 0,
            has_selectors: [true; 2],
            newest_finished: 0,
            readers: [Reader {
                at: Place::Outside,
                at_least: 0,
            }; READERS],
        }
    }

    fn steps(&self, state: &State) -> Vec<Step<Self>> {
        let mut all: Vec<Step<Self>> = self.writer_step(state).into_iter().collect();
        for n in 0..READERS {
            let action = Action::Reader(n, state.readers[n].at);
            let steps = Self::reader_steps(state, n).into_iter();
            all.extend(steps.map(|step| (action.clone(), step)));
        }
        all
    }

    fn actor(action: &Action) -> usize {
        match action {
            Action::Writer(_) => READERS,
            Action::Reader(n, _) => *n,
        }
    }
}

fn both(slot: Slot) -> Vec<Op> {
    (0..FUNCTIONS).map(|f| Op::Slot(f, slot)).collect()
}

fn patch() -> Vec<Op> {
    vec![Op::Patch(0), Op::Patch(1), Op::Synchronise]
}

fn grace(from: usize) -> Vec<Op> {
    (0..READERS).map(|n| Op::Observe(n, from)).collect()
}

/// Functions that are patched already, to the next version.
fn transition(from: usize) -> Vec<Op> {
    let lead_to_selectors = [vec![Op::Epoch(0)], both(Slot::Selector(from))].concat();
    let make_direct = both(Slot::Version(from + 1));
    let give_back = [grace(from), vec![Op::FreeSelectors(from)]].concat();
    let flip = vec![Op::Epoch(1)];
    [lead_to_selectors, flip, make_direct, give_back].concat()
}

/// The gates lead to selectors before anything leads to the gates.
fn first_transition() -> Vec<Op> {
    let mut ops = transition(0);
    ops.splice(3..3, patch());
    ops
}

#[test]
fn nobody_meets_the_old_version_after_the_new_one() {
    let script = [first_transition(), transition(1)].concat();
    Atomic::check(&script).unwrap_or_else(|found| panic!("{found}"));
}

#[test]
fn plain_stores_are_no_instant() {
    let script = [patch(), both(Slot::Version(1))].concat();
    assert_eq!(Atomic::flaw(&script), OLDER);
}

/// A core may still execute the old entry that it fetched.
#[test]
fn cores_must_be_synchronised_before_the_flip() {
    let mut script = first_transition();
    script.retain(|op| !matches!(op, Op::Synchronise));
    assert_eq!(Atomic::flaw(&script), OLDER);
}

#[test]
fn slots_must_not_be_direct_before_the_flip() {
    let mut script = first_transition();
    script.retain(|op| !matches!(op, Op::Epoch(1)));
    assert_eq!(Atomic::flaw(&script), OLDER);
}

#[test]
fn selectors_must_not_be_freed_without_a_grace_period() {
    let mut script = first_transition();
    script.retain(|op| !matches!(op, Op::Observe(..)));
    assert_eq!(Atomic::flaw(&script), FREED);
}

/// A thread in a selector of the last transition would read the epoch of the
/// next one.
#[test]
fn the_epoch_must_not_be_used_again_before_the_selectors_are_empty() {
    let mut first = first_transition();
    first.retain(|op| !matches!(op, Op::Observe(..) | Op::FreeSelectors(_)));
    let script = [first, transition(1)].concat();
    assert_eq!(Atomic::flaw(&script), OLDER);
}
