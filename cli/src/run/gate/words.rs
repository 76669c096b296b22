//! The words of what the gate says.

use super::verdict::{Change, Layout, Place, Reason, Refusal, Verdict};
use std::fmt;

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Same => f.write_str("same"),
            Self::Versioned { reason } => write!(f, "old callers keep the old one: {reason}"),
            Self::Refused { refusal } => write!(f, "refused: {refusal}"),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ParameterCount { old, new } => write!(
                f,
                "it takes {new} parameter{}, and took {old}",
                plural(*new)
            ),
            Self::Parameter { number, old, new } => {
                write!(f, "parameter {number} is `{new}`, and was `{old}`")
            }
            Self::Return { old, new } => write!(f, "it returns `{new}`, and returned `{old}`"),
            Self::GenericArguments { old, new } => write!(
                f,
                "its generic arguments are `{}`, and were `{}`",
                new.join(", "),
                old.join(", ")
            ),
            Self::Captures { closure, changes } => {
                write!(f, "what closure `{closure}` captures changed: ")?;
                list(f, changes)
            }
            Self::OfClosure { ty, changes } => {
                write!(f, "type `{ty}`, which has a closure in it, changed: ")?;
                list(f, changes)
            }
            Self::Suspends { future, changes } => {
                write!(f, "where future `{future}` is suspended changed: ")?;
                list(f, changes)
            }
            Self::Renumbered {
                function,
                closure,
                old,
                new,
                alike,
            } => {
                write!(f, "`{closure}` may be another closure of `{function}` now")?;
                if old != new {
                    write!(f, ", which has {new} closure{} and had {old}", plural(*new))
                } else if *alike {
                    f.write_str(", for several that look alike changed")
                } else {
                    f.write_str(", whose closures differ in captures, parameters or kind")
                }
            }
            Self::Unknown { old: true } => {
                f.write_str("the old code has no debug information about it")
            }
            Self::Unknown { old: false } => {
                f.write_str("the new code has no debug information about it")
            }
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Layout {
                ty,
                old,
                new,
                changes,
            } => {
                write!(f, "type `{ty}` changed: ")?;
                list(f, changes)?;
                write!(f, "; {old}, now {new}")
            }
            Self::Static { name, old, new } => write!(
                f,
                "static `{name}` is of type `{new}`, and the one that lives is `{old}`"
            ),
            Self::VtableLength { name, old, new } => write!(
                f,
                "objects of trait `{name}` have tables of {old} method{}, and the trait has {new} now",
                plural(*old as usize)
            ),
            Self::VtableDrop { name, new } => write!(
                f,
                "the table of `{name}` says that a drop {}, and it {} now",
                if *new {
                    "does nothing"
                } else {
                    "does something"
                },
                if *new { "does" } else { "does not" }
            ),
            Self::VtableSlot {
                name,
                slot,
                old,
                new,
            } => write!(
                f,
                "slot {slot} of the table of `{name}` is {}, and was {}",
                method(new.as_deref()),
                method(old.as_deref())
            ),
            Self::VtableMethod {
                name,
                method,
                reason,
            } => write!(
                f,
                "the table of `{name}` leads callers to the old `{method}`: {reason}"
            ),
        }
    }
}

fn method(name: Option<&str>) -> String {
    name.map_or_else(|| "empty".to_owned(), |name| format!("`{name}`"))
}

fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}

fn list(f: &mut fmt::Formatter<'_>, changes: &[Change]) -> fmt::Result {
    for (index, change) in changes.iter().enumerate() {
        if index > 0 {
            f.write_str("; ")?;
        }
        fmt::Display::fmt(change, f)?;
    }
    Ok(())
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} byte{}", self.size, plural(self.size as usize))?;
        match self.align {
            Some(align) => write!(f, " aligned to {align}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size = self.size;
        write!(f, "{size} byte{} at {}", plural(size as usize), self.offset)
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FieldAdded { field, ty, place } => {
                write!(f, "field `{field}: {ty}` is new, {place}")
            }
            Self::FieldRemoved { field, ty, place } => {
                write!(f, "field `{field}: {ty}` is gone, it was {place}")
            }
            Self::FieldRenamed { old, new } => write!(f, "field `{old}` is `{new}` now"),
            Self::FieldRetyped {
                field,
                old,
                old_place,
                new,
                new_place,
            } => write!(
                f,
                "field `{field}` is `{new}`, {new_place}, and was `{old}`, {old_place}"
            ),
            Self::FieldMoved { field, old, new } => {
                write!(f, "field `{field}` is {new}, and was {old}")
            }
            Self::VariantAdded { variant } => write!(f, "variant `{variant}` is new"),
            Self::VariantRemoved { variant } => write!(f, "variant `{variant}` is gone"),
            Self::VariantRenamed { old, new } => write!(f, "variant `{old}` is `{new}` now"),
            Self::VariantRenumbered { variant, old, new } => {
                let number = |n: &Option<i128>| match n {
                    Some(n) => format!("number {n}"),
                    None => "without a number".to_owned(),
                };
                let (new, old) = (number(new), number(old));
                write!(f, "variant `{variant}` is {new}, and was {old}")
            }
            Self::Tag { old, new } => {
                let tag = |tag: &Option<(String, Place)>| match tag {
                    Some((ty, place)) => format!("`{ty}`, {place}"),
                    None => "none".to_owned(),
                };
                write!(f, "the tag is {}, and was {}", tag(new), tag(old))
            }
            Self::Kind => f.write_str("it is another kind of type"),
            Self::Size { old, new } => write!(f, "size {new}, was {old}"),
            Self::Align { old, new } => write!(f, "alignment {new}, was {old}"),
            Self::Awaits { point, old, new } => {
                write!(f, "at {point} it waits for `{new}`, and waited for `{old}`")
            }
            Self::In { variant, change } => write!(f, "in `{variant}`, {change}"),
            Self::Meaning { old, new } => write!(f, "it means `{new}`, and meant `{old}`"),
        }
    }
}
