//! The comparison: a verdict for each function, and what refuses the edit.

use super::closures::{self, Closures};
use super::error::GateError;
use super::names::Side;
use super::object::Object;
use super::pairs::{NodeId, Pairs};
use super::signature;
use super::statics;
use super::unit::{Function, TypeId, Unit};
use super::verdict::{Change, Reason, Refusal, Verdict};
use super::vtables;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// The code that runs, by codegen units.
#[derive(Default)]
pub struct Running {
    units: HashMap<String, Arc<Object>>,
}

impl Running {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an object, or an executable, in the place of what had the same
    /// codegen units: at first all there are, then those of accepted edits.
    pub fn add(&mut self, object: Arc<Object>) {
        for unit in object.units() {
            self.units.insert(unit.to_owned(), Arc::clone(&object));
        }
    }

    /// The objects.
    pub fn objects(&self) -> impl Iterator<Item = &Arc<Object>> {
        self.units.values()
    }

    fn unit(&self, name: &str) -> Result<Option<&Unit>, GateError> {
        match self.units.get(name) {
            None => Ok(None),
            Some(object) => object.unit(name),
        }
    }

    /// The unit that has a function, wherever it is.
    fn defining(&self, symbol: &str) -> Result<Option<&Unit>, GateError> {
        for (name, object) in &self.units {
            if object.defines(symbol)?
                && let Some(unit) = object.unit(name)?
                && unit.function(symbol).is_some()
            {
                return Ok(Some(unit));
            }
        }
        Ok(None)
    }
}

/// A function whose code changed.
#[derive(Clone, Copy, Debug)]
pub struct Changed<'a> {
    /// Its symbol in what runs.
    pub old: &'a str,
    /// Its symbol in the new code; mostly the same.
    pub new: &'a str,
    /// Nothing but line numbers changed in it.
    pub moved: bool,
}

/// What the gate says about an edit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Outcome {
    /// One for each function, in the functions' order.
    pub verdicts: Vec<Verdict>,
    /// All that does not fit to data that may live, each once. If there is any,
    /// nothing of the edit should be applied.
    pub refusals: Vec<Refusal>,
    /// Statics that keep their type, but have a refused one somewhere in their values.
    pub holders: Vec<String>,
}

/// A function in its unit.
#[derive(Clone, Copy)]
pub(super) struct Located<'a> {
    pub(super) unit: &'a Unit,
    pub(super) function: &'a Function,
}

/// A function in the old and in the new code, as far as it was found.
pub(super) type Found<'a> = (Option<Located<'a>>, Option<Located<'a>>);

/// Compares new objects, the changed ones, with what runs, for functions that
/// are in both.
///
/// ```no_run
/// use cargo_midair::run::gate::{Changed, GateError, Object, Running, compare};
/// use std::{path::Path, sync::Arc};
///
/// # fn main() -> Result<(), GateError> {
/// let mut running = Running::new();
/// running.add(Arc::new(Object::open(Path::new("old/unit.o"))?));
/// let new = [Arc::new(Object::open(Path::new("new/unit.o"))?)];
/// let symbol = "_RNvCs1_3app4tick";
/// let tick = Changed { old: symbol, new: symbol, moved: false };
/// let outcome = compare(&running, &new, &[tick])?;
/// println!("{}", outcome.verdicts[0]);
/// # Ok(())
/// # }
/// ```
pub fn compare(
    running: &Running,
    new: &[Arc<Object>],
    functions: &[Changed<'_>],
) -> Result<Outcome, GateError> {
    let units = Units::new(running, new)?;
    let found: Vec<Found<'_>> = functions
        .iter()
        .map(|changed| units.find(running, changed))
        .collect::<Result<_, _>>()?;
    let mut old_units = units.old.clone();
    for (old, _) in &found {
        if let Some(old) = old
            && !old_units.iter().any(|unit| std::ptr::eq(*unit, old.unit))
        {
            old_units.push(old.unit);
        }
    }
    let old_side = Side::new(old_units);
    let new_side = Side::new(units.new.clone());
    let changed = found.iter().zip(functions).filter(|(_, f)| !f.moved);
    let changed = changed.filter_map(|((old, new), _)| Some((old.as_ref()?, new.as_ref()?)));
    let closures = Closures::new(&old_side, &new_side, changed);
    let mut comparison = Comparison {
        sides: (&old_side, &new_side),
        closures: &closures,
        pairs: HashMap::new(),
    };
    let verdicts: Vec<_> = found.iter().map(|f| comparison.function(f)).collect();
    let mut refusals = Vec::new();
    let mut refuse = |refusal: Refusal| {
        if !refusals.contains(&refusal) {
            refusals.push(refusal);
        }
    };
    for verdict in &verdicts {
        if let Verdict::Refused { refusal } = verdict {
            refuse(refusal.clone());
        }
    }
    comparison.types(&units, &mut refuse);
    let holders = statics::compare(&mut comparison, &mut refuse);
    let versioned = functions.iter().zip(&verdicts);
    let versioned = versioned.filter_map(|(function, verdict)| match verdict {
        Verdict::Versioned { reason } => Some((function.old, reason)),
        _ => None,
    });
    vtables::compare(&mut comparison, &versioned.collect(), &mut refuse);
    // Maps have no order, and a message should.
    refusals.sort_by_cached_key(ToString::to_string);
    Ok(Outcome {
        verdicts,
        refusals,
        holders: holders.into_iter().collect(),
    })
}

/// The changed units, and what ran in their place.
struct Units<'a> {
    /// Each has its old unit's index, if there is one.
    new: Vec<&'a Unit>,
    before: Vec<Option<usize>>,
    old: Vec<&'a Unit>,
}

