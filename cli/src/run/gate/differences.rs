//! What differs between two types of one path, by themselves.
//!
//! Fields and variants are matched by their names. Their order in the source
//! does not count, their places do: `struct S { a: u8, b: u32 }` with the
//! fields written the other way round is the same to all who hold one.

use super::pairs::{Difference, Pairs, is_environment, size};
use super::unit::{Kind, Part, Role, Type, TypeId, Unit};
use super::verdict::{Change, Place};

pub(super) fn between(pairs: &Pairs<'_>, old: TypeId, new: TypeId) -> Difference {
    let (a, b) = (pairs.old.ty(old), pairs.new.ty(new));
    let mut found = Difference::default();
    if std::mem::discriminant(&a.kind) != std::mem::discriminant(&b.kind) {
        found.structural(Change::Kind);
        return found;
    }
    fields(pairs, a, b, &mut found);
    variants(pairs, a, b, &mut found);
    tags(pairs, a, b, &mut found);
    arguments(pairs, a, b, &mut found);
    target(pairs, a, b, &mut found);
    // A variant is as large as its enum, which says it.
    let scope = b.scope.map(|scope| &pairs.new.scopes[scope as usize]);
    let is_variant = scope.is_some_and(|scope| scope.is_type);
    if found.changes.is_empty() && !is_variant {
        numbers(a, b, &mut found);
    }
    found
}

impl Difference {
    fn structural(&mut self, change: Change) {
        self.structural = true;
        self.changes.push(change);
    }

    /// A pair that must be compared too.
    fn edge(
        &mut self,
        pairs: &Pairs<'_>,
        old: Option<TypeId>,
        new: Option<TypeId>,
        contained: bool,
    ) {
        let (Some(old), Some(new)) = (old, new) else {
            return;
        };
        let (a, b) = (pairs.old.ty(old), pairs.new.ty(new));
        // Most fields are numbers, which lead nowhere.
        let is_number = matches!(b.kind, Kind::Base(_));
        if !is_number || a.kind != b.kind || a.size != b.size {
            self.edges.push((old, new, contained));
        }
    }
}

fn text(unit: &Unit, part: &Part) -> String {
    String::from_utf8_lossy(unit.text(part.name)).into_owned()
}

fn place(unit: &Unit, part: &Part) -> Place {
    Place {
        offset: part.offset,
        size: size(unit, part.of),
    }
}

/// Parts of both by their names, then what only one has.
struct Matched<'p> {
    both: Vec<(&'p Part, &'p Part)>,
    gone: Vec<(usize, &'p Part)>,
    added: Vec<(usize, &'p Part)>,
}

fn matched<'p>(pairs: &Pairs<'p>, a: &Type, b: &Type, roles: &[Role]) -> Matched<'p> {
    let of = |unit: &'p Unit, ty: &Type| {
        let parts = unit.parts(ty.parts);
        parts.filter(move |p| roles.contains(&p.role))
    };
    let same = |x: &Part, y: &Part| pairs.old.text(x.name) == pairs.new.text(y.name);
    let mut found = Matched {
        both: Vec::new(),
        gone: Vec::new(),
        added: Vec::new(),
    };
    // Nearly always nothing has changed.
    let (mut old, mut new) = (of(pairs.old, a), of(pairs.new, b));
    loop {
        match (old.next(), new.next()) {
            (None, None) => return found,
            (Some(x), Some(y)) if same(x, y) => found.both.push((x, y)),
            _ => break,
        }
    }
    found.both.clear();
    let mut left: Vec<_> = of(pairs.new, b).enumerate().map(Some).collect();
    for (index, x) in of(pairs.old, a).enumerate() {
        let other = left.iter_mut().find(|y| y.is_some_and(|(_, y)| same(x, y)));
        match other.and_then(Option::take) {
            Some((_, y)) => found.both.push((x, y)),
            None => found.gone.push((index, x)),
        }
    }
    found.added = left.into_iter().flatten().collect();
    found
}

fn fields(pairs: &Pairs<'_>, a: &Type, b: &Type, found: &mut Difference) {
    let matched = matched(pairs, a, b, &[Role::Field]);
    // What was added comes before what moved for it.
    let mut moved = Vec::new();
    for (x, y) in matched.both {
        let places = || (place(pairs.old, x), place(pairs.new, y));
        if !pairs.same_name(x.of, y.of) {
            let (old_place, new_place) = places();
            found.structural(Change::FieldRetyped {
                field: text(pairs.new, y),
                old: pairs.old_path(x.of),
                old_place,
                new: pairs.new_path(y.of),
                new_place,
            });
            continue;
        }
        found.edge(pairs, x.of, y.of, true);
        if x.offset != y.offset {
            let (old, new) = places();
            moved.push(Change::FieldMoved {
                field: text(pairs.new, y),
                old,
                new,
            });
        }
    }
    if let ([(i, x)], [(j, y)]) = (&matched.gone[..], &matched.added[..])
        && i == j
        && pairs.same_name(x.of, y.of)
    {
        found.structural(Change::FieldRenamed {
            old: text(pairs.old, x),
            new: text(pairs.new, y),
        });
        found.changes.append(&mut moved);
        return;
    }
    for (_, x) in matched.gone {
        found.structural(Change::FieldRemoved {
            field: text(pairs.old, x),
            ty: pairs.old_path(x.of),
            place: place(pairs.old, x),
        });
    }
    for (_, y) in matched.added {
        found.structural(Change::FieldAdded {
            field: text(pairs.new, y),
            ty: pairs.new_path(y.of),
            place: place(pairs.new, y),
        });
    }
    found.changes.append(&mut moved);
}

