//! Whether closure number N of a function is the one that it was.
//!
//! rustc tells closures and async blocks of a function apart by a number in
//! the order of the source, in types as in symbols. A closure that is added,
//! removed or moved above shifts the numbers of those below, and nothing in
//! the debug information says so. They count as kept only where no other
//! reading is possible: the function has the same numbers before and after,
//! each with the same captures and signature, and of those that captures and
//! signature cannot tell apart at most one has other code. A closure whose code
//! is the same is the same.

use super::compare::Located;
use super::names::{self, Side};
use super::pairs::{ancestors, is_environment, number};
use super::unit::{Function, Part, Parts, Role, ScopeId, TypeId, Unit};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// The closures that are perhaps others.
#[derive(Default)]
pub(super) struct Closures {
    families: HashMap<Vec<u8>, Family>,
}

/// The closures of one function, by the path of the function.
#[derive(Default)]
pub(super) struct Family {
    /// Those that changed.
    numbers: BTreeSet<u32>,
    /// How many there were.
    pub(super) old: usize,
    /// How many there are.
    pub(super) new: usize,
    /// They are the same but for their code.
    pub(super) alike: bool,
}

/// What can be known of a closure but for its code, by its number.
type Shapes = BTreeMap<u32, BTreeSet<Vec<u8>>>;

impl Closures {
    pub(super) fn new<'a>(
        old: &Side<'_>,
        new: &Side<'_>,
        changed: impl Iterator<Item = (&'a Located<'a>, &'a Located<'a>)>,
    ) -> Self {
        let mut families: HashMap<Vec<u8>, Family> = HashMap::new();
        let mut hashes = BTreeSet::new();
        for (_, Located { unit, function }) in changed {
            let Some(own) = closure(unit, function) else {
                continue;
            };
            // If one inside of another changed, so did the other one.
            for (scope, number) in std::iter::once(own).chain(around(unit, own.0)) {
                let family = families.entry(scope_path(new, unit, scope)).or_default();
                family.numbers.insert(number);
                hashes.insert(unit.scopes[scope as usize].hash);
            }
        }
        if families.is_empty() {
            return Self::default();
        }
        let before = shapes(old, &hashes);
        let after = shapes(new, &hashes);
        let none = Shapes::new();
        families.retain(|path, family| {
            let before = before.get(path).unwrap_or(&none);
            let after = after.get(path).unwrap_or(&none);
            (family.old, family.new) = (before.len(), after.len());
            family.alike = before == after;
            // Kept, unless two that changed look the same.
            let mut seen = BTreeSet::new();
            let changed = family.numbers.iter().map(|number| after.get(number));
            !family.alike || !changed.into_iter().all(|shape| seen.insert(shape))
        });
        Self { families }
    }

    pub(super) fn any(&self) -> bool {
        !self.families.is_empty()
    }

    /// The closure that is perhaps another one, if the name is one's, or is
    /// inside of one: its path and its number, and the other closures.
    pub(super) fn renumbered(
        &self,
        side: &Side<'_>,
        unit: &Unit,
        scope: Option<ScopeId>,
        name: &[u8],
    ) -> Option<(Vec<u8>, u32, &Family)> {
        if self.families.is_empty() {
            return None;
        }
        let own = scope.and_then(|scope| Some((scope, number_of(name)?)));
        let around = scope.into_iter().flat_map(|scope| around(unit, scope));
        own.into_iter().chain(around).find_map(|(scope, number)| {
            let path = scope_path(side, unit, scope);
            let family = self.families.get(&path)?;
            let renumbered = family.numbers.contains(&number);
            renumbered.then_some((path, number, family))
        })
    }
}

/// The number of a closure or of what it captures.
fn number_of(name: &[u8]) -> Option<u32> {
    if name.starts_with(b"{impl#") {
        return None;
    }
    number(name, b"_env#").or_else(|| number(name, b"#"))
}

pub(super) fn closure(unit: &Unit, function: &Function) -> Option<(ScopeId, u32)> {
    let declared = unit.declared(function);
    Some((declared.scope?, number_of(unit.text(declared.name))?))
}

fn scope_path(side: &Side<'_>, unit: &Unit, scope: ScopeId) -> Vec<u8> {
    let scope = &unit.scopes[scope as usize];
    side.path(unit, scope.parent, scope.name)
}

/// The closures around a scope.
fn around(unit: &Unit, scope: ScopeId) -> impl Iterator<Item = (ScopeId, u32)> {
    ancestors(unit, Some(scope)).filter_map(|scope| {
        let scope = &unit.scopes[scope as usize];
        Some((scope.parent?, number_of(unit.text(scope.name))?))
    })
}

