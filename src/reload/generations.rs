//! Generations: what each reload has changed, who runs which, and the way back.
//!
//! The program as it was built is generation 0. Every reload makes the next one,
//! and so does going back: an undo leads functions to where they led before a
//! reload, under a number of its own, so that numbers only grow and what is new is
//! what has the greater one.
//!
//! A reload is made in three steps. First the functions that it changes lead to
//! selectors ([`crate::patch::versions`]) between their old versions and the new
//! one, which changes nothing, as nobody has the new number. Then the number of the
//! current generation is stored: this is the instant. Whoever is pinned
//! ([`super::pins`]) keeps a number of his own, and so the versions of his
//! generation. Last, functions of which nobody can call an old version lead to the
//! newest one directly, as if there were no generations; the others do when their
//! last pin is gone ([`Generations::tidy`]).
//!
//! Constants that are overwritten in place are of no generation: everybody sees the
//! new value.

use super::constants;
use super::listed::{self, Hidden, Made};
use super::pins::{self, held};
use super::protocol::{Bytes, Load};

use crate::RawPatch;
use crate::patch::versions::{self, Version, VersionSelector, Way, Words};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::atomic::Ordering;
use std::time::SystemTime;

/// So many reloads can be undone. What older ones have replaced is not led to
/// any more.
const STEPS: usize = 16;

/// All generations, of which the last one runs.
pub(super) struct Generations {
    words: Words,
    functions: BTreeMap<u64, Function>,
    /// Reloads that were not undone, the last one last.
    steps: Vec<Step>,
    /// A reload was made.
    any: bool,
}

/// A function that leads elsewhere, or did when somebody was pinned.
struct Function {
    patch: RawPatch,
    /// The newest last; the first one is older than all who are pinned.
    versions: Vec<Kept>,
    selector: Option<VersionSelector>,
}

/// A version, where who looks for pointers into images does not see it.
#[derive(Clone, Copy)]
struct Kept {
    since: u64,
    at: Hidden,
}

impl Kept {
    fn new(since: u64, at: usize) -> Self {
        Self {
            since,
            at: Hidden::new(at as u64),
        }
    }

    fn at(self) -> usize {
        self.at.get() as usize
    }
}

/// What takes a reload back.
struct Step {
    /// The era that it has made.
    era: u64,
    /// Where functions led before; to themselves, as they were built, if nowhere.
    before: Vec<(u64, Option<Hidden>)>,
    constants: Vec<Bytes>,
}

impl Step {
    /// Takes a later one back, too.
    fn extend(&mut self, later: Self) {
        let new = later.before.into_iter();
        let new = new.filter(|(target, _)| self.before.iter().all(|(known, _)| known != target));
        let new: Vec<_> = new.collect();
        self.before.extend(new);
        // What stood there first is written last.
        let first = std::mem::replace(&mut self.constants, later.constants);
        self.constants.extend(first);
    }
}

/// Why code of a generation is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    /// It is the newest version of the function at this address.
    Newest(u64),
    /// It is that of generations that somebody is pinned to: of this function.
    Pinned(u64),
    /// An undo may go back to it: of this function.
    Undo(u64),
}

