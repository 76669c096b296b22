//! What is said about images in memory and about threads in old code.

use super::{Fields, Message, wire};

/// What an image has, beyond its bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    /// The parts that something can point to, counted from its start.
    pub parts: Vec<Span>,
    /// What the program did not have before: later images may refer to it, and to
    /// nothing else in here.
    pub new: Vec<String>,
    /// Why it is not to be unloaded at all; empty if it may be.
    pub stays: String,
}

/// A stretch of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Where it begins.
    pub start: u64,
    /// How many there are.
    pub len: u64,
}

/// The images of all reloads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Images {
    /// Those that are loaded, oldest first.
    pub loaded: Vec<Held>,
    /// How many were unloaded.
    pub unloaded: u64,
}

/// An image that is loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// The generation that it was made for.
    pub number: u64,
    /// Where it begins.
    pub address: u64,
    /// How long it is.
    pub bytes: u64,
    /// It was replaced, and is only there because something holds it.
    pub is_old: bool,
    /// Why it is there.
    pub why: String,
}

/// A thread that is in the old code of a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Active {
    /// The function, by the address that its callers have.
    pub function: u64,
    /// Its thread's id.
    pub thread: u64,
    /// Its thread's name.
    pub name: String,
    /// The instruction that it is at, or the call that it waits for.
    pub at: u64,
    /// Or it is only by a word on its stack that it may be there.
    pub is_certain: bool,
}

wire::fields! {
    Active { function, thread, name, at, is_certain }
    Contents { parts, new, stays }
    Held { number, address, bytes, is_old, why }
    Images { loaded, unloaded }
    Span { start, len }
}
