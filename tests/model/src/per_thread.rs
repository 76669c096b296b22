//! Each thread goes over to the new version when no old one is on its stack.
//!
//! Each has a word: which version it runs, and how often it chose the old one.
//! At a selector a thread that runs the new version enters it. One that does
//! not looks at its own stack: outside of all functions it goes over; inside,
//! or where it cannot look now (say, in a signal handler on another stack), it
//! counts its word up and enters the old one. The coordinator switches sleepers:
//! it reads the word, looks at the stack, and exchanges the word if it is still
//! the one that was read.

use super::checker::{Counterexample, Model, Step, explore};
use super::stacks::{NEW_ABOVE_OLD, Stack, Version};

const THREADS: usize = 2;
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Word {
    /// Whether it was counted up since the coordinator read it. So the model
    /// has a count that never comes round: one of 32 bits would, one of 63
    /// does not.
    Old {
        counted: bool,
    },
    New,
}

const NOT_COUNTED: Word = Word::Old { counted: false };

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum At {
    Running,
    /// At `jmp [slot]`.
    Gate,
    /// In the selector: has not read its word.
    Selector,
    /// Has read it, and is about to exchange it: for a higher count or for new.
    Choosing(Word),
    /// Has chosen the old version and not entered it yet.
    ChoseOld,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Thread {
    at: At,
    stack: Stack,
    word: Word,
}

/// The coordinator's way with one thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Turn {
    LeadToSelectors,
    ReadWord(usize),
    Look(usize),
    Exchange(usize),
    Done,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct State {
    turn: Turn,
    threads: [Thread; THREADS],
}

/// The protocol, and ways to get it wrong.
#[derive(Clone, Copy)]
struct PerThread {
    /// The coordinator compares before it exchanges.
    compares: bool,
    /// It reads the word before it looks at the stack.
    reads_first: bool,
    /// A thread in a selector counts as inside.
    sees_selectors: bool,
    /// A thread counts its word up when it chooses the old version.
    counts: bool,
}

const RIGHT: PerThread = PerThread {
    compares: true,
    reads_first: true,
    sees_selectors: true,
    counts: true,
};

#[derive(Clone, Debug)]
#[allow(dead_code, reason = "read in traces")]
enum Action {
    Coordinator(Turn),
    Thread(usize, &'static str),
}

impl PerThread {
    fn seen_outside(self, thread: &Thread) -> bool {
        let in_selector = !matches!(thread.at, At::Running | At::Gate);
        thread.stack.is_empty() && !(self.sees_selectors && in_selector)
    }

    fn coordinator(self, state: &State) -> Option<State> {
        let mut state = state.clone();
        let first = |n| match self.reads_first {
            true => Turn::ReadWord(n),
            false => Turn::Look(n),
        };
        let after = |n| match n + 1 {
            THREADS => Turn::Done,
            next => first(next),
        };
        state.turn = match state.turn {
            Turn::LeadToSelectors => first(0),
            Turn::ReadWord(n) if state.threads[n].word == Word::New => after(n),
            Turn::ReadWord(n) => {
                state.threads[n].word = NOT_COUNTED;
                if self.reads_first {
                    Turn::Look(n)
                } else {
                    Turn::Exchange(n)
                }
            }
            Turn::Look(n) if !self.seen_outside(&state.threads[n]) => first(n),
            Turn::Look(n) if self.reads_first => Turn::Exchange(n),
            Turn::Look(n) => Turn::ReadWord(n),
            Turn::Exchange(n) => {
                if !self.compares || state.threads[n].word == NOT_COUNTED {
                    state.threads[n].word = Word::New;
                    after(n)
                } else {
                    first(n)
                }
            }
            Turn::Done => return None,
        };
        Some(state)
    }

    fn thread(self, state: &State, n: usize) -> Vec<(&'static str, Result<Thread, &'static str>)> {
        let thread = state.threads[n];
        let go = |at| Ok(Thread { at, ..thread });
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
            At::Running => {
                let mut all = Vec::new();
                if !thread.stack.is_full() {
                    all.push(("calls", go(At::Gate)));
                }
                if !thread.stack.is_empty() {
                    let stack = thread.stack.leave();
                    all.push(("returns", Ok(Thread { stack, ..thread })));
                }
                all
            }
            At::Gate if state.turn == Turn::LeadToSelectors => {
                vec![("goes on to old", enter(Version::Old))]
            }
            At::Gate => vec![("goes on to the selector", go(At::Selector))],
            At::Selector => match thread.word {
                Word::New => vec![("goes on to new", enter(Version::New))],
                Word::Old { counted } => {
                    let old = Word::Old {
                        counted: counted || self.counts,
                    };
                    let mut all = vec![("is inside, or cannot look", go(At::Choosing(old)))];
                    if thread.stack.is_empty() {
                        all.push(("finds itself outside", go(At::Choosing(Word::New))));
                    }
                    all
                }
            },
            // Only the coordinator exchanges it as well.
            At::Choosing(_) if thread.word == Word::New => {
                vec![("was switched meanwhile", go(At::Selector))]
            }
            At::Choosing(word) => {
                let at = match word {
                    Word::New => At::Selector,
                    Word::Old { .. } => At::ChoseOld,
                };
                vec![("exchanges its word", Ok(Thread { at, word, ..thread }))]
            }
            At::ChoseOld => vec![("enters old", enter(Version::Old))],
        }
    }

    fn check(self) -> Result<(), Counterexample> {
        let all = explore(&self)?;
        for n in 0..THREADS {
            all.always_can(
                "a thread cannot finish alone",
                |actor| actor == n,
                |state| state.threads[n].at == At::Running && state.threads[n].stack.is_empty(),
            )?;
        }
        let done = |state: &State| state.turn == Turn::Done;
        all.always_can("the transition cannot finish", |_| true, done)?;
        let all_new = |state: &&State| state.threads.iter().all(|t| t.word == Word::New);
        let finished = || all.states.iter().filter(|state| done(state));
        assert_eq!(finished().filter(all_new).count(), finished().count());
        eprintln!("{} states", all.states.len());
        Ok(())
    }

    fn flaw(self) -> &'static str {
        let found = self.check().expect_err("it has a flaw");
        eprintln!("{found}");
        found.flaw
    }
}