impl Generations {
    /// Nothing is reloaded yet. `distance` is that of the thread's word, as another
    /// thread has measured it: without a fixed one nobody can be pinned.
    pub(super) fn new(distance: i64) -> Self {
        let own = i32::try_from(distance).ok();
        let own = own.filter(|_| held::distance() == distance);
        if own.is_none() {
            pins::deactivate();
        }
        listed::add(Made {
            number: current() - 1,
            at: SystemTime::now(),
            undoes: None,
            sources: Vec::new(),
            functions: Vec::new(),
            bytes: 0,
        });
        Self {
            words: Words {
                own,
                all: &held::CURRENT,
            },
            functions: BTreeMap::new(),
            steps: Vec::new(),
            any: false,
        }
    }

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
        let swaps = load.swaps.iter();
        let swaps = swaps.map(|swap| {
            let to = Some(swap.replacement as usize);
            (swap.target, to.filter(|_| swap.replacement != swap.target))
        });
        let ways: BTreeMap<u64, Option<usize>> = swaps.collect();
        // SAFETY: the caller's promise.
        let step = unsafe { self.lead(&ways, &load.writes) }?;
        match self.steps.last_mut().filter(|_| load.settles) {
            Some(last) => last.extend(step),
            None => {
                if self.steps.len() == STEPS {
                    self.steps.remove(0);
                }
                self.steps.push(step);
            }
        }
        self.any = true;
        self.made(&ways, |made| {
            made.sources.clone_from(&load.sources);
            made.bytes = load.len;
        });
        Ok(current() - 1)
    }

    /// Takes the last reload back that was not undone; the numbers of the
    /// generation that this is and of that reload.
    ///
    /// # Safety
    ///
    /// What functions led to before that reload is there still.
    pub(super) unsafe fn undo(&mut self) -> Result<(u64, u64), String> {
        let Some(step) = self.steps.pop() else {
            return Err(match self.any {
                false => "there is nothing to undo: no edit has become live".to_owned(),
                true => format!("there is nothing to undo: {STEPS} reloads are remembered at most"),
            });
        };
        let before = step.before.iter();
        let ways = before.map(|(target, at)| (*target, at.map(|at| at.get() as usize)));
        let ways: BTreeMap<u64, Option<usize>> = ways.collect();
        // SAFETY: the caller's promise.
        match unsafe { self.lead(&ways, &step.constants) } {
            Ok(_) => {
                self.made(&ways, |made| made.undoes = Some(step.era - 1));
                Ok((current() - 1, step.era - 1))
            }
            Err(why) => {
                self.steps.push(step);
                Err(why)
            }
        }
    }

    fn made(&self, ways: &BTreeMap<u64, Option<usize>>, with: impl FnOnce(&mut Made)) {
        let mut made = Made {
            number: current() - 1,
            at: SystemTime::now(),
            undoes: None,
            sources: Vec::new(),
            functions: ways.keys().map(|at| Hidden::new(*at)).collect(),
            bytes: 0,
        };
        with(&mut made);
        listed::add(made);
    }

    /// Makes the next generation: functions lead elsewhere, at one instant, and
    /// constants are others. What takes it back.
    unsafe fn lead(
        &mut self,
        ways: &BTreeMap<u64, Option<usize>>,
        writes: &[Bytes],
    ) -> Result<Step, String> {
        let next = current() + 1;
        if i32::try_from(next).is_err() {
            return Err("there have been too many reloads; start again".to_owned());
        }
        self.patch(ways)?;
        let needed = needed();
        let mut turned = Vec::with_capacity(ways.len());
        let mut before = Vec::with_capacity(ways.len());
        for (target, to) in ways {
            let function = &self.functions[target];
            let built = function.patch.original() as usize;
            let newest = function
                .versions
                .last()
                .map_or(built, |version| version.at());
            let was = (newest != built).then(|| Hidden::new(newest as u64));
            before.push((*target, was));
            let mut versions = pruned(&function.versions, &needed);
            versions.push(Kept::new(next, to.unwrap_or(built)));
            turned.push((*target, versions));
        }
        // SAFETY: the caller's promise.
        let written = unsafe { constants::overwrite(writes) }
            .map_err(|e| format!("a constant cannot be overwritten: {e}"));
        let led = written.and_then(|constants| {
            // SAFETY: the caller's promise; the words are the same in all threads.
            unsafe { self.turn(turned) }.map_err(|error| {
                // SAFETY: puts back what stood there a moment ago.
                match unsafe { constants::overwrite(&constants) } {
                    Ok(_) => error.to_string(),
                    Err(also) => format!("{error} (and a constant was not put back: {also})"),
                }
            })?;
            Ok(constants)
        });
        if led.is_ok() {
            // The instant. Whoever reads the number after this has the new
            // versions, and whoever has read it before is found by `tidy`.
            held::CURRENT.store(next, Ordering::SeqCst);
        }
        // Also after a failure: patches that lead nowhere come off.
        self.tidy();
        Ok(Step {
            era: next,
            before,
            constants: led?,
        })
    }

    /// Sees to it that each of these functions has a patch.
    fn patch(&mut self, ways: &BTreeMap<u64, Option<usize>>) -> Result<(), String> {
        let missing = ways.keys().filter(|at| !self.functions.contains_key(at));
        let missing: Vec<usize> = missing.map(|at| *at as usize).collect();
        let patches = versions::prepare(&missing).map_err(|e| e.to_string())?;
        for patch in patches {
            let built = Kept::new(0, patch.original() as usize);
            let function = Function {
                patch,
                versions: vec![built],
                selector: None,
            };
            self.functions
                .insert(function.patch.target() as u64, function);
        }
        Ok(())
    }

    /// Leads functions to these versions, or none.
    unsafe fn turn(&mut self, turned: Vec<(u64, Vec<Kept>)>) -> Result<(), crate::Error> {
        let ways = turned.iter().map(|(target, versions)| Way {
            patch: &self.functions[target].patch,
            versions: versions
                .iter()
                .map(|version| Version {
                    since: version.since,
                    at: version.at(),
                })
                .collect(),
        });
        let ways: Vec<Way<'_>> = ways.collect();
        // SAFETY: the caller's promise.
        let selectors = unsafe { versions::lead(&ways, self.words) }?;
        drop(ways);
        let mut before = Vec::new();
        for ((target, versions), selector) in turned.into_iter().zip(selectors) {
            if let Some(function) = self.functions.get_mut(&target) {
                function.versions = versions;
                before.extend(std::mem::replace(&mut function.selector, selector));
            }
        }
        if !before.is_empty() {
            versions::retire(before);
        }
        Ok(())
    }

    /// Leads functions to their newest versions of which nobody can call an older
    /// one any more. Those that are as they were built are not patched any more.
    /// Whether some are left, because of pins.
    pub(super) fn tidy(&mut self) -> bool {
        let needed = needed();
        let mut turned = Vec::new();
        let mut done = Vec::new();
        for (target, function) in &self.functions {
            let versions = pruned(&function.versions, &needed);
            let is_built = match versions.as_slice() {
                [only] => only.at() == function.patch.original() as usize,
                _ => false,
            };
            if is_built {
                done.push(*target);
            } else if versions.len() < function.versions.len() {
                turned.push((*target, versions));
            }
        }
        if !turned.is_empty() {
            // SAFETY: fewer of the versions that they have. If that fails they stay as
            // they are, which is right, too, until the next time.
            let _ = unsafe { self.turn(turned) };
        }
        let mut off = crate::Patches::default();
        let mut selectors = Vec::new();
        for target in done {
            if let Some(function) = self.functions.remove(&target) {
                off.extend([function.patch]);
                selectors.extend(function.selector);
            }
        }
        // What cannot be restored leads to the original.
        drop(off);
        if !selectors.is_empty() {
            versions::retire(selectors);
        }
        self.functions.values().any(|f| f.versions.len() > 1)
    }

    /// Why something in this stretch of addresses is needed, if it is: what pins
    /// need is up to date after [`Generations::tidy`].
    pub(super) fn need(&self, range: &Range<usize>) -> Option<Need> {
        let mut need = None;
        for (target, function) in &self.functions {
            let (newest, older) = function.versions.split_last()?;
            if range.contains(&newest.at()) {
                return Some(Need::Newest(*target));
            }
            if older.iter().any(|version| range.contains(&version.at())) {
                need = Some(Need::Pinned(*target));
            }
        }
        let before = self.steps.iter().flat_map(|step| &step.before);
        let mut before =
            before.filter(|(_, at)| at.is_some_and(|at| range.contains(&(at.get() as usize))));
        need.or_else(|| Some(Need::Undo(before.next()?.0)))
    }
}

