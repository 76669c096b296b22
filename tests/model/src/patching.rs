//! One function, a writer and two threads that call it all the time.

use super::checker::{Counterexample, Model, Step, explore};
use super::code::{Fetched, Function, JUMP};
use super::reader::{Did, Eyes, Habits, Place, Reader};
use super::writer::{Op, READERS, World};
use std::sync::Arc;

pub(crate) struct Patching {
    function: Function,
    habits: [Habits; READERS],
    eyes: Eyes,
    /// What the writer does, once and then for ever.
    script: Vec<Arc<Op>>,
    repeats_from: usize,
    /// The memory before each step: it depends on nothing else.
    worlds: Vec<World>,
    /// What a fetch from each offset may see before each step.
    fetches: Vec<Vec<Vec<Fetched>>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct State {
    /// The writer's next step.
    next: usize,
    /// The step whose data all threads see: behind `next` while stores wait in
    /// the writer's store buffer.
    visible: usize,
    readers: [Reader; READERS],
}

#[derive(Clone, Debug)]
#[allow(dead_code, reason = "read in traces")]
pub(crate) enum Action {
    Writer(Arc<Op>),
    /// The oldest store leaves the writer's store buffer.
    StoreArrives,
    Reader(usize, Did),
}

const WRITER: usize = READERS;

/// How much was looked at.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Size {
    pub(crate) states: usize,
}

impl Patching {
    /// Fails, with the trace, if the protocol has a flaw.
    #[track_caller]
    pub(crate) fn passes(&self) {
        match self.check() {
            Ok(size) => eprintln!("{} states of {:?}", size.states, self.function),
            Err(found) => panic!("{:?}: {found}", self.function),
        }
    }

    pub(crate) fn new(function: &Function, start: World, once: &[Op], forever: &[Op]) -> Self {
        let script: Vec<Arc<Op>> = once.iter().chain(forever).cloned().map(Arc::new).collect();
        let mut world = start;
        let mut worlds = vec![world.clone()];
        for op in &script {
            world.apply(op);
            worlds.push(world.clone());
        }
        if let (Some(first), Some(last)) = (worlds.get(once.len()), worlds.last()) {
            assert_eq!(format!("{first:?}"), format!("{last:?}"), "it is no circle");
            assert!(forever.last().is_none_or(|op| !op.is_buffered()));
        }
        let offsets = 0..JUMP.min(function.old().len());
        let fetches = worlds
            .iter()
            .map(|world| {
                let fetches = offsets.clone().map(|o| world.code.fetches(function, o));
                fetches.collect()
            })
            .collect();
        Self {
            function: function.clone(),
            habits: [Habits {
                takes_signals: true,
                looks_again: true,
                ..Habits::default()
            }; READERS],
            eyes: Eyes::OPEN,
            script,
            repeats_from: once.len(),
            worlds,
            fetches,
        }
    }

    pub(crate) fn with_eyes(self, eyes: Eyes) -> Self {
        Self { eyes, ..self }
    }

    /// `way_on` in `threads/trap.rs` looks once more, and then decides.
    pub(crate) fn with_two_looks(mut self) -> Self {
        for habits in &mut self.habits {
            habits.looks_again = false;
        }
        self
    }

    /// The habits of the first reader.
    pub(crate) fn with_habits(mut self, habits: Habits) -> Self {
        self.habits[0] = habits;
        self
    }

    /// Visits all states: no flaw is in any; every reader can finish its call
    /// alone; the writer can finish.
    pub(crate) fn check(&self) -> Result<Size, Counterexample> {
        let all = explore(self)?;
        for reader in 0..READERS {
            all.always_can(
                "a reader cannot finish alone",
                |actor| actor == reader,
                |state| state.readers[reader].at == Place::Outside,
            )?;
        }
        let end = self.script.len();
        all.always_can(
            "the writer cannot finish",
            |_| true,
            |state| state.next == end || state.next == self.repeats_from,
        )?;
        Ok(Size {
            states: all.states.len(),
        })
    }

    /// The flaw that must be there, if the checker is worth anything.
    pub(crate) fn flaw(&self) -> &'static str {
        match self.check() {
            Ok(size) => panic!(
                "nothing is wrong in {} states of {:?}",
                size.states, self.function
            ),
            Err(found) => {
                eprintln!("{:?}: {found}", self.function);
                found.flaw
            }
        }
    }

    fn writer_step(&self, state: &State) -> Option<Step<Self>> {
        let op = self.script.get(state.next)?;
        let may_happen = match **op {
            Op::Observe(reader, generation) => {
                let is_there = |place| match place {
                    Place::Gate(g) | Place::Copy(g, _) => g == generation,
                    _ => false,
                };
                self.eyes.see_outside(&state.readers[reader], is_there)
            }
            Op::ObserveHead(reader) => {
                let is_there = |place| place == Place::Target(0);
                self.eyes.see_outside(&state.readers[reader], is_there)
            }
            // All that was stored before is visible first.
            _ => op.is_buffered() || state.visible == state.next,
        };
        if !may_happen {
            return None;
        }
        let mut next = state.next + 1;
        let mut visible = if op.is_buffered() {
            state.visible
        } else {
            next
        };
        if next == self.script.len() && visible == next {
            next = self.repeats_from;
            visible = next;
        }
        let readers = state.readers;
        let state = State {
            next,
            visible,
            readers,
        };
        Some((Action::Writer(op.clone()), Ok(state)))
    }
}

impl Model for Patching {
    type State = State;
    type Action = Action;

    fn start(&self) -> State {
        State {
            next: 0,
            visible: 0,
            readers: [Reader::default(); READERS],
        }
    }

    fn steps(&self, state: &State) -> Vec<Step<Self>> {
        let mut all: Vec<Step<Self>> = self.writer_step(state).into_iter().collect();
        if state.visible < state.next {
            let visible = state.visible + 1;
            let later = State {
                visible,
                ..state.clone()
            };
            all.push((Action::StoreArrives, Ok(later)));
        }
        for (n, reader) in state.readers.iter().enumerate() {
            let steps = reader.steps(
                &self.function,
                self.habits[n],
                &self.fetches[state.next],
                &self.worlds[state.next],
                &self.worlds[state.visible],
            );
            for (did, outcome) in steps {
                let outcome = outcome.map(|reader| {
                    let mut state = state.clone();
                    state.readers[n] = reader;
                    state
                });
                all.push((Action::Reader(n, did), outcome));
            }
        }
        all
    }

    fn actor(action: &Action) -> usize {
        match action {
            Action::Writer(_) | Action::StoreArrives => WRITER,
            Action::Reader(n, _) => *n,
        }
    }
}
