//! Clients of a program's control socket.
//!
//! - [`choose`]: which program. [`talk`]: requests and answers as lines of JSON.
//! - `attach`: stdin and stdout, or one command. `repl`: with history and
//!   completion. `slots`: for a key of `cargo midair run`.
//!
//! What the commands do is the program's: `midair::control`.

mod attach;
mod choose;
mod repl;
mod slots;
mod talk;

pub(crate) use attach::run as attach;
pub(crate) use repl::run as repl;
pub(crate) use slots::restart as restart_slots;
