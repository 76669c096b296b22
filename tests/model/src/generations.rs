//! Generations: who is pinned keeps the versions of one number, and nobody stops.
//!
//! Two reloads. The first one changes both functions, the second one only the second
//! function. Each looks who is pinned, leads what it changes to selectors, stores the
//! number, looks again, and makes direct what nobody calls an old version of. A reader
//! pins itself in three steps: it reads the number, writes it down, and reads it again.
//!
//! Every load and store here is seen by all at once: the library asks for that order
//! where it matters.

use super::checker::{Counterexample, Model, Step, explore};

const READERS: usize = 2;
const FUNCTIONS: usize = 2;

/// Versions of a function by the number since which they are the one: a bit for each.
type Versions = u8;

/// The version of these that is the one for a number.
fn version(versions: Versions, number: usize) -> usize {
    let not_newer = versions & ((2 << number) - 1);
    // Without one that is old enough, the oldest that is left.
    match not_newer {
        0 => versions.trailing_zeros() as usize,
        some => some.ilog2() as usize,
    }
}

/// Those that are the one for some of these numbers.
fn pruned(versions: Versions, needed: u8) -> Versions {
    let numbers = (0..8).filter(|number| needed >> number & 1 == 1);
    numbers.fold(0, |left, number| left | 1 << version(versions, number))
}

