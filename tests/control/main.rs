//! The control socket from outside: programs that run, and are talked to as a person
//! or an editor would.

mod greeting;
mod plugin;
mod program;
mod security;
mod server;
