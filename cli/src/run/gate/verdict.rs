//! What the gate says. Its words are in [`words`](super::words).

use serde::Serialize;

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
    /// Trait objects that exist have a table that says that nothing is to be done when
    /// they are dropped, and now there is, or the other way round.
    VtableDrop {
        /// The type and the trait, as `<Type as Trait>`.
        name: String,
        /// Something is to be done now.
        new: bool,
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
    /// Trait objects that exist have the old version of a method in their table, and new
    /// code calls it as the new one.
    VtableMethod {
        /// The type and the trait, as `<Type as Trait>`.
        name: String,
        /// The method.
        method: String,
        /// Why there are two versions.
        reason: Reason,
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
