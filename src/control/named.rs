//! All `Var`s and `Slot`s of the program, by name.
//!
//! They add themselves before `main` (`.init_array`), so that a value is known that
//! was never read. Those of a library that is loaded later are added when it is
//! loaded, if it uses the same copy of midair. They are statics, and nothing is ever
//! taken off: a library that has some and uses this copy of midair must not be
//! unloaded.

use super::slot::Restartable;
use super::var::Variable;
use std::sync::{Mutex, PoisonError};

static VARS: Mutex<Vec<&'static dyn Variable>> = Mutex::new(Vec::new());
static SLOTS: Mutex<Vec<&'static dyn Restartable>> = Mutex::new(Vec::new());

/// For [`var!`](crate::var).
#[doc(hidden)]
pub fn __add_var(var: &'static dyn Variable) {
    VARS.lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(var);
    offer();
}

/// For [`slot!`](crate::slot).
#[doc(hidden)]
pub fn __add_slot(slot: &'static dyn Restartable) {
    SLOTS
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(slot);
    offer();
}

/// The agent of `cargo midair run`, if there is one, has the socket.
fn offer() {
    #[cfg(any(debug_assertions, feature = "control"))]
    super::copies::join();
}

/// Every [`Var`](super::Var) of the program.
pub fn vars() -> Vec<&'static dyn Variable> {
    VARS.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// Every [`Slot`](super::Slot) of the program.
pub fn slots() -> Vec<&'static dyn Restartable> {
    SLOTS.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// The [`Var`](super::Var) that is called `name`: its own name, or with as much of
/// its path before it as makes it the only one.
///
/// # Errors
///
/// There is none or there are several; the message says which there are.
pub fn var(name: &str) -> Result<&'static dyn Variable, String> {
    one("Var", "var!", name, vars(), |var| var.name())
}

/// The [`Slot`](super::Slot) that is called `name`, as for [`var`].
///
/// # Errors
///
/// As for [`var`].
pub fn slot(name: &str) -> Result<&'static dyn Restartable, String> {
    one("Slot", "slot!", name, slots(), |slot| slot.name())
}

fn one<T: Copy>(
    kind: &str,
    made_by: &str,
    name: &str,
    all: Vec<T>,
    name_of: impl Fn(T) -> &'static str,
) -> Result<T, String> {
    let is_called = |full: &str| {
        full == name
            || full
                .strip_suffix(name)
                .is_some_and(|path| path.ends_with("::"))
    };
    let list = |of: &[T]| {
        let names: Vec<&str> = of.iter().map(|one| name_of(*one)).collect();
        names.join(", ")
    };
    let fits: Vec<T> = all
        .iter()
        .copied()
        .filter(|one| is_called(name_of(*one)))
        .collect();
    match fits.as_slice() {
        [one] => Ok(*one),
        [] if all.is_empty() => Err(format!(
            "there is no {kind} in this program; declare one with `midair::{made_by}`"
        )),
        [] => Err(format!(
            "no {kind} is called `{name}`; there is {}",
            list(&all)
        )),
        several => Err(format!(
            "`{name}` is several: {}; write more of the path",
            list(several)
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    mod one_place {
        crate::var! { pub(super) static TWICE: u8 = 1 }
    }
    mod other_place {
        crate::var! { pub(super) static TWICE: u8 = 2 }
        crate::var! { pub(super) static NEVER_READ: u8 = 3 }
    }

    #[test]
    fn a_name_is_enough_where_there_is_one_and_a_path_where_there_are_two() {
        assert_eq!(var("NEVER_READ").unwrap().text(), "3");
        assert_eq!(var("other_place::TWICE").unwrap().text(), "2");
        assert_eq!(*one_place::TWICE.read(), 1);
        let error = var("TWICE").err().unwrap();
        assert!(error.contains("one_place::TWICE"), "{error}");
        assert!(error.contains("other_place::TWICE"), "{error}");
        // Not the end of a name.
        let error = var("EVER_READ").err().unwrap();
        assert!(error.contains("NEVER_READ"), "{error}");
        assert_eq!(*other_place::NEVER_READ.read(), 3);
        assert_eq!(*other_place::TWICE.read(), 2);
    }
}