fn variants(pairs: &Pairs<'_>, a: &Type, b: &Type, found: &mut Difference) {
    // The states of a coroutine have numbers for names, and their types names.
    let states = is_environment(pairs.new.text(b.name));
    let called = |unit: &Unit, part: &Part| {
        let ty = part.of.filter(|_| states);
        match ty {
            Some(id) => String::from_utf8_lossy(unit.text(unit.ty(id).name)).into_owned(),
            None => text(unit, part),
        }
    };
    let matched = matched(pairs, a, b, &[Role::Variant, Role::Enumerator]);
    for (x, y) in matched.both {
        if x.value != y.value {
            found.changes.push(Change::VariantRenumbered {
                variant: called(pairs.new, y),
                old: x.value,
                new: y.value,
            });
        }
        if x.role != y.role || !pairs.same_name(x.of, y.of) {
            found.structural(Change::Meaning {
                old: pairs.old_path(x.of),
                new: pairs.new_path(y.of),
            });
            continue;
        }
        found.edge(pairs, x.of, y.of, true);
    }
    if let ([(_, x)], [(_, y)]) = (&matched.gone[..], &matched.added[..])
        && x.value == y.value
        && x.role == y.role
    {
        found.structural(Change::VariantRenamed {
            old: called(pairs.old, x),
            new: called(pairs.new, y),
        });
        return;
    }
    for (_, x) in matched.gone {
        found.structural(Change::VariantRemoved {
            variant: called(pairs.old, x),
        });
    }
    for (_, y) in matched.added {
        found.structural(Change::VariantAdded {
            variant: called(pairs.new, y),
        });
    }
}

/// How the number of the variant is stored.
fn tags(pairs: &Pairs<'_>, a: &Type, b: &Type, found: &mut Difference) {
    let tag = |unit: &'_ Unit, ty: &Type| {
        let mut parts = unit.parts(ty.parts);
        let part = parts.find(|part| part.role == Role::Tag)?;
        Some((part.of, place(unit, part)))
    };
    let (old, new) = (tag(pairs.old, a), tag(pairs.new, b));
    let same = match (&old, &new) {
        (Some((x, at)), Some((y, now))) => at == now && pairs.same_name(*x, *y),
        (old, new) => old.is_none() && new.is_none(),
    };
    if !same {
        found.changes.push(Change::Tag {
            old: old.map(|(of, place)| (pairs.old_path(of), place)),
            new: new.map(|(of, place)| (pairs.new_path(of), place)),
        });
    }
}

/// Generic arguments, and parameters of function pointers.
fn arguments(pairs: &Pairs<'_>, a: &Type, b: &Type, found: &mut Difference) {
    let of = |role| {
        let old = pairs.old.parts(a.parts).filter(move |p| p.role == role);
        let new = pairs.new.parts(b.parts).filter(move |p| p.role == role);
        (old, new)
    };
    for role in [Role::Argument, Role::Parameter] {
        let (mut old, mut new) = of(role);
        loop {
            match (old.next(), new.next()) {
                (None, None) => break,
                (Some(x), Some(y)) if pairs.same_name(x.of, y.of) => {
                    found.edge(pairs, x.of, y.of, false);
                }
                (x, y) => {
                    found.structural(Change::Meaning {
                        old: pairs.old_path(x.and_then(|x| x.of)),
                        new: pairs.new_path(y.and_then(|y| y.of)),
                    });
                    break;
                }
            }
        }
    }
}

fn target(pairs: &Pairs<'_>, a: &Type, b: &Type, found: &mut Difference) {
    if pairs.same_name(a.target, b.target) {
        let contained = matches!(b.kind, Kind::Array);
        found.edge(pairs, a.target, b.target, contained);
    } else if b.kind == Kind::Enumeration {
        let tag = |unit: &Unit, path: String, ty: &Type| {
            let place = Place {
                offset: 0,
                size: size(unit, ty.target),
            };
            Some((path, place))
        };
        found.changes.push(Change::Tag {
            old: tag(pairs.old, pairs.old_path(a.target), a),
            new: tag(pairs.new, pairs.new_path(b.target), b),
        });
    } else {
        found.structural(Change::Meaning {
            old: pairs.old_path(a.target),
            new: pairs.new_path(b.target),
        });
    }
}

fn numbers(a: &Type, b: &Type, found: &mut Difference) {
    if a.size != b.size {
        let (old, new) = (a.size.unwrap_or(0), b.size.unwrap_or(0));
        found.changes.push(Change::Size { old, new });
    }
    if a.align != b.align {
        let (old, new) = (a.align.unwrap_or(0), b.align.unwrap_or(0));
        found.changes.push(Change::Align { old, new });
    }
    if a.kind != b.kind {
        found.changes.push(Change::Kind);
    }
}
