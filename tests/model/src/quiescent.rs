//! All functions change when no thread has any of them on its stack.
//!
//! The coordinator leads all gates to a turnstile. A thread that arrives there
//! looks at its own stack: inside of one of the functions it passes to the old
//! version, outside it waits. Each thread that is seen outside after the
//! turnstile closed is marked: it cannot come in again. When all are marked,
//! one store says so: the turnstile lets everybody through to the new version
//! from then on. Then the slots are made direct, one by one. A deadline opens
//! the turnstile again, with everything as it was.

use super::checker::{Counterexample, Model, Step, explore};
use super::stacks::{OLD_ABOVE_NEW, Stack, Version};

const THREADS: usize = 2;
const FUNCTIONS: usize = 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum At {
    /// In a function, or outside of them if the stack is empty.
    Running,
    /// In something that a function, or nobody, called: the PC tells nothing.
    Elsewhere,
    /// At `jmp [slot]` of a function.
    Gate(usize),
    /// In the turnstile: has not looked at its stack.
    Turnstile(usize),
    Waiting(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Thread {
    at: At,
    stack: Stack,
    holds_lock: bool,
}

/// What the coordinator does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Turn {
    Close(usize),
    Fence,
    Mark(usize),
    Flip,
    MakeDirect(usize),
    Flipped,
    GivenUp,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct State {
    turn: Turn,
    /// The slot says so, to the coordinator.
    closed: [bool; FUNCTIONS],
    /// It says so to everybody: the store has left the store buffer.
    seen_closed: [bool; FUNCTIONS],
    /// The turnstile leads to the new version.
    flipped: bool,
    /// The gates do.
    direct: [bool; FUNCTIONS],
    threads: [Thread; THREADS],
}

#[derive(Clone, Debug)]
#[allow(dead_code, reason = "read in traces")]
enum Action {
    Coordinator(Turn),
    Deadline,
    StoreArrives(usize),
    Thread(usize, &'static str),
}

/// The protocol, ways to get it wrong, and what the program around it does.
#[derive(Clone, Copy)]
struct Quiescent {
    closes_first: bool,
    fences: bool,
    looks_at_stacks: bool,
    turnstile_knows_insiders: bool,
    turnstile_stops_outsiders: bool,
    flips_with_one_store: bool,
    has_deadline: bool,
    /// The program takes a lock inside of a function, and around calls of one.
    program_has_lock: bool,
}

const RIGHT: Quiescent = Quiescent {
    closes_first: true,
    fences: true,
    looks_at_stacks: true,
    turnstile_knows_insiders: true,
    turnstile_stops_outsiders: true,
    flips_with_one_store: true,
    has_deadline: true,
    program_has_lock: false,
};

const STUCK: &str = "a thread cannot finish";
const INSIDE: &str = "it flips while a thread is inside";

impl Quiescent {
    fn seen_outside(self, thread: &Thread) -> bool {
        thread.stack.is_empty() || (!self.looks_at_stacks && thread.at == At::Elsewhere)
    }

    fn coordinator(self, state: &State) -> Option<Result<State, &'static str>> {
        let mut state = state.clone();
        let after_marks = if self.closes_first {
            Turn::Flip
        } else {
            Turn::Close(0)
        };
        state.turn = match state.turn {
            Turn::Close(n) => {
                state.closed[n] = true;
                match n + 1 {
                    FUNCTIONS if self.fences => Turn::Fence,
                    FUNCTIONS if self.closes_first => Turn::Mark(0),
                    FUNCTIONS => Turn::Flip,
                    next => Turn::Close(next),
                }
            }
            Turn::Fence if state.closed != state.seen_closed => return None,
            Turn::Fence if self.closes_first => Turn::Mark(0),
            Turn::Fence => Turn::Flip,
            Turn::Mark(n) if !self.seen_outside(&state.threads[n]) => return None,
            Turn::Mark(n) if n + 1 == THREADS => after_marks,
            Turn::Mark(n) => Turn::Mark(n + 1),
            Turn::Flip if state.threads.iter().any(|t| t.stack.has_old()) => {
                return Some(Err(INSIDE));
            }
            Turn::Flip => {
                state.flipped = self.flips_with_one_store;
                Turn::MakeDirect(0)
            }
            Turn::MakeDirect(n) => {
                state.direct[n] = true;
                match n + 1 {
                    FUNCTIONS => Turn::Flipped,
                    next => Turn::MakeDirect(next),
                }
            }
            Turn::Flipped | Turn::GivenUp => return None,
        };
        Some(Ok(state))
    }

    fn thread(self, state: &State, n: usize) -> Vec<(&'static str, Result<Thread, &'static str>)> {
        let thread = state.threads[n];
        let go = |at| Ok(Thread { at, ..thread });
        let is_open = matches!(state.turn, Turn::Flipped | Turn::GivenUp);
        let enter = |version| {
            let stack = thread.stack.enter(version)?;
            let at = At::Running;
            Ok(Thread {
                at,
                stack,
                ..thread
            })
        };
        match thread.at {
            At::Running => self.runs(state, thread),
            At::Elsewhere => vec![("comes back", go(At::Running))],
            At::Gate(function) if state.direct[function] => {
                vec![("goes on to new", enter(Version::New))]
            }
            At::Gate(function) if state.seen_closed[function] => {
                vec![("goes on to the turnstile", go(At::Turnstile(function)))]
            }
            At::Gate(_) => vec![("goes on to old", enter(Version::Old))],
            At::Turnstile(_) if state.flipped => vec![("passes to new", enter(Version::New))],
            At::Turnstile(function) => {
                let is_inside = self.turnstile_knows_insiders && !thread.stack.is_empty();
                if is_inside || !self.turnstile_stops_outsiders {
                    vec![("passes to old", enter(Version::Old))]
                } else {
                    vec![("waits", go(At::Waiting(function)))]
                }
            }
            At::Waiting(function) if is_open => vec![("is released", go(At::Gate(function)))],
            At::Waiting(_) => Vec::new(),
        }
    }

    fn runs(
        self,
        state: &State,
        thread: Thread,
    ) -> Vec<(&'static str, Result<Thread, &'static str>)> {
        let mut all = Vec::new();
        if !thread.stack.is_full() {
            for function in 0..FUNCTIONS {
                let at = At::Gate(function);
                all.push(("calls", Ok(Thread { at, ..thread })));
            }
        }
        let at = At::Elsewhere;
        all.push(("calls something else", Ok(Thread { at, ..thread })));
        let is_free = state.threads.iter().all(|t| !t.holds_lock);
        // Inside, the lock is wanted and nothing else will do.
        let needs_lock = self.program_has_lock && !thread.stack.is_empty() && !thread.holds_lock;
        if needs_lock && !is_free {
            return Vec::new();
        }
        if !thread.stack.is_empty() {
            let stack = thread.stack.leave();
            all.push(("returns", Ok(Thread { stack, ..thread })));
        } else if self.program_has_lock && thread.holds_lock {
            let holds_lock = false;
            all.push((
                "unlocks",
                Ok(Thread {
                    holds_lock,
                    ..thread
                }),
            ));
        } else if self.program_has_lock && is_free {
            let holds_lock = true;
            all.push((
                "locks",
                Ok(Thread {
                    holds_lock,
                    ..thread
                }),
            ));
        }
        all
    }

    fn check(self) -> Result<(), Counterexample> {
        let all = explore(&self)?;
        for n in 0..THREADS {
            let outside = |state: &State| {
                state.threads[n].at == At::Running && state.threads[n].stack.is_empty()
            };
            all.always_can(STUCK, |_| true, outside)?;
        }
        let done = |state: &State| matches!(state.turn, Turn::Flipped | Turn::GivenUp);
        all.always_can("the transition cannot end", |_| true, done)?;
        assert!(all.states.iter().any(|state| state.turn == Turn::Flipped));
        eprintln!("{} states", all.states.len());
        Ok(())
    }

    fn flaw(self) -> &'static str {
        let found = self.check().expect_err("it has a flaw");
        eprintln!("{found}");
        found.flaw
    }
}

/// Until it flips, everything can be taken back.
fn is_undecided(turn: Turn) -> bool {
    matches!(
        turn,
        Turn::Close(_) | Turn::Fence | Turn::Mark(_) | Turn::Flip
    )
}

impl Model for Quiescent {
    type State = State;
    type Action = Action;

    fn start(&self) -> State {
        let thread = Thread {
            at: At::Running,
            stack: Stack::default(),
            holds_lock: false,
        };
        State {
            turn: if self.closes_first {
                Turn::Close(0)
            } else {
                Turn::Mark(0)
            },
            closed: [false; FUNCTIONS],
            seen_closed: [false; FUNCTIONS],
            flipped: false,
            direct: [false; FUNCTIONS],
            threads: [thread; THREADS],
        }
    }

    fn steps(&self, state: &State) -> Vec<Step<Self>> {
        let mut all: Vec<Step<Self>> = Vec::new();
        if let Some(next) = self.coordinator(state) {
            all.push((Action::Coordinator(state.turn), next));
        }
        if self.has_deadline && is_undecided(state.turn) {
            let given_up = State {
                turn: Turn::GivenUp,
                closed: [false; FUNCTIONS],
                seen_closed: [false; FUNCTIONS],
                ..state.clone()
            };
            all.push((Action::Deadline, Ok(given_up)));
        }
        for n in (0..FUNCTIONS).filter(|&n| state.closed[n] && !state.seen_closed[n]) {
            let mut state = state.clone();
            state.seen_closed[n] = true;
            all.push((Action::StoreArrives(n), Ok(state)));
        }
        for n in 0..THREADS {
            for (what, thread) in self.thread(state, n) {
                let next = thread.map(|thread| {
                    let mut state = state.clone();
                    state.threads[n] = thread;
                    state
                });
                all.push((Action::Thread(n, what), next));
            }
        }
        all
    }

    fn actor(action: &Action) -> usize {
        match action {
            Action::Thread(n, _) => *n,
            _ => THREADS,
        }
    }
}

#[test]
fn nobody_is_inside_when_it_flips() {
    RIGHT.check().unwrap_or_else(|found| panic!("{found}"));
}

/// Without locks, everybody leaves; the deadline is for those who wait for each
/// other.
#[test]
fn no_deadline_is_needed_where_nobody_waits_for_another() {
    let patient = Quiescent {
        has_deadline: false,
        ..RIGHT
    };
    patient.check().unwrap_or_else(|found| panic!("{found}"));
}

/// One waits at the turnstile with a lock that another needs to come out.
#[test]
fn a_lock_across_the_turnstile_needs_the_deadline() {
    let locked = Quiescent {
        program_has_lock: true,
        ..RIGHT
    };
    locked.check().unwrap_or_else(|found| panic!("{found}"));
    let patient = Quiescent {
        has_deadline: false,
        ..locked
    };
    assert_eq!(patient.flaw(), STUCK);
}

#[test]
fn the_turnstile_must_be_closed_before_threads_are_marked() {
    let wrong = Quiescent {
        closes_first: false,
        ..RIGHT
    };
    assert_eq!(wrong.flaw(), INSIDE);
}

/// The slots may still be in the coordinator's store buffer while it looks.
#[test]
fn a_fence_must_stand_between_closing_and_marking() {
    let wrong = Quiescent {
        fences: false,
        ..RIGHT
    };
    assert_eq!(wrong.flaw(), INSIDE);
}

#[test]
fn the_whole_stack_must_be_looked_at() {
    let wrong = Quiescent {
        looks_at_stacks: false,
        ..RIGHT
    };
    assert_eq!(wrong.flaw(), INSIDE);
}

#[test]
fn who_is_inside_must_pass_the_turnstile() {
    let wrong = Quiescent {
        turnstile_knows_insiders: false,
        has_deadline: false,
        ..RIGHT
    };
    assert_eq!(wrong.flaw(), STUCK);
}

#[test]
fn who_is_outside_must_not_pass_the_turnstile() {
    let wrong = Quiescent {
        turnstile_stops_outsiders: false,
        ..RIGHT
    };
    assert_eq!(wrong.flaw(), INSIDE);
}

/// A new f calls g, whose gate still leads to the turnstile, which finds the
/// thread inside and lets it pass to the old g.
#[test]
fn slots_that_are_stored_one_by_one_are_no_flip() {
    let wrong = Quiescent {
        flips_with_one_store: false,
        ..RIGHT
    };
    assert_eq!(wrong.flaw(), OLD_ABOVE_NEW);
}