impl<'a> Units<'a> {
    fn new(running: &'a Running, new: &'a [Arc<Object>]) -> Result<Self, GateError> {
        let mut units = Self {
            new: Vec::new(),
            before: Vec::new(),
            old: Vec::new(),
        };
        for object in new {
            for name in object.units() {
                let Some(unit) = object.unit(name)? else {
                    continue;
                };
                let old = running.unit(name)?;
                if let Some(old) = old {
                    same_compiler(name, old, unit)?;
                }
                units.new.push(unit);
                units.before.push(old.map(|_| units.old.len()));
                units.old.extend(old);
            }
        }
        units.have_types(running)?;
        Ok(units)
    }

    /// Limited debug information has functions without parameters, in which
    /// all signatures would look the same.
    fn have_types(&self, running: &Running) -> Result<(), GateError> {
        let typed = |units: &[&Unit]| units.iter().any(|unit| !unit.types.is_empty());
        if self.new.is_empty() || typed(&self.new) || typed(&self.old) {
            return Ok(());
        }
        // Perhaps they are only very small.
        for (name, object) in &running.units {
            if object
                .unit(name)?
                .is_some_and(|unit| !unit.types.is_empty())
            {
                return Ok(());
            }
        }
        Err(GateError::NoTypes {
            path: self.new[0].bytes.path.clone(),
        })
    }

    fn find(&self, running: &'a Running, changed: &Changed<'_>) -> Result<Found<'a>, GateError> {
        let mut position = None;
        let new = self.new.iter().enumerate().find_map(|(index, unit)| {
            position = self.before[index];
            let function = unit.function(changed.new)?;
            Some(Located { unit, function })
        });
        let here = |unit: &&'a Unit| {
            let unit: &'a Unit = unit;
            let function = unit.function(changed.old)?;
            Some(Located { unit, function })
        };
        // Its old unit first: instances may be in several.
        let own = new.and(position).and_then(|index| here(&self.old[index]));
        let old = own.or_else(|| self.old.iter().find_map(here));
        let old = match old {
            Some(old) => Some(old),
            None => running.defining(changed.old)?.as_ref().and_then(here),
        };
        Ok((old, new))
    }
}

fn same_compiler(name: &str, old: &Unit, new: &Unit) -> Result<(), GateError> {
    let (before, after) = (old.text(old.producer), new.text(new.producer));
    if before == after {
        return Ok(());
    }
    Err(GateError::Compilers {
        unit: name.to_owned(),
        old: String::from_utf8_lossy(before).into_owned(),
        new: String::from_utf8_lossy(after).into_owned(),
    })
}

/// Where a unit is, which is what tells it from others.
type Address = *const Unit;

pub(super) struct Comparison<'a> {
    pub(super) sides: (&'a Side<'a>, &'a Side<'a>),
    closures: &'a Closures,
    pairs: HashMap<(Address, Address), Pairs<'a>>,
}

