//! What `cargo midair run` and the agent say to each other.
//!
//! The agent speaks first: a [`Hello`]. After that each [`Request`] gets one
//! [`Answer`], in order. A message is its length (four bytes, little endian) and
//! then its fields one after the other: numbers as eight bytes, strings and lists
//! after their length. Both halves are of one version of midair, so nothing
//! describes itself; [`VERSION`] is there to notice when they are not.
//!
//! In the other direction, on a socket of its own, the program asks: each [`Question`]
//! gets one [`Told`].

mod memory;
mod wire;

#[doc(hidden)]
pub use crate::symbols::EDIT_SECTION;
pub use memory::{Active, Contents, Held, Images, Span};
pub use wire::{Fields, Message, receive, send};

/// Changes whenever a message does.
pub const VERSION: u64 = 9;
/// The environment variable that tells the agent its socket: the number of an
/// inherited descriptor.
pub const SOCKET: &str = "MIDAIR_AGENT_SOCKET";
/// The same for the socket on which the program asks.
pub const QUESTIONS: &str = "MIDAIR_AGENT_QUESTIONS";
/// The environment variable that tells the agent which program it is for: the path
/// of its file. Others, such as what starts it, leave the socket alone.
pub const PROGRAM: &str = "MIDAIR_AGENT_PROGRAM";
/// Where in the file of [`Request::Threads`] the dynamic linker writes how far its
/// thread-local data are from the thread pointer.
pub const THREADS_AT: u64 = 64 + 56 * 4;

/// The first message, from the agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// [`VERSION`], as the agent knows it.
    pub version: u64,
    /// The process.
    pub pid: u64,
    /// What is added to addresses in the executable's file.
    pub slide: u64,
    /// Where new thread-locals can be, relative to the thread pointer.
    pub reserve: i64,
    /// How many bytes there are.
    pub reserve_len: u64,
    /// The path of the control socket; empty if there is none.
    pub control: String,
    /// Why there is none.
    pub no_control: String,
    /// Where images can be; zeros if nowhere.
    pub area: u64,
    /// How many bytes there are.
    pub area_len: u64,
    /// Bytes of a page of memory.
    pub page: u64,
}

impl Hello {
    /// Where images can be.
    pub fn images(&self) -> std::ops::Range<u64> {
        self.area..self.area.saturating_add(self.area_len)
    }
}

/// What the agent is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Where these symbols of the process's shared libraries are.
    Resolve(Vec<String>),
    /// Address space of this length, for an image.
    Room(u64),
    /// Give all threads, and those that come, the thread-local data of this library:
    /// thread-locals that do not begin as zero.
    Threads(String),
    /// Load an image and lead functions to it.
    Load(Load),
    /// Read what is needed to patch this function, without patching it.
    Prepare(u64),
    /// Go back to the code before the last reload that was not undone.
    Undo,
    /// Which threads are in the old code of what the last reload has changed.
    Active,
    /// What is loaded; if not zero, what can be is unloaded before.
    Images(u64),
}

/// One reload.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// The image, an ELF file; empty if there is none.
    pub file: String,
    /// Where it was linked to: what [`Request::Room`] was answered with.
    pub address: u64,
    /// How much room it has.
    pub len: u64,
    /// What is led where, all at one instant.
    pub swaps: Vec<Swap>,
    /// What is overwritten, just before that.
    pub writes: Vec<Bytes>,
    /// What is overwritten afterwards, if it can be had.
    pub caches: Vec<Guarded>,
    /// The sources that were edited, for whoever lists generations.
    pub sources: Vec<String>,
    /// What is in the image.
    pub contents: Contents,
    /// This puts right what the last one has done: an undo takes both back.
    pub settles: bool,
}

/// A function and its replacement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Swap {
    /// The function's address.
    pub target: u64,
    /// Where calls of it go from now on; if that is its own address, it is as it
    /// was built.
    pub replacement: u64,
}

/// Bytes and where they belong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bytes {
    /// The address of the first.
    pub address: u64,
    /// What is to stand there.
    pub bytes: Vec<u8>,
}

/// Bytes that belong to whoever holds a lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guarded {
    /// The address of a `std::sync::Mutex<()>`.
    pub lock: u64,
    /// What is to stand there.
    pub bytes: Bytes,
}

/// What the agent answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// To [`Request::Resolve`], in the same order; zero for what there is not.
    Addresses(Vec<u64>),
    /// To [`Request::Room`].
    Room(u64),
    /// To [`Request::Threads`]: how far from the thread pointer they are.
    Threads(i64),
    /// To [`Request::Load`].
    Loaded(Loaded),
    /// To [`Request::Prepare`].
    Prepared,
    /// To [`Request::Active`].
    Active(Vec<Active>),
    /// To [`Request::Images`].
    Images(Images),
    /// Nothing was changed; why.
    Failed(String),
    /// To [`Request::Undo`].
    Undone(Undone),
}

/// A reload that is live.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// What loading the image took.
    pub load_nanoseconds: u64,
    /// What leading the functions to it took.
    pub swap_nanoseconds: u64,
    /// Why the image was not loaded by the dynamic linker; empty if it was.
    pub unlisted: String,
    /// The number of the generation that runs now.
    pub generation: u64,
    /// Functions that somebody has patched by hand: calls go there.
    pub above: Vec<Above>,
}

/// A function that calls do not get to, whatever a reload makes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Above {
    /// Its address.
    pub function: u64,
    /// Where calls go, and what to do about it.
    pub said: String,
}

/// An undo that is live. It is a generation, too: numbers only grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Undone {
    /// The number of the generation that runs now.
    pub generation: u64,
    /// The number of the reload that was undone.
    pub reload: u64,
    /// How many reloads can be undone yet.
    pub left: u64,
    /// What leading the functions back took.
    pub swap_nanoseconds: u64,
}

/// What the program asks `cargo midair run`, which has sources and a compiler.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// Make what the files say live: this one, or all if it is empty.
    Reload(String),
    /// Go back to the code before the last reload.
    Undo,
    /// Make this definition of a function live.
    Eval {
        /// `fn path::of::function(…) … { … }`.
        definition: String,
        /// Put it into its file, too.
        is_written: bool,
    },
    /// The names of the sources, one a line.
    Sources,
}

/// The answer to a [`Question`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// Whether it was done; else the text says why not.
    pub is_done: bool,
    /// For people.
    pub text: String,
    /// For programs: JSON, or nothing.
    pub data: String,
}

wire::fields! {
    Above { function, said }
    Bytes { address, bytes }
    Guarded { lock, bytes }
    Hello {
        version, pid, slide, reserve, reserve_len, control, no_control, area, area_len, page,
    }
    Load { file, address, len, swaps, writes, caches, sources, contents, settles }
    Loaded { load_nanoseconds, swap_nanoseconds, unlisted, generation, above }
    Swap { target, replacement }
    Told { is_done, text, data }
    Undone { generation, reload, left, swap_nanoseconds }
}

wire::choices! {
    Request {
        1 => Resolve(names),
        2 => Room(len),
        3 => Load(load),
        4 => Prepare(function),
        5 => Undo,
        6 => Threads(file),
        20 => Active,
        21 => Images(look),
    }
    Answer {
        1 => Addresses(addresses),
        2 => Room(at),
        3 => Loaded(loaded),
        4 => Prepared,
        5 => Failed(why),
        6 => Undone(undone),
        7 => Threads(distance),
        20 => Active(active),
        21 => Images(images),
    }
    Question {
        1 => Reload(file),
        2 => Undo,
        4 => Eval { definition, is_written },
        5 => Sources,
    }
}

#[cfg(test)]
mod tests;
