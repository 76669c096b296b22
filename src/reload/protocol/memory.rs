//! What is said about images in memory and about threads in old code.

use super::{Fields, Message};

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

impl Message for Contents {
    fn put(&self, bytes: &mut Vec<u8>) {
        self.parts.put(bytes);
        self.new.put(bytes);
        self.stays.put(bytes);
    }

    fn get(fields: &mut Fields<'_>) -> Option<Self> {
        Some(Self {
            parts: Vec::get(fields)?,
            new: Vec::get(fields)?,
            stays: String::get(fields)?,
        })
    }
}

impl Message for Span {
    fn put(&self, bytes: &mut Vec<u8>) {
        self.start.put(bytes);
        self.len.put(bytes);
    }

    fn get(fields: &mut Fields<'_>) -> Option<Self> {
        Some(Self {
            start: u64::get(fields)?,
            len: u64::get(fields)?,
        })
    }
}

impl Message for Images {
    fn put(&self, bytes: &mut Vec<u8>) {
        self.loaded.put(bytes);
        self.unloaded.put(bytes);
    }

    fn get(fields: &mut Fields<'_>) -> Option<Self> {
        Some(Self {
            loaded: Vec::get(fields)?,
            unloaded: u64::get(fields)?,
        })
    }
}

impl Message for Held {
    fn put(&self, bytes: &mut Vec<u8>) {
        self.number.put(bytes);
        self.address.put(bytes);
        self.bytes.put(bytes);
        u64::from(self.is_old).put(bytes);
        self.why.put(bytes);
    }

    fn get(fields: &mut Fields<'_>) -> Option<Self> {
        Some(Self {
            number: u64::get(fields)?,
            address: u64::get(fields)?,
            bytes: u64::get(fields)?,
            is_old: u64::get(fields)? != 0,
            why: String::get(fields)?,
        })
    }
}

impl Message for Active {
    fn put(&self, bytes: &mut Vec<u8>) {
        self.function.put(bytes);
        self.thread.put(bytes);
        self.name.put(bytes);
        self.at.put(bytes);
        u64::from(self.is_certain).put(bytes);
    }

    fn get(fields: &mut Fields<'_>) -> Option<Self> {
        Some(Self {
            function: u64::get(fields)?,
            thread: u64::get(fields)?,
            name: String::get(fields)?,
            at: u64::get(fields)?,
            is_certain: u64::get(fields)? != 0,
        })
    }
}