#[derive(Clone, Copy, Debug)]
enum Op {
    /// Nobody is known to be pinned, and the current number is needed.
    Begin,
    /// Looks at one reader's record.
    Look(usize),
    /// A function that changes in this reload, to a selector.
    Lead(usize, usize),
    Store(usize),
    Tidy(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Place {
    Outside,
    /// Has read the number.
    Pinning(usize),
    /// Has written it down.
    Written(usize),
    Gate(usize),
    /// In a selector between these; has not read a number yet.
    Selector(usize, Versions),
    Body(usize, usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Reader {
    at: Place,
    pinned: Option<usize>,
    record: Option<usize>,
    /// The newest number that anybody was seen to have when its call or pin began.
    at_least: usize,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct State {
    next: usize,
    current: usize,
    /// What the writer knows: who needs which number, and what each slot leads to.
    needed: u8,
    slots: [Versions; FUNCTIONS],
    newest_seen: usize,
    readers: [Reader; READERS],
}

#[derive(Clone)]
struct Generations {
    script: Vec<Op>,
    /// Pins look again whether their number is current.
    verifies: bool,
}

#[derive(Clone, Debug)]
#[allow(dead_code, reason = "read in traces")]
enum Action {
    Writer(Op),
    Reader(usize, Place),
}

const MIXED: &str = "a pinned reader is in a version of another generation";
const OLDER: &str = "a version older than one that was seen before";
const OLD_PIN: &str = "a pin of an older generation than what was seen before";

/// All versions that functions ever have.
const ALL: [Versions; FUNCTIONS] = [0b011, 0b111];

impl Generations {
    fn reader_steps(&self, state: &State, n: usize) -> Vec<Result<State, &'static str>> {
        let reader = state.readers[n];
        let change = |with: &dyn Fn(&mut Reader)| {
            let mut state = state.clone();
            with(&mut state.readers[n]);
            Ok(state)
        };
        match reader.at {
            Place::Outside => {
                let newest = state.newest_seen;
                let mut all: Vec<_> = (0..FUNCTIONS)
                    .map(|function| {
                        change(&|reader| {
                            reader.at = Place::Gate(function);
                            reader.at_least = newest;
                        })
                    })
                    .collect();
                all.push(match reader.pinned {
                    Some(_) => change(&|reader| {
                        reader.pinned = None;
                        reader.record = None;
                    }),
                    None => change(&|reader| {
                        reader.at = Place::Pinning(state.current);
                        reader.at_least = newest;
                    }),
                });
                all
            }
            Place::Pinning(number) => vec![change(&|reader| {
                reader.record = Some(number);
                reader.at = Place::Written(number);
            })],
            Place::Written(number) if self.verifies && number != state.current => {
                vec![change(&|reader| reader.at = Place::Pinning(state.current))]
            }
            Place::Written(number) if number < reader.at_least => vec![Err(OLD_PIN)],
            Place::Written(number) => vec![change(&|reader| {
                reader.pinned = Some(number);
                reader.at = Place::Outside;
                reader.at_least = 0;
            })],
            Place::Gate(function) => {
                let versions = state.slots[function];
                let at = match versions.count_ones() {
                    1 => Place::Body(function, version(versions, 0)),
                    _ => Place::Selector(function, versions),
                };
                vec![change(&|reader| reader.at = at)]
            }
            Place::Selector(function, versions) => {
                let number = reader.pinned.unwrap_or(state.current);
                let chosen = version(versions, number);
                vec![change(&|reader| reader.at = Place::Body(function, chosen))]
            }
            Place::Body(function, is) => vec![match reader.pinned {
                Some(number) if version(ALL[function], number) != is => Err(MIXED),
                None if version(ALL[function], reader.at_least) > is => Err(OLDER),
                pinned => {
                    let mut state = state.clone();
                    let seen = pinned.unwrap_or(is);
                    state.newest_seen = state.newest_seen.max(seen);
                    state.readers[n].at = Place::Outside;
                    state.readers[n].at_least = 0;
                    Ok(state)
                }
            }],
        }
    }

    fn writer_step(&self, state: &State) -> Option<(Action, Result<State, &'static str>)> {
        let op = *self.script.get(state.next)?;
        let mut state = state.clone();
        state.next += 1;
        match op {
            Op::Begin => state.needed = 1 << state.current,
            Op::Look(n) => {
                let record = state.readers[n].record;
                state.needed |= record.map_or(0, |number| 1 << number);
            }
            Op::Lead(function, number) => {
                let slot = &mut state.slots[function];
                *slot = pruned(*slot, state.needed) | 1 << number;
            }
            Op::Store(number) => state.current = number,
            Op::Tidy(function) => {
                state.slots[function] = pruned(state.slots[function], state.needed);
            }
        }
        Some((Action::Writer(op), Ok(state)))
    }

    fn check(&self) -> Result<(), Counterexample> {
        let all = explore(self)?;
        for n in 0..READERS {
            let outside = |state: &State| state.readers[n].at == Place::Outside;
            all.always_can("a reader cannot finish alone", |actor| actor == n, outside)?;
        }
        let done = |state: &State| state.next == self.script.len();
        all.always_can("the writer cannot finish", |actor| actor == READERS, done)?;
        eprintln!("{} states", all.states.len());
        Ok(())
    }

    fn flaw(&self) -> &'static str {
        let found = self.check().expect_err("it has a flaw");
        eprintln!("{found}");
        found.flaw
    }

    fn without(mut self, wanted: impl Fn(&Op) -> bool) -> Self {
        self.script.retain(|op| !wanted(op));
        self
    }
}

impl Model for Generations {
    type State = State;
    type Action = Action;

    fn start(&self) -> State {
        State {
            next: 0,
            current: 0,
            needed: 0,
            slots: [1; FUNCTIONS],
            newest_seen: 0,
            readers: [Reader {
                at: Place::Outside,
                pinned: None,
                record: None,
                at_least: 0,
            }; READERS],
        }
    }

    fn steps(&self, state: &State) -> Vec<Step<Self>> {
        let mut all: Vec<Step<Self>> = self.writer_step(state).into_iter().collect();
        for n in 0..READERS {
            let action = Action::Reader(n, state.readers[n].at);
            let steps = self.reader_steps(state, n).into_iter();
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

fn look() -> Vec<Op> {
    let looks = (0..READERS).map(Op::Look);
    [Op::Begin].into_iter().chain(looks).collect()
}

/// Both reloads, and what is tidied up when pins are gone.
fn reloads() -> Generations {
    let tidy = || [look(), vec![Op::Tidy(0), Op::Tidy(1)]].concat();
    let first = vec![Op::Lead(0, 1), Op::Lead(1, 1), Op::Store(1)];
    let second = vec![Op::Lead(1, 2), Op::Store(2)];
    Generations {
        script: [look(), first, tidy(), look(), second, tidy(), tidy()].concat(),
        verifies: true,
    }
}

#[test]
fn who_is_pinned_is_in_one_generation_and_nobody_meets_an_old_one_after_a_new_one() {
    reloads().check().unwrap_or_else(|found| panic!("{found}"));
}

/// The number was read, a reload came and has seen nobody, and what the number stands
/// for is not led to any more.
#[test]
fn a_pin_must_look_again_whether_its_number_is_current() {
    let mutant = Generations {
        verifies: false,
        ..reloads()
    };
    assert!([MIXED, OLD_PIN].contains(&mutant.flaw()));
}

#[test]
fn functions_must_lead_to_selectors_before_the_number_is_stored() {
    let mut mutant = reloads();
    let store = mutant
        .script
        .iter()
        .position(|op| matches!(op, Op::Store(1)));
    let store = mutant.script.remove(store.unwrap());
    let lead = mutant
        .script
        .iter()
        .position(|op| matches!(op, Op::Lead(1, 1)));
    mutant.script.insert(lead.unwrap(), store);
    assert!([MIXED, OLDER].contains(&mutant.flaw()));
}

#[test]
fn threads_must_be_looked_at_again_after_the_number_is_stored() {
    let mut mutant = reloads();
    let store = mutant
        .script
        .iter()
        .position(|op| matches!(op, Op::Store(1)));
    // What was seen before it counts; only the new number is needed as well.
    let looks = store.unwrap() + 2..store.unwrap() + 2 + READERS;
    mutant.script.drain(looks);
    assert_eq!(mutant.flaw(), MIXED);
}

#[test]
fn who_is_pinned_must_be_known_before_old_versions_are_left_out() {
    let mutant = reloads().without(|op| matches!(op, Op::Look(_)));
    assert_eq!(mutant.flaw(), MIXED);
}