impl<'a> Comparison<'a> {
    pub(super) fn pairs(&mut self, old: &'a Unit, new: &'a Unit) -> &mut Pairs<'a> {
        let key = (std::ptr::from_ref(old), std::ptr::from_ref(new));
        let (sides, closures) = (self.sides, self.closures);
        self.pairs
            .entry(key)
            .or_insert_with(|| Pairs::new(old, new, sides, closures))
    }

    pub(super) fn function(&mut self, found: &Found<'a>) -> Verdict {
        let (old, new) = match found {
            (Some(old), Some(new)) => (old, new),
            (old, _) => {
                let reason = Reason::Unknown { old: old.is_none() };
                return Verdict::Versioned { reason };
            }
        };
        let closures = self.closures;
        let path = |side: &Side<'a>, of: &Located<'a>| {
            let declared = of.unit.declared(of.function);
            side.path(of.unit, declared.scope, declared.name)
        };
        if path(self.sides.0, old) != path(self.sides.1, new) {
            // Symbols that were taken for those of one function.
            let reason = Reason::Unknown { old: true };
            return Verdict::Versioned { reason };
        }
        let pairs = self.pairs(old.unit, new.unit);
        let (roots, differs) = signature::compare(pairs, old.function, new.function);
        let causes = pairs.causes(&roots);
        let refused = causes.iter().find_map(|id| refusal(pairs, *id));
        let versioned = reason(pairs, &causes);
        let other = other_reason(pairs, closures, Some(new), &causes);
        let captured = self.captures(old, new);
        if let Some(refusal) = refused {
            return Verdict::Refused { refusal };
        }
        let versioned = differs.or(versioned);
        let versioned = match captured {
            Verdict::Refused { .. } => return captured,
            Verdict::Versioned { reason } => versioned.or(Some(reason)),
            Verdict::Same => versioned,
        };
        match versioned.or(other) {
            Some(reason) => Verdict::Versioned { reason },
            None => Verdict::Same,
        }
    }

    /// The verdict on what a closure or future captures.
    fn captures(&mut self, old: &Located<'a>, new: &Located<'a>) -> Verdict {
        let (before, after) = self.sides;
        let renumbered = self.closures;
        let old = closures::captures(before, old.unit, old.function);
        let new = closures::captures(after, new.unit, new.function);
        let ((old, a), (new, b)) = match (old, new) {
            (Some(old), Some(new)) => (old, new),
            (None, None) => return Verdict::Same,
            (old, _) => {
                let reason = Reason::Unknown { old: old.is_none() };
                return Verdict::Versioned { reason };
            }
        };
        let pairs = self.pairs(old, new);
        let node = pairs.node(a, b);
        let causes = pairs.causes(&[node]);
        if let Some(refusal) = causes.iter().find_map(|id| refusal(pairs, *id)) {
            return Verdict::Refused { refusal };
        }
        let reason = reason(pairs, &causes);
        match reason.or_else(|| other_reason(pairs, renumbered, None, &causes)) {
            Some(reason) => Verdict::Versioned { reason },
            None => Verdict::Same,
        }
    }

    /// All types that are in both.
    fn types(&mut self, units: &Units<'a>, refuse: &mut dyn FnMut(Refusal)) {
        for (index, new) in units.new.iter().enumerate() {
            let own = units.before[index].map(|at| units.old[at]);
            let others = || units.old.iter().copied();
            for (&hash, types) in new.by_path() {
                let here = |old: &&'a Unit| old.by_path().contains_key(&hash);
                let old = own.filter(here);
                let Some(old) = old.or_else(|| others().find(|old| here(old))) else {
                    continue;
                };
                let before = &old.by_path()[&hash];
                let pairs = self.pairs(old, new);
                types_of_a_path(pairs, before, types, refuse);
            }
        }
    }
}

/// Types of one path: mostly one and one. Of several, local types of blocks or
/// those of two versions of a crate, none must have been replaced by another.
fn types_of_a_path(
    pairs: &mut Pairs<'_>,
    old: &[TypeId],
    new: &[TypeId],
    refuse: &mut dyn FnMut(Refusal),
) {
    let mut left = old.to_vec();
    let mut unmatched = Vec::new();
    for &b in new {
        let same_name = |a: &TypeId| pairs.same_name(Some(*a), Some(b));
        let named: Vec<TypeId> = left.iter().copied().filter(same_name).collect();
        let fits = named.iter().copied().find(|&a| {
            let node = pairs.node(a, b);
            pairs.nodes[node as usize].difference.changes.is_empty()
        });
        match (fits, named.first()) {
            (Some(a), _) => left.retain(|x| *x != a),
            (None, Some(&a)) => unmatched.push((a, b)),
            (None, None) => {}
        }
    }
    for (a, b) in unmatched {
        if left.contains(&a) {
            let node = pairs.node(a, b);
            if pairs.is_cause(node)
                && let Some(refusal) = refusal(pairs, node)
            {
                refuse(refusal);
            }
        }
    }
}

