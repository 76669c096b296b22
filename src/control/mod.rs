//! Control: values and components that are changed from outside, and a socket to
//! do it by.
//!
//! - [`Var`] ([`var!`](crate::var)): a named value that can be redefined.
//! - [`Slot`] ([`slot!`](crate::slot)): a running component that can be restarted.
//! - [`vars`], [`slots`]: all of them, by name.
//! - [`serve`]: the socket. There is none without this call or `cargo midair run`, and in
//!   release builds none at all unless midair's feature `control` is on.
//! - [`sockets`]: the sockets of this user's programs, for clients.
//!
//! Inside: `socket` is who may connect and how lines come and go, `commands` what they
//! do, `place` where sockets are, `copies` how an agent with a copy of midair of its own
//! and the program's copy are one socket.
//!
//! **Who may.** Whoever is let in can do what the program can: it patches functions and
//! loads libraries. So the Unix socket is for the same user only (a folder of mode
//! 0700, a socket of mode 0600, and the kernel asked who connects), and TCP is on the
//! loopback only, only if asked for, and only with a token. What this does not
//! do: keep two programs of one user apart.

#[cfg(any(debug_assertions, feature = "control"))]
mod commands;
#[cfg(any(debug_assertions, feature = "control"))]
mod copies;
mod error;
mod named;
mod place;
mod serve;
mod slot;
#[cfg(any(debug_assertions, feature = "control"))]
mod socket;
mod var;

#[cfg(any(debug_assertions, feature = "control"))]
pub(crate) use commands::keep_above;
#[cfg(any(debug_assertions, feature = "control"))]
#[doc(hidden)]
pub use copies::{__joined, __serve, Ask as __Ask, Told as __Told};
pub use error::ControlError;
pub use named::{__add_slot, __add_var, slot, slots, var, vars};
pub use place::{Socket, sockets};
pub use serve::{Options, Served, serve};
pub use slot::{
    Component, GRACE, OnHardStop, PORT, Restartable, Restarted, Scope, Slot, SlotError, Stopped,
};
#[doc(hidden)]
pub use var::Last as __Last;
pub use var::{Ref, Var, Variable};

/// Without a socket nobody patches over it.
#[cfg(not(any(debug_assertions, feature = "control")))]
pub(crate) fn keep_above() -> Vec<(usize, String)> {
    Vec::new()
}
