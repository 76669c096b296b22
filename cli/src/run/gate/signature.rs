//! What a function takes and returns, before and after.

use super::closures::{closure, environment_of};
use super::pairs::{NodeId, Pairs};
use super::unit::{Function, Role, TypeId, Unit};
use super::verdict::Reason;

/// The types.
struct Signature {
    parameters: Vec<Option<TypeId>>,
    returns: Option<TypeId>,
    /// Generic arguments: an instance may use them and take none of them.
    arguments: Vec<Option<TypeId>>,
}

/// The pairs of types in the signatures of a function, as far as they have the
/// same names, and how the signatures differ by themselves.
pub(super) fn compare(
    pairs: &mut Pairs<'_>,
    old: &Function,
    new: &Function,
) -> (Vec<NodeId>, Option<Reason>) {
    let a = Signature::of(pairs.old, old);
    let b = Signature::of(pairs.new, new);
    let mut both = Vec::new();
    let mut same = |old: Option<TypeId>, new: Option<TypeId>| {
        let same = pairs.same_name(old, new);
        if let (true, Some(old), Some(new)) = (same, old, new) {
            both.push((old, new));
        }
        same
    };
    let counts = (a.parameters.len(), b.parameters.len());
    let zipped = a.parameters.iter().zip(&b.parameters);
    // All of them: each adds its pair.
    let differing: Vec<_> = zipped.map(|(x, y)| !same(*x, *y)).collect();
    let returns_same = same(a.returns, b.returns);
    let zipped = a.arguments.iter().zip(&b.arguments);
    let arguments_same = zipped.fold(a.arguments.len() == b.arguments.len(), |all, (x, y)| {
        same(*x, *y) && all
    });
    let reason = if counts.0 != counts.1 {
        let (old, new) = counts;
        Some(Reason::ParameterCount { old, new })
    } else if let Some(index) = differing.iter().position(|differs| *differs) {
        Some(Reason::Parameter {
            number: index + 1,
            old: pairs.old_path(a.parameters[index]),
            new: pairs.new_path(b.parameters[index]),
        })
    } else if !returns_same {
        Some(Reason::Return {
            old: pairs.old_path(a.returns),
            new: pairs.new_path(b.returns),
        })
    } else if !arguments_same {
        Some(Reason::GenericArguments {
            old: a.arguments.iter().map(|at| pairs.old_path(*at)).collect(),
            new: b.arguments.iter().map(|at| pairs.new_path(*at)).collect(),
        })
    } else {
        None
    };
    let roots = both.into_iter().map(|(x, y)| pairs.node(x, y)).collect();
    (roots, reason)
}

impl Signature {
    fn of(unit: &Unit, function: &Function) -> Self {
        // A declaration has all parameters, with the hidden one of
        // `#[track_caller]`; generic arguments stand at either.
        let declared = unit.declared(function);
        let of = |function: &Function, role: Role| {
            let parts = unit.parts(function.parts);
            let of_role = parts.filter(move |part| part.role == role);
            of_role.map(|part| part.of).collect::<Vec<_>>()
        };
        let mut arguments = of(declared, Role::Argument);
        if !std::ptr::eq(declared, function) {
            arguments.extend(of(function, Role::Argument));
        }
        let mut parameters = of(declared, Role::Parameter);
        if let Some(environment) =
            closure(unit, function).and_then(|_| environment_of(unit.text(declared.name)))
            && let Some(&Some(first)) = parameters.first()
        {
            // What it captures is a parameter by name only where it is empty.
            let name = unit.text(unit.ty(first).name);
            if memchr::memmem::find(name, &environment).is_some() {
                parameters.remove(0);
            }
        }
        Self {
            parameters,
            returns: declared.returns,
            arguments,
        }
    }
}