/// What to say of a cause that is no closure.
pub(super) fn refusal(pairs: &mut Pairs<'_>, id: NodeId) -> Option<Refusal> {
    if of_closure(pairs, id) {
        return None;
    }
    let (old, new) = pairs.layouts(id);
    let node = &pairs.nodes[id as usize];
    if let Some(refusal) = vtables::length(pairs, node.old, node.new) {
        return Some(refusal);
    }
    Some(Refusal::Layout {
        ty: pairs.new_path(Some(node.new)),
        old,
        new,
        changes: node.difference.changes.clone(),
    })
}

/// A closure or future, or a generic type with one in it. All functions that
/// get such a value say so in their signatures or generic arguments, and no
/// static has one: so old values stay with old code.
fn of_closure(pairs: &Pairs<'_>, id: NodeId) -> bool {
    let node = &pairs.nodes[id as usize];
    let name = pairs.new.text(pairs.new.ty(node.new).name);
    node.renumbered
        || pairs.environment(id).is_some()
        || memchr::memmem::find(name, b"_env#").is_some()
}

/// What to say of causes that are all closures and futures: of the first
/// one, with all its suspend points.
fn reason(pairs: &Pairs<'_>, causes: &[NodeId]) -> Option<Reason> {
    let mut changed: BTreeMap<String, (bool, Vec<Change>)> = BTreeMap::new();
    for &id in causes {
        let Some(environment) = pairs.environment(id) else {
            continue;
        };
        let changes = pairs.nodes[id as usize].difference.changes.iter();
        let changes = changes.cloned().map(|change| match &environment.state {
            None => change,
            Some(state) => awaits(state, change),
        });
        let entry = changed.entry(environment.path).or_default();
        entry.0 |= environment.is_coroutine;
        entry.1.extend(changes);
    }
    changed.retain(|_, (_, changes)| !changes.is_empty());
    let (path, (is_coroutine, mut changes)) = changed.into_iter().next()?;
    // What moved for what was added need not be said: nobody sees a future's
    // places.
    if changes.iter().any(Change::is_telling) {
        changes.retain(Change::is_telling);
    }
    Some(if is_coroutine {
        Reason::Suspends {
            future: path,
            changes,
        }
    } else {
        Reason::Captures {
            closure: path,
            changes,
        }
    })
}

fn awaits(state: &str, change: Change) -> Change {
    match change {
        Change::FieldRetyped {
            field, old, new, ..
        } if field == "__awaitee" => Change::Awaits {
            point: state.to_owned(),
            old,
            new,
        },
        change => Change::In {
            variant: state.to_owned(),
            change: Box::new(change),
        },
    }
}

/// What to say of other causes: a type with a closure in it differs; or the
/// function itself, or a closure that it gets, is perhaps another one.
fn other_reason(
    pairs: &Pairs<'_>,
    closures: &Closures,
    itself: Option<&Located<'_>>,
    causes: &[NodeId],
) -> Option<Reason> {
    let nodes = || causes.iter().map(|id| &pairs.nodes[*id as usize]);
    if let Some(node) = nodes().find(|node| !node.difference.changes.is_empty()) {
        return Some(Reason::OfClosure {
            ty: pairs.new_path(Some(node.new)),
            changes: node.difference.changes.clone(),
        });
    }
    let side = pairs.sides.1;
    let itself = itself.and_then(|Located { unit, function }| {
        let declared = unit.declared(function);
        closures.renumbered(side, unit, declared.scope, unit.text(declared.name))
    });
    let found = itself.or_else(|| {
        nodes().find_map(|node| {
            let ty = pairs.new.ty(node.new);
            closures.renumbered(side, pairs.new, ty.scope, pairs.new.text(ty.name))
        })
    });
    let (function, number, family) = found?;
    let function = String::from_utf8_lossy(&function).into_owned();
    Some(Reason::Renumbered {
        closure: format!("{function}::{{closure#{number}}}"),
        function,
        old: family.old,
        new: family.new,
        alike: family.alike,
    })
}
