//! The part of a refused edit that can be applied without the rest (`--partial`).
//!
//! What is refused stays as it is: the old code with the old data. New code may only run
//! where it meets neither. So out of the edit go functions that take, return or capture
//! something refused, those that have an old and a new version, and whatever new code
//! refers to one of these, directly or through code and tables that are new as well.
//! Functions that have not changed are old code that goes on with old data, so what
//! refers to them may be new, unless they take something refused themselves: a new
//! caller would give them a value of the new kind.
//!
//! Where that is not enough, there is no such part: if a static has a refused type in its
//! values, which code reaches without calling anybody; and if tables of trait objects do
//! not fit, for who calls through them is not known.

use super::changes::{Changes, key, named_section, refers};
use super::judge::Running;
use super::object::Kind;
use super::report;
use super::units::Unit;
use cargo_midair::run::gate::{self, Refusal, Verdict};
use std::collections::HashSet;
use std::sync::Arc;

/// Takes out of `changes` what cannot be applied; the names of these functions. Or why
/// nothing can be.
pub(crate) fn reduce(
    changes: &mut Changes,
    outcome: &gate::Outcome,
    all: &[&Unit],
    types: &[Arc<gate::Object>],
    running: &Running<'_>,
) -> Result<Vec<String>, String> {
    for refusal in &outcome.refusals {
        match refusal {
            Refusal::Layout { .. } => {}
            Refusal::Static { name, .. } if changes.replaced.contains(name) => {}
            _ => {
                return Err("nothing of it can be applied alone: any code may meet that".to_owned());
            }
        }
    }
    if outcome.refusals.is_empty() {
        return Err("nothing of it can be applied alone: any code may meet that".to_owned());
    }
    if let Some(holder) = outcome.holders.first() {
        return Err(format!(
            "nothing of it can be applied alone: static `{holder}` has values of that type, \
             and any code may meet them"
        ));
    }
    let mut out = seeds(changes, all, types, running)?;
    loop {
        let mut more = Vec::new();
        for object in all.iter().map(|unit| &unit.object) {
            for symbol in 0..object.symbols.len() {
                let Some(section) = named_section(object, symbol) else {
                    continue;
                };
                let is_changed = || {
                    let mut functions = changes.functions.iter();
                    let mut constants = changes.constants.iter().map(|one| &one.piece);
                    functions.any(|one| Arc::ptr_eq(&one.object, object) && one.section == section)
                        || constants
                            .any(|one| Arc::ptr_eq(&one.object, object) && one.section == section)
                };
                let (file, name) = key(object, symbol);
                let id = (file.to_owned(), name.to_owned());
                if !out.contains(&id)
                    && matches!(object.sections[section].kind, Kind::Text | Kind::Constant)
                    && (running.names.find(object, symbol).is_none() || is_changed())
                    && refers(object, section, &out, &mut HashSet::new())
                {
                    more.push(id);
                }
            }
        }
        if more.is_empty() {
            break;
        }
        out.extend(more);
    }
    let is_out = |file: &str, name: &str| out.contains(&(file.to_owned(), name.to_owned()));
    let mut left_out = Vec::new();
    changes.functions.retain(|function| {
        let (file, name) = key(&function.object, function.symbol);
        let goes = is_out(file, name) || function.versioned.is_some();
        if goes && function.is_linked() {
            left_out.push(report::path(name));
        }
        !goes
    });
    changes.constants.retain(|constant| {
        let (file, name) = key(&constant.piece.object, constant.symbol);
        !is_out(file, name)
    });
    Ok(left_out)
}

/// All functions that take something refused, whether they have changed or not, and those
/// that have two versions; with the file of local ones.
fn seeds(
    changes: &Changes,
    all: &[&Unit],
    types: &[Arc<gate::Object>],
    running: &Running<'_>,
) -> Result<HashSet<(String, String)>, String> {
    let is_built = |unit: &&&Unit| types.iter().any(|types| Arc::ptr_eq(types, &unit.types));
    let mut functions: Vec<((String, String), String)> = Vec::new();
    for object in all.iter().filter(is_built).map(|unit| &unit.object) {
        for symbol in 0..object.symbols.len() {
            let section = named_section(object, symbol);
            let is_code = section.is_some_and(|at| object.sections[at].kind == Kind::Text);
            if is_code && running.names.find(object, symbol).is_some() {
                let (file, name) = key(object, symbol);
                functions.push(((file.to_owned(), name.to_owned()), name.to_owned()));
            }
        }
    }
    for function in &changes.functions {
        let (file, name) = key(&function.object, function.symbol);
        let was = function.was.clone().unwrap_or_else(|| name.to_owned());
        functions.push(((file.to_owned(), name.to_owned()), was));
    }
    let asked: Vec<gate::Changed<'_>> = functions
        .iter()
        .map(|((_, new), old)| gate::Changed {
            old,
            new,
            moved: true,
        })
        .collect();
    let outcome = gate::compare(running.types, types, &asked).map_err(|e| e.to_string())?;
    let refused = functions.iter().zip(&outcome.verdicts);
    let refused = refused.filter(|(_, verdict)| !matches!(verdict, Verdict::Same));
    // What is not known to fit counts as refused.
    Ok(refused.map(|((id, _), _)| id.clone()).collect())
}
