//! Statics that are in both, by their paths: they must have the same type.
//!
//! Their symbols do not serve, for a legacy one changes with the type. What
//! their types look like inside is compared with all other types.

use super::compare::{self, Comparison};
use super::unit::{Static, Unit};
use super::verdict::Refusal;
use std::collections::{BTreeSet, HashMap};

/// Refuses statics of another type; answers with those whose values have a type in them
/// that is refused.
pub(super) fn compare<'a>(
    comparison: &mut Comparison<'a>,
    refuse: &mut dyn FnMut(Refusal),
) -> BTreeSet<String> {
    let mut holders = BTreeSet::new();
    let (old, new) = comparison.sides;
    let mut before: HashMap<Vec<u8>, Vec<(&'a Unit, &'a Static)>> = HashMap::new();
    for unit in &old.units {
        for item in unit.statics.iter().filter(|item| item.scope.is_some()) {
            let path = old.path(unit, item.scope, item.name);
            before.entry(path).or_default().push((unit, item));
        }
    }
    if before.is_empty() {
        return holders;
    }
    let mut after: HashMap<Vec<u8>, Vec<(&'a Unit, &'a Static)>> = HashMap::new();
    for unit in &new.units {
        for item in unit.statics.iter().filter(|item| item.scope.is_some()) {
            let path = new.path(unit, item.scope, item.name);
            after.entry(path).or_default().push((unit, item));
        }
    }
    for (path, after) in after {
        let Some(before) = before.get_mut(&path) else {
            continue;
        };
        // Blocks of a function may have statics of one name: each new one takes
        // an old one that fits, and what is left on both sides was replaced.
        let mut replaced = None;
        for (new_unit, item) in after {
            let fits = before.iter().position(|(old_unit, candidate)| {
                let pairs = comparison.pairs(old_unit, new_unit);
                pairs.same_name(candidate.of, item.of)
            });
            match fits {
                Some(index) => {
                    let (old_unit, candidate) = before.swap_remove(index);
                    let pairs = comparison.pairs(old_unit, new_unit);
                    if let (Some(a), Some(b)) = (candidate.of, item.of) {
                        let node = pairs.node(a, b);
                        let causes = pairs.causes(&[node]);
                        let mut causes = causes.iter();
                        if causes.any(|id| compare::refusal(pairs, *id).is_some()) {
                            holders.insert(String::from_utf8_lossy(&path).into_owned());
                        }
                    }
                }
                None => replaced = replaced.or(Some((new_unit, item))),
            }
        }
        if let (Some((new_unit, item)), Some((old_unit, old))) = (replaced, before.first()) {
            let pairs = comparison.pairs(old_unit, new_unit);
            refuse(Refusal::Static {
                name: String::from_utf8_lossy(&path).into_owned(),
                old: pairs.old_path(old.of),
                new: pairs.new_path(item.of),
            });
        }
    }
    holders
}
