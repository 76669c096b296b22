//! The gate of hot reload: may a running program go on with new code?
//!
//! [`compare`] takes the debug information of what runs and of what was compiled
//! after an edit, and says for each function whether old callers may be led
//! to the new one. It compares what the function takes, returns and captures,
//! with all that is reached from there: layouts, names of fields and variants,
//! numbers of variants, and for futures what they wait for and save at each
//! suspend point. Beside the functions, any type, static or vtable that is in
//! both and does not fit refuses the edit, for it may live somewhere.
//!
//! One way through: `object` maps a file, `elf` relocates its debug
//! information, `parse` makes the model of a codegen unit (`unit`), `names`
//! and `closures` say what is the same thing before and after, `signature` has
//! the types of a function, `pairs` walks over types two and two,
//! `differences` compares two, `statics` and `vtables` the rest, and
//! `verdict` is what is said, in the words of `words`. Where a line is does not
//! matter to any of it.
//!
//! Not seen, because debug information has no trace of it: a *free* function
//! that becomes `#[track_caller]`, or with v0 symbols `extern "C"` (legacy ones
//! change with the ABI); and an edit of an `async fn` that swaps two awaits of
//! one type with the same saved around them.

mod closures;
mod compare;
mod differences;
mod elf;
mod error;
mod names;
mod object;
mod pairs;
mod parse;
mod signature;
mod statics;
mod unit;
mod verdict;
mod vtables;
mod words;

pub use compare::{Changed, Outcome, Running, compare};
pub use error::GateError;
pub use object::Object;
pub use verdict::{Change, Layout, Place, Reason, Refusal, Verdict};
