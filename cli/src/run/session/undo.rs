//! The last reload is taken back: by the agent in the program, and by what is known here
//! of what runs.
//!
//! The files stay as they are, so their crates are newer than what runs. The next edit
//! makes live what the files say, with what was undone; so does `reload`.

use super::state::Session;
use crate::run::eval::overlay::Overlay;
use crate::run::names::Place;
use crate::run::object::Object;
use crate::run::units::Objects;
use midair::reload::protocol::Undone;
use std::collections::VecDeque;
use std::sync::Arc;

/// The agent remembers no more.
const STEPS: usize = 16;

/// A symbol of an object, and where it is.
pub(super) type Named = (Arc<Object>, usize, Place);

/// What was known before a reload.
pub(super) struct Before {
    /// The number of the generation that the reload has made; none if it had nothing
    /// to load.
    pub(super) generation: Option<u64>,
    /// The objects of the crates that were built for it.
    pub(super) units: Vec<(usize, Objects)>,
    /// What has got a name by it, or another place.
    pub(super) named: Vec<Named>,
    overlay: Overlay,
}

impl Before {
    /// Nothing has changed yet.
    pub(super) fn nothing(overlay: Overlay) -> Self {
        Self {
            generation: None,
            units: Vec::new(),
            named: Vec::new(),
            overlay,
        }
    }

    /// Goes back over a later one, too.
    fn extend(&mut self, later: Self) {
        for (n, objects) in later.units {
            if self.units.iter().all(|(known, _)| *known != n) {
                self.units.push((n, objects));
            }
        }
        self.named.extend(later.named);
    }
}

/// Reloads that were not undone, the last one last: as many as the agent remembers.
#[derive(Default)]
pub(super) struct Steps(VecDeque<Before>);

impl Steps {
    /// One that puts the last one right is taken back with it, and so is one that has
    /// loaded nothing.
    pub(super) fn add(&mut self, step: Before, settles: bool) {
        let joins = settles || step.generation.is_none();
        match self.0.back_mut().filter(|_| joins) {
            Some(last) => last.extend(step),
            // What is before all that can be undone needs no way back.
            None if step.generation.is_none() => {}
            None => {
                if self.0.len() == STEPS {
                    self.0.pop_front();
                }
                self.0.push_back(step);
            }
        }
    }

    /// The crates are at other places.
    pub(super) fn reorder(&mut self, places: &[usize]) {
        for (n, _) in self.0.iter_mut().flat_map(|step| &mut step.units) {
            *n = places[*n];
        }
    }
}

impl Session {
    /// Takes the last reload back that was not undone.
    pub(super) fn undo(&mut self) -> Result<Undone, String> {
        let undone = self.agent.undo()?;
        let before = self.steps.0.pop_back();
        let is_it = |before: &Before| before.generation == Some(undone.reload);
        let Some(before) = before.filter(is_it) else {
            return Err(format!(
                "the program went back to the code before generation {}, of which nothing is \
                 known here; restart it",
                undone.reload
            ));
        };
        for (n, objects) in before.units {
            for unit in objects.values() {
                self.types.add(Arc::clone(&unit.types));
            }
            self.crates[n].units.running = objects;
            self.stale.insert(n);
        }
        self.forget(&before.named);
        self.overlay = before.overlay.of_files_as_they_are();
        self.running_overlay = self.overlay.clone();
        Ok(undone)
    }

    /// These have no such names any more.
    pub(super) fn forget(&mut self, named: &[Named]) {
        for (object, symbol, place) in named.iter().rev() {
            self.names.forget(object, *symbol, *place);
        }
    }
}

/// What is said of it.
pub(super) fn text(undone: &Undone) -> String {
    let Undone {
        generation,
        reload,
        left,
        ..
    } = undone;
    format!(
        "generation {reload} is undone, by generation {generation}; {left} more can be. The files \
         are as they are: the next edit makes what they say live, and so does `reload`"
    )
}