/// All closures in scopes of those hashes, by the paths of the scopes.
fn shapes(side: &Side<'_>, hashes: &BTreeSet<u64>) -> HashMap<Vec<u8>, Shapes> {
    let mut found: HashMap<Vec<u8>, Shapes> = HashMap::new();
    for unit in &side.units {
        let within = |scope: Option<ScopeId>| {
            scope.filter(|scope| hashes.contains(&unit.scopes[*scope as usize].hash))
        };
        let mut note = |scope: ScopeId, number: u32, shape: Vec<u8>| {
            let shapes = found.entry(scope_path(side, unit, scope)).or_default();
            shapes.entry(number).or_default().insert(shape);
        };
        for ty in &unit.types {
            let name = unit.text(ty.name);
            if let Some(scope) = within(ty.scope)
                && is_environment(name)
                && let Some(number) = number_of(name)
            {
                let mut shape = without_number(name);
                describe(side, unit, ty.parts, &mut shape, 0);
                note(scope, number, shape);
            }
        }
        for function in unit.functions.iter().filter(|f| f.has_code) {
            let declared = unit.declared(function);
            let name = unit.text(declared.name);
            if let Some(scope) = within(declared.scope)
                && let Some(number) = number_of(name)
            {
                let mut shape = without_number(name);
                push_type(side, unit, declared.returns, &mut shape);
                for part in unit
                    .parts(declared.parts)
                    .filter(|p| p.role == Role::Parameter)
                {
                    // Not the closure itself: it has the number in its name.
                    let name = part.of.map_or(&[][..], |id| unit.text(unit.ty(id).name));
                    if memchr::memmem::find(name, b"_env#").is_none() {
                        push_type(side, unit, part.of, &mut shape);
                    }
                }
                note(scope, number, shape);
            }
        }
        // A closure that is called by reference and can be consumed has a shim
        // for that; one that is consumed when called has none. Else nothing
        // tells how it takes what it captured.
        for function in unit.functions.iter().filter(|f| f.has_code) {
            let declared = unit.declared(function);
            let name = unit.text(declared.name);
            if !name.starts_with(b"call") {
                continue;
            }
            let mut arguments = unit.parts(declared.parts);
            let own = arguments.find(|part| part.role == Role::Argument);
            let own = own.and_then(|part| part.of);
            let Some(own) = own.map(|id| unit.ty(id)) else {
                continue;
            };
            let environment = unit.text(own.name);
            if let Some(scope) = within(own.scope)
                && is_environment(environment)
                && let Some(number) = number_of(environment)
            {
                let end = name.iter().position(|b| *b == b'<').unwrap_or(name.len());
                note(scope, number, name[..end].to_vec());
            }
        }
    }
    found
}

/// What a closure or future captures, from the path of its function: where it
/// captures something, rustc does not name it among the parameters. It stands
/// in the unit of who makes the closure, which may be another one. If that is
/// not among the changed ones, it is what it was.
pub(super) fn captures<'a>(
    side: &Side<'a>,
    unit: &'a Unit,
    function: &Function,
) -> Option<(&'a Unit, TypeId)> {
    let (scope, _) = closure(unit, function)?;
    let environment = environment_of(unit.text(unit.declared(function).name))?;
    let hash = names::hash(unit.scopes[scope as usize].hash, &environment);
    let path = scope_path(side, unit, scope);
    let within = |unit: &&'a Unit| {
        let unit: &'a Unit = unit;
        let of_hash = unit.by_path().get(&hash)?.iter();
        let mut of_path = of_hash.filter(|id| {
            let around = unit.ty(**id).scope;
            around.is_some_and(|around| scope_path(side, unit, around) == path)
        });
        Some((unit, *of_path.next()?))
    };
    within(&unit).or_else(|| side.units.iter().find_map(within))
}

/// `{closure_env#0}<u8>` for `{closure#0}<u8>`.
pub(super) fn environment_of(name: &[u8]) -> Option<Vec<u8>> {
    let end = name.iter().position(|b| *b == b'#')?;
    let mut environment = name[..end].to_vec();
    environment.extend_from_slice(b"_env");
    environment.extend_from_slice(&name[end..]);
    Some(environment)
}

/// `{closure_env#3}<u8>` without the 3.
fn without_number(name: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(name.len());
    let mut in_number = false;
    let mut done = false;
    for &byte in name {
        in_number = in_number && byte.is_ascii_digit();
        done |= byte == b'}';
        if !in_number {
            out.push(byte);
        }
        in_number |= byte == b'#' && !done;
    }
    out
}

fn push_type(side: &Side<'_>, unit: &Unit, of: Option<TypeId>, out: &mut Vec<u8>) {
    out.push(b' ');
    if let Some(id) = of {
        out.extend_from_slice(&side.type_path(unit, id));
    }
}

fn describe(side: &Side<'_>, unit: &Unit, parts: Parts, out: &mut Vec<u8>, depth: usize) {
    for part in unit.parts(parts) {
        let Part { role, value, .. } = part;
        out.extend_from_slice(format!("; {role:?} {value:?} {} ", part.offset).as_bytes());
        out.extend_from_slice(unit.text(part.name));
        // A state's path has the closure's number in it.
        let state = (*role == Role::Variant).then_some(part.of).flatten();
        match state {
            Some(id) if depth == 0 => describe(side, unit, unit.ty(id).parts, out, 1),
            _ => push_type(side, unit, part.of, out),
        }
    }
}
