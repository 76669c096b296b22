//! Control: values and components that are changed from outside, and a socket to
//! do it by.
//!
//! - [`Var`] ([`var!`](crate::var)): a named value that can be redefined.
//! - [`Slot`] ([`slot!`](crate::slot)): a running component that can be restarted.
//! - [`vars`], [`slots`]: all of them, by name.

mod named;
mod slot;
mod var;

pub use named::{__add_slot, __add_var, slot, slots, var, vars};
pub use slot::{
    Component, GRACE, OnHardStop, PORT, Restartable, Restarted, Scope, Slot, SlotError, Stopped,
};
pub use var::{Ref, Var, Variable};