/// The era that runs.
fn current() -> u64 {
    held::CURRENT.load(Ordering::SeqCst)
}

/// The eras that somebody may be of until the next one is made. Whoever is pinned
/// after this was read gets the current one, or that of somebody who is in it.
fn needed() -> BTreeSet<u64> {
    let current = current();
    let mut eras = held::eras();
    eras.insert(current);
    eras
}

/// Those of the versions that somebody of these eras calls.
fn pruned(versions: &[Kept], needed: &BTreeSet<u64>) -> Vec<Kept> {
    let until = versions.iter().skip(1).map(|next| next.since);
    let until = until.chain([u64::MAX]);
    versions
        .iter()
        .zip(until)
        .filter(|(version, until)| needed.range(version.since..*until).next().is_some())
        .map(|(version, _)| *version)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn since(numbers: &[u64]) -> Vec<Kept> {
        numbers.iter().map(|since| Kept::new(*since, 0)).collect()
    }

    fn left(numbers: &[u64], needed: &[u64]) -> Vec<u64> {
        let needed = needed.iter().copied().collect();
        let left = pruned(&since(numbers), &needed);
        left.into_iter().map(|version| version.since).collect()
    }

    #[test]
    fn what_puts_a_reload_right_is_taken_back_with_it() {
        let step = |era, before: &[(u64, u64)], bytes: &[u8]| Step {
            era,
            before: before
                .iter()
                .map(|(target, at)| (*target, Some(Hidden::new(*at))))
                .collect(),
            constants: vec![Bytes {
                address: 9,
                bytes: bytes.to_vec(),
            }],
        };
        let mut first = step(1, &[(10, 100)], &[1]);
        first.extend(step(2, &[(10, 101), (20, 200)], &[2]));
        let before = first.before.iter();
        let before: Vec<_> = before
            .map(|(target, at)| (*target, at.unwrap().get()))
            .collect();
        assert_eq!(before, [(10, 100), (20, 200)]);
        let constants: Vec<_> = first.constants.iter().map(|c| c.bytes[0]).collect();
        assert_eq!((first.era, constants), (1, vec![2, 1]));
    }

    #[test]
    fn a_version_is_needed_by_the_eras_until_the_next_one() {
        assert_eq!(left(&[0, 3, 5], &[9]), [5]);
        assert_eq!(left(&[0, 3, 5], &[4, 9]), [3, 5]);
        assert_eq!(left(&[0, 3, 5], &[2, 9]), [0, 5]);
        assert_eq!(left(&[0, 3, 5], &[2, 3, 4]), [0, 3]);
        assert_eq!(left(&[0], &[1]), [0]);
    }
}