impl Model for PerThread {
    type State = State;
    type Action = Action;

    fn start(&self) -> State {
        let thread = Thread {
            at: At::Running,
            stack: Stack::default(),
            word: NOT_COUNTED,
        };
        State {
            turn: Turn::LeadToSelectors,
            threads: [thread; THREADS],
        }
    }

    fn steps(&self, state: &State) -> Vec<Step<Self>> {
        let mut all: Vec<Step<Self>> = Vec::new();
        if let Some(next) = self.coordinator(state) {
            all.push((Action::Coordinator(state.turn), Ok(next)));
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
            Action::Coordinator(_) => THREADS,
            Action::Thread(n, _) => *n,
        }
    }
}

#[test]
fn no_thread_calls_the_new_version_above_an_old_one() {
    RIGHT.check().unwrap_or_else(|found| panic!("{found}"));
}

#[test]
fn the_coordinator_must_compare_before_it_exchanges() {
    let wrong = PerThread {
        compares: false,
        ..RIGHT
    };
    assert_eq!(wrong.flaw(), NEW_ABOVE_OLD);
}

#[test]
fn the_word_must_be_read_before_the_stack_is_looked_at() {
    let wrong = PerThread {
        reads_first: false,
        ..RIGHT
    };
    assert_eq!(wrong.flaw(), NEW_ABOVE_OLD);
}

#[test]
fn a_thread_in_a_selector_must_count_as_inside() {
    let wrong = PerThread {
        sees_selectors: false,
        ..RIGHT
    };
    assert_eq!(wrong.flaw(), NEW_ABOVE_OLD);
}

#[test]
fn a_thread_must_change_its_word_whenever_it_chooses_the_old_version() {
    let wrong = PerThread {
        counts: false,
        ..RIGHT
    };
    assert_eq!(wrong.flaw(), NEW_ABOVE_OLD);
}
