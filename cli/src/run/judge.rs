//! What an edit would change, and what the gate says of it. Nothing is changed here.
//!
//! If anything is refused, nothing of the edit is to be applied, unless somebody insists
//! (`--partial`): then what is [`partial`](super::partial) is.

use super::changes::{Changes, Difference, Key};
use super::crates::Crate;
use super::names::Names;
use super::partial;
use super::pool::is_of_allocator;
use super::report::{self, Latency, Report, Versioned, milliseconds};
use super::units::{self, Objects, Unit};
use cargo_midair::run::gate;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Instant;

/// What runs.
pub(crate) struct Running<'a> {
    pub(crate) crates: &'a [Crate],
    pub(crate) names: &'a Names,
    pub(crate) types: &'a gate::Running,
    /// What runs newer than the crates' objects, by file and name.
    pub(crate) partly: &'a HashSet<(String, String)>,
}

/// An edit.
pub(crate) struct Judged {
    /// All objects of the crates that were built.
    pub(crate) newest: Vec<(usize, Objects)>,
    pub(crate) changes: Changes,
    pub(crate) types: Vec<Arc<gate::Object>>,
    /// What there is to say of it so far.
    pub(crate) report: Report,
}

impl Running<'_> {
    /// Compares what was built of these crates with what runs.
    pub(crate) fn judge(
        &self,
        rebuilt: &[usize],
        is_partial: bool,
        latency: &mut Latency,
    ) -> Result<Judged, String> {
        let begun = Instant::now();
        let mut newest: Vec<(usize, Objects)> = Vec::new();
        let mut changes = Changes::default();
        let mut types = Vec::new();
        for n in rebuilt {
            let units = &self.crates[*n].units;
            let objects = units.newest()?;
            let old = units::only_in(&units.running, &objects);
            let new = units::only_in(&objects, &units.running);
            let name = self.crates[*n].capture.crate_name().unwrap_or_default();
            let forced = |(file, name): Key<'_>| {
                !self.partly.is_empty() && self.partly.contains(&(file.to_owned(), name.to_owned()))
            };
            changes.add(name, &old, &new, &units.running, self.names, &forced);
            types.extend(new.iter().map(|unit| Arc::clone(&unit.types)));
            newest.push((*n, objects));
        }
        latency.diff = milliseconds(begun.elapsed());
        let begun = Instant::now();
        let outcome = self.ask_gate(&types, &newest, &mut changes)?;
        let mut left_out = None;
        if let Some(why) = another_allocator(self.crates, &newest, &changes) {
            changes.refused.push(why);
        } else if !changes.refused.is_empty() && is_partial {
            let all = units(self.crates, &newest);
            match partial::reduce(&mut changes, &outcome, &all, &types, self) {
                Ok(names) => left_out = Some(names),
                Err(why) => changes.refused.push(why),
            }
        }
        latency.gate = milliseconds(begun.elapsed());
        let mut report = listed(&changes, left_out);
        let names = self.crates.iter().map(|one| one.capture.crate_name());
        report.workspace = names.flatten().map(str::to_owned).collect();
        Ok(Judged {
            newest,
            changes,
            types,
            report,
        })
    }

    /// Asks the gate which functions old callers may be led to. New code gets the
    /// others, and so does what was there but refers to them.
    fn ask_gate(
        &self,
        new: &[Arc<gate::Object>],
        newest: &[(usize, Objects)],
        changes: &mut Changes,
    ) -> Result<gate::Outcome, String> {
        let all = units(self.crates, newest);
        loop {
            let mut new = new.to_vec();
            for function in &changes.functions {
                let is_its = |unit: &&&Unit| Arc::ptr_eq(&unit.object, &function.object);
                if function.difference == Difference::Referred
                    && let Some(unit) = all.iter().find(is_its)
                    && !new.iter().any(|types| Arc::ptr_eq(types, &unit.types))
                {
                    new.push(Arc::clone(&unit.types));
                }
            }
            let changed = changes.functions.iter().map(|function| {
                let name = function.object.symbol_name(function.symbol);
                gate::Changed {
                    old: function.was.as_deref().unwrap_or(name),
                    new: name,
                    moved: function.difference != Difference::Code,
                }
            });
            let changed: Vec<gate::Changed<'_>> = changed.collect();
            let outcome = gate::compare(self.types, &new, &changed).map_err(|e| e.to_string())?;
            let refusals = outcome.refusals.iter().filter(|refusal| match refusal {
                gate::Refusal::Static { name, .. } => !changes.replaced.contains(name),
                _ => true,
            });
            let refusals: Vec<String> = refusals.map(ToString::to_string).collect();
            if !refusals.is_empty() {
                // It has better words for what was noticed without it.
                changes.refused = refusals;
                return Ok(outcome);
            }
            for (function, verdict) in changes.functions.iter_mut().zip(&outcome.verdicts) {
                if let gate::Verdict::Versioned { reason } = verdict {
                    // Of another path, it is not the one that was there.
                    function.is_other =
                        function.was.is_some() && matches!(reason, gate::Reason::Unknown { .. });
                    function.versioned = Some(reason.to_string());
                }
            }
            if !changes.relink(&all, self.names) {
                return Ok(outcome);
            }
        }
    }
}

