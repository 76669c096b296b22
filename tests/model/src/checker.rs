//! Visits every state that a model can reach, breadth first.
//!
//! The first flaw that is met ends the search; as it is breadth first, its
//! trace is a shortest one. Nothing is sampled and states are compared whole,
//! not by their hash: what passes was looked at completely.

use std::collections::HashMap;
use std::fmt::{self, Debug, Display};
use std::hash::Hash;

/// Threads that take turns, one atomic step at a time.
pub(crate) trait Model {
    type State: Clone + Eq + Hash + Debug;
    type Action: Clone + Debug;

    fn start(&self) -> Self::State;

    /// Everything that any thread can do next. An error is a flaw of the
    /// protocol: something that must never happen has happened.
    fn steps(&self, state: &Self::State) -> Vec<Step<Self>>;

    /// Which thread an action is one of.
    fn actor(action: &Self::Action) -> usize;
}

pub(crate) type Step<M> = (
    <M as Model>::Action,
    Result<<M as Model>::State, &'static str>,
);

/// All reachable states; none has a flaw.
pub(crate) struct Explored<M: Model> {
    pub(crate) states: Vec<M::State>,
    /// How each state was reached first.
    parents: Vec<Option<(usize, M::Action)>>,
    /// From, to, and which thread moved.
    edges: Vec<(usize, usize, usize)>,
}

/// A shortest way to something that must not be.
#[derive(Debug)]
pub(crate) struct Counterexample {
    pub(crate) flaw: &'static str,
    pub(crate) trace: Vec<String>,
}

impl Display for Counterexample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}, after:", self.flaw)?;
        for (n, step) in self.trace.iter().enumerate() {
            writeln!(f, "  {:2}. {step}", n + 1)?;
        }
        Ok(())
    }
}

/// Visits every state, or finds a flaw.
pub(crate) fn explore<M: Model>(model: &M) -> Result<Explored<M>, Counterexample> {
    let start = model.start();
    let mut known = HashMap::from([(start.clone(), 0)]);
    let mut found = Explored {
        states: vec![start],
        parents: vec![None],
        edges: Vec::new(),
    };
    let mut from = 0;
    while from < found.states.len() {
        for (action, outcome) in model.steps(&found.states[from]) {
            let state = match outcome {
                Ok(state) => state,
                Err(flaw) => {
                    let mut trace = found.trace(from);
                    trace.push(format!("{action:?}"));
                    return Err(Counterexample { flaw, trace });
                }
            };
            let actor = M::actor(&action);
            let to = *known.entry(state).or_insert_with_key(|state| {
                found.states.push(state.clone());
                found.parents.push(Some((from, action)));
                found.states.len() - 1
            });
            found.edges.push((from, to, actor));
        }
        from += 1;
    }
    Ok(found)
}

impl<M: Model> Explored<M> {
    /// How a state was reached.
    fn trace(&self, mut state: usize) -> Vec<String> {
        let mut trace = Vec::new();
        while let Some((parent, action)) = &self.parents[state] {
            trace.push(format!("{action:?}"));
            state = *parent;
        }
        trace.reverse();
        trace
    }

    /// Whether a state in which `goal` holds can be reached from *every* state,
    /// by steps of those threads alone of which `moves` holds. So nobody is
    /// ever stuck: whoever keeps moving, and is not held up by the same choice
    /// forever, arrives.
    pub(crate) fn always_can(
        &self,
        what: &'static str,
        moves: impl Fn(usize) -> bool,
        goal: impl Fn(&M::State) -> bool,
    ) -> Result<(), Counterexample> {
        let mut before: Vec<Vec<usize>> = vec![Vec::new(); self.states.len()];
        for &(from, to, actor) in &self.edges {
            if moves(actor) {
                before[to].push(from);
            }
        }
        let mut can: Vec<bool> = self.states.iter().map(goal).collect();
        let mut todo: Vec<usize> = (0..can.len()).filter(|&state| can[state]).collect();
        while let Some(state) = todo.pop() {
            for &earlier in &before[state] {
                if !std::mem::replace(&mut can[earlier], true) {
                    todo.push(earlier);
                }
            }
        }
        match can.iter().position(|&can| !can) {
            None => Ok(()),
            Some(stuck) => Err(Counterexample {
                flaw: what,
                trace: self.trace(stuck),
            }),
        }
    }
}
