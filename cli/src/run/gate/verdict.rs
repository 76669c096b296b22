//! What the gate says, and its words.

use serde::Serialize;
use std::fmt;

/// What may become of one function.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Verdict {
    /// Whoever calls the old one may be led to the new one.
    Same,
    /// Who was compiled with the old one must keep it; new code gets the new one.
    /// The code of a function that did not change is new code too if it is to
    /// call the new one: a new copy of it must be linked, up to functions that
    /// are [`Same`](Self::Same).
    Versioned {
        /// Why.
        reason: Reason,
    },
    /// Data of the running program does not fit to the new code.
    Refused {
        /// What does not fit.
        refusal: Refusal,
    },
}

/// Why old callers cannot use a new function.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Reason {
    /// It takes another number of parameters.
    ParameterCount {
        /// How many it took.
        old: usize,
        /// How many it takes.
        new: usize,
    },
    /// It takes something else.
    Parameter {
        /// Which one, counted from 1.
        number: usize,
        /// What it took.
        old: String,
        /// What it takes.
        new: String,
    },
    /// It returns something else.
    Return {
        /// What it returned.
        old: String,
        /// What it returns.
        new: String,
    },
    /// It is an instance of the same name with other generic arguments.
    GenericArguments {
        /// What they were.
        old: Vec<String>,
        /// What they are.
        new: Vec<String>,
    },
    /// A closure that it gets, or is, captures something else.
    Captures {
        /// The closure.
        closure: String,
        /// How that differs.
        changes: Vec<Change>,
    },
    /// A generic type that it gets has a closure or future in it, and differs.
    OfClosure {
        /// The type.
        ty: String,
        /// How it differs.
        changes: Vec<Change>,
    },
    /// A future that it gets, or is, waits or saves something else.
    Suspends {
        /// The future.
        future: String,
        /// How that differs.
        changes: Vec<Change>,
    },
    /// Closures are told apart by their numbers only, and the edit may have
    /// renumbered them.
    Renumbered {
        /// The function that they are in.
        function: String,
        /// Which of its closures.
        closure: String,
        /// How many it had.
        old: usize,
        /// How many it has.
        new: usize,
        /// Captures, parameters and kinds of all of them are what they were.
        alike: bool,
    },
    /// There is no debug information about it.
    Unknown {
        /// In the old code (else in the new).
        old: bool,
    },
}

/// What of the running program does not fit to the new code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Refusal {
    /// A type of the same path has another layout.
    Layout {
        /// The type.
        ty: String,
        /// Its old layout.
        old: Layout,
        /// Its new one.
        new: Layout,
        /// What makes the difference.
        changes: Vec<Change>,
    },
    /// A static has another type.
    Static {
        /// The static.
        name: String,
        /// Its old type.
        old: String,
        /// Its new one.
        new: String,
    },
    /// Trait objects that exist have a table of another length.
    VtableLength {
        /// The trait.
        name: String,
        /// How many methods were in it.
        old: u64,
        /// How many there are.
        new: u64,
    },
    /// Trait objects that exist have another method in a slot of their table.
    VtableSlot {
        /// The type and the trait, as `<Type as Trait>`.
        name: String,
        /// Which slot, counted from 0 after size and alignment.
        slot: usize,
        /// The method that was there.
        old: Option<String>,
        /// The method that is there.
        new: Option<String>,
    },
}

/// Size and alignment, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Layout {
    /// The size.
    pub size: u64,
    /// The alignment, if it is known.
    pub align: Option<u64>,
}

/// Where a field is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Place {
    /// From the start of the type.
    pub offset: u64,
    /// Of the field.
    pub size: u64,
}

/// One difference between two types.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Change {
    /// There is a new field.
    FieldAdded {
        /// Its name.
        field: String,
        /// Its type.
        ty: String,
        /// Where it is.
        place: Place,
    },
    /// A field is gone.
    FieldRemoved {
        /// Its name.
        field: String,
        /// Its type.
        ty: String,
        /// Where it was.
        place: Place,
    },
    /// A field has another name.
    FieldRenamed {
        /// The old name.
        old: String,
        /// The new name.
        new: String,
    },
    /// A field has another type.
    FieldRetyped {
        /// Its name.
        field: String,
        /// Its old type.
        old: String,
        /// Where it was.
        old_place: Place,
        /// Its new type.
        new: String,
        /// Where it is.
        new_place: Place,
    },
    /// A field is somewhere else.
    FieldMoved {
        /// Its name.
        field: String,
        /// Where it was.
        old: Place,
        /// Where it is.
        new: Place,
    },
    /// There is a new variant.
    VariantAdded {
        /// Its name.
        variant: String,
    },
    /// A variant is gone.
    VariantRemoved {
        /// Its name.
        variant: String,
    },
    /// A variant has another name.
    VariantRenamed {
        /// The old name.
        old: String,
        /// The new name.
        new: String,
    },
    /// A variant has another number. None is the variant that is told by the
    /// absence of all other numbers.
    VariantRenumbered {
        /// Its name.
        variant: String,
        /// The old number.
        old: Option<i128>,
        /// The new number.
        new: Option<i128>,
    },
    /// The number of the variant is stored in another way.
    Tag {
        /// The old type and place.
        old: Option<(String, Place)>,
        /// The new ones.
        new: Option<(String, Place)>,
    },
    /// Struct, union or enum became another of these.
    Kind,
    /// The size differs.
    Size {
        /// The old one.
        old: u64,
        /// The new one.
        new: u64,
    },
    /// The alignment differs.
    Align {
        /// The old one.
        old: u64,
        /// The new one.
        new: u64,
    },
    /// A future waits for something else.
    Awaits {
        /// At which suspend point, counted from 0.
        point: String,
        /// What it waited for.
        old: String,
        /// What it waits for.
        new: String,
    },
    /// The same, inside of a variant or suspend point.
    In {
        /// Which one.
        variant: String,
        /// The difference.
        change: Box<Change>,
    },
    /// A type that is compared by its name only differs.
    Meaning {
        /// What it referred to.
        old: String,
        /// What it refers to.
        new: String,
    },
}

impl Change {
    /// It is no number that may have changed for another change.
    pub(super) fn is_telling(&self) -> bool {
        match self {
            Self::FieldMoved { .. }
            | Self::VariantRenumbered { .. }
            | Self::Tag { .. }
            | Self::Size { .. }
            | Self::Align { .. } => false,
            Self::In { change, .. } => change.is_telling(),
            _ => true,
        }
    }
}

impl Verdict {
    /// Whether old callers may be led to the new function.
    pub fn is_same(&self) -> bool {
        matches!(self, Self::Same)
    }
}

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
