//! Generations: what each reload has changed, and the way back.
//!
//! The program as it was built is generation 0. Every reload makes the next one,
//! and so does going back: an undo leads functions to where they led before a
//! reload, under a number of its own, so that numbers only grow.

use super::protocol::{Bytes, Load};
use super::swaps::{self, Swaps, Way};
use std::collections::{BTreeMap, HashMap};

/// So many reloads can be undone. What older ones have replaced is not led to
/// any more.
const STEPS: usize = 16;

/// All generations, of which the last one runs.
#[derive(Default)]
pub(super) struct Generations {
    /// The number of the last one.
    current: u64,
    swaps: Swaps,
    /// Where functions lead that do not lead to themselves.
    led: HashMap<u64, u64>,
    /// Reloads that were not undone, the last one last.
    steps: Vec<Step>,
}

/// What takes a reload back.
struct Step {
    reload: u64,
    ways: Vec<Way>,
    constants: Vec<Bytes>,
}

impl Generations {
    /// How many reloads can be undone.
    pub(super) fn undoable(&self) -> u64 {
        self.steps.len() as u64
    }

    /// Makes a reload's functions and constants what runs; its number.
    ///
    /// # Safety
    ///
    /// The replacements may stand in for the functions, and the constants are
    /// the program's.
    pub(super) unsafe fn reload(&mut self, load: &Load) -> Result<u64, String> {
        // The same function may come from several objects.
        let swaps = load.swaps.iter().map(|s| (s.target, s.replacement));
        let swaps: BTreeMap<u64, u64> = swaps.collect();
        let ways = swaps.into_iter().map(|(target, to)| Way {
            target,
            to: Some(to),
        });
        let ways: Vec<Way> = ways.collect();
        // SAFETY: the caller's promise.
        let step = unsafe { self.lead(&ways, &load.writes) }?;
        if self.steps.len() == STEPS {
            self.steps.remove(0);
        }
        self.steps.push(step);
        Ok(self.current)
    }

    /// Takes the last reload back that was not undone; the numbers of the
    /// generation that this is and of that reload.
    ///
    /// # Safety
    ///
    /// What functions led to before that reload is there still.
    pub(super) unsafe fn undo(&mut self) -> Result<(u64, u64), String> {
        let Some(step) = self.steps.pop() else {
            return Err(match self.current {
                0 => "there is nothing to undo: no edit has become live".to_owned(),
                _ => format!("there is nothing to undo: {STEPS} reloads are remembered at most"),
            });
        };
        // SAFETY: the caller's promise.
        match unsafe { self.lead(&step.ways, &step.constants) } {
            Ok(_) => Ok((self.current, step.reload)),
            Err(why) => {
                self.steps.push(step);
                Err(why)
            }
        }
    }

    /// Makes the next generation: functions lead elsewhere, at one instant, and
    /// constants are others. What takes it back.
    unsafe fn lead(&mut self, ways: &[Way], writes: &[Bytes]) -> Result<Step, String> {
        // SAFETY: the caller's promise.
        let constants = unsafe { swaps::overwrite(writes) }
            .map_err(|e| format!("a constant cannot be overwritten: {e}"))?;
        // SAFETY: as above.
        if let Err(error) = unsafe { self.swaps.lead(ways) } {
            // SAFETY: puts back what stood there a moment ago.
            let undone = unsafe { swaps::overwrite(&constants) };
            return Err(match undone {
                Ok(_) => error.to_string(),
                Err(also) => format!("{error} (and a constant was not put back: {also})"),
            });
        }
        let mut before = Vec::with_capacity(ways.len());
        for way in ways {
            let to = match way.to {
                Some(to) => self.led.insert(way.target, to),
                None => self.led.remove(&way.target),
            };
            let target = way.target;
            before.push(Way { target, to });
        }
        self.current += 1;
        Ok(Step {
            reload: self.current,
            ways: before,
            constants,
        })
    }
}