/// Why memory that one `#[global_allocator]` has given would be given back to another.
fn another_allocator(
    crates: &[Crate],
    newest: &[(usize, Objects)],
    changes: &Changes,
) -> Option<String> {
    let has_one = |objects: &Objects| {
        objects.values().any(|unit| {
            let object = &unit.object;
            (0..object.symbols.len()).any(|symbol| {
                object.symbols[symbol].section.is_some()
                    && is_of_allocator(object.symbol_name(symbol))
            })
        })
    };
    let mut went_or_came = newest
        .iter()
        .map(|(n, objects)| (has_one(&crates[*n].units.running), has_one(objects)));
    let words = match went_or_came.find(|(was, is)| was != is) {
        Some((false, _)) => "comes",
        Some((true, _)) => "goes",
        None => {
            let mut functions = changes.functions.iter();
            let is_changed = functions.any(|one| {
                one.difference != Difference::Lines
                    && is_of_allocator(one.object.symbol_name(one.symbol))
            });
            is_changed.then_some("is another one now")?
        }
    };
    Some(format!(
        "the `#[global_allocator]` {words}: memory that one has given would go back to another"
    ))
}

/// All units: the newest of crates that were built, and those that run of others.
pub(crate) fn units<'a>(crates: &'a [Crate], newest: &'a [(usize, Objects)]) -> Vec<&'a Unit> {
    let rebuilt = newest.iter().map(|(_, objects)| objects);
    let others = crates.iter().enumerate();
    let others = others.filter(|(n, _)| newest.iter().all(|(newer, _)| newer != n));
    rebuilt
        .chain(others.map(|(_, other)| &other.units.running))
        .flat_map(|objects| objects.values())
        .collect()
}

/// The names of all that is different.
fn listed(changes: &Changes, left_out: Option<Vec<String>>) -> Report {
    let mut report = Report {
        refused: changes.refused.clone(),
        is_partial: left_out.is_some(),
        left_out: left_out.unwrap_or_default(),
        removed: changes.removed.clone(),
        kept: changes.kept.iter().map(|name| report::path(name)).collect(),
        ..Report::default()
    };
    if report.is_refused() {
        return report;
    }
    let functions = changes.functions.iter();
    for function in functions.filter(|one| one.is_linked() && !one.is_other) {
        let what = report::path(function.object.symbol_name(function.symbol));
        match &function.versioned {
            Some(why) => report.versioned.push(Versioned {
                what,
                why: why.clone(),
            }),
            None if function.difference == Difference::Lines => report.moved.push(what),
            None => report.redirected.push(what),
        }
    }
    let constants = changes.constants.iter();
    report.overwritten = constants.map(|one| report::path(&one.name)).collect();
    report
}
