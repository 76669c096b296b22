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

impl Message for Above {
    fn put(&self, bytes: &mut Vec<u8>) {
        self.function.put(bytes);
        self.said.put(bytes);
    }

    fn get(fields: &mut Fields<'_>) -> Option<Self> {
        Some(Self {
            function: u64::get(fields)?,
            said: String::get(fields)?,
        })
    }
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

impl Message for Swap {
    fn put(&self, bytes: &mut Vec<u8>) {
        self.target.put(bytes);
        self.replacement.put(bytes);
    }

    fn get(fields: &mut Fields<'_>) -> Option<Self> {
        Some(Self {
            target: u64::get(fields)?,
            replacement: u64::get(fields)?,
        })
    }
}

impl Message for Bytes {
    fn put(&self, bytes: &mut Vec<u8>) {
        self.address.put(bytes);
        (self.bytes.len() as u64).put(bytes);
        bytes.extend(&self.bytes);
    }

    fn get(fields: &mut Fields<'_>) -> Option<Self> {
        let address = u64::get(fields)?;
        let len = usize::try_from(u64::get(fields)?).ok()?;
        let bytes = fields.take(len)?.to_vec();
        Some(Self { address, bytes })
    }
}

impl Message for Guarded {
    fn put(&self, bytes: &mut Vec<u8>) {
        self.lock.put(bytes);
        self.bytes.put(bytes);
    }

    fn get(fields: &mut Fields<'_>) -> Option<Self> {
        Some(Self {
            lock: u64::get(fields)?,
            bytes: Bytes::get(fields)?,
        })
    }
}

impl Message for Hello {
    fn put(&self, bytes: &mut Vec<u8>) {
        self.version.put(bytes);
        self.pid.put(bytes);
        self.slide.put(bytes);
        self.reserve.cast_unsigned().put(bytes);
        self.reserve_len.put(bytes);
        self.control.put(bytes);
        self.no_control.put(bytes);
        self.area.put(bytes);
        self.area_len.put(bytes);
        self.page.put(bytes);
    }

    fn get(fields: &mut Fields<'_>) -> Option<Self> {
        Some(Self {
            version: u64::get(fields)?,
            pid: u64::get(fields)?,
            slide: u64::get(fields)?,
            reserve: u64::get(fields)?.cast_signed(),
            reserve_len: u64::get(fields)?,
            control: String::get(fields)?,
            no_control: String::get(fields)?,
            area: u64::get(fields)?,
            area_len: u64::get(fields)?,
            page: u64::get(fields)?,
        })
    }
}

impl Message for Load {
    fn put(&self, bytes: &mut Vec<u8>) {
        self.file.put(bytes);
        self.address.put(bytes);
        self.len.put(bytes);
        self.swaps.put(bytes);
        self.writes.put(bytes);
        self.caches.put(bytes);
        self.sources.put(bytes);
        self.contents.put(bytes);
        u64::from(self.settles).put(bytes);
    }

    fn get(fields: &mut Fields<'_>) -> Option<Self> {
        Some(Self {
            file: String::get(fields)?,
            address: u64::get(fields)?,
            len: u64::get(fields)?,
            swaps: Vec::get(fields)?,
            writes: Vec::get(fields)?,
            caches: Vec::get(fields)?,
            sources: Vec::get(fields)?,
            contents: Contents::get(fields)?,
            settles: u64::get(fields)? != 0,
        })
    }
}

impl Message for Loaded {
    fn put(&self, bytes: &mut Vec<u8>) {
        self.load_nanoseconds.put(bytes);
        self.swap_nanoseconds.put(bytes);
        self.unlisted.put(bytes);
        self.generation.put(bytes);
        self.above.put(bytes);
    }

    fn get(fields: &mut Fields<'_>) -> Option<Self> {
        Some(Self {
            load_nanoseconds: u64::get(fields)?,
            swap_nanoseconds: u64::get(fields)?,
            unlisted: String::get(fields)?,
            generation: u64::get(fields)?,
            above: Vec::get(fields)?,
        })
    }
}

impl Message for Undone {
    fn put(&self, bytes: &mut Vec<u8>) {
        self.generation.put(bytes);
        self.reload.put(bytes);
        self.left.put(bytes);
        self.swap_nanoseconds.put(bytes);
    }

    fn get(fields: &mut Fields<'_>) -> Option<Self> {
        Some(Self {
            generation: u64::get(fields)?,
            reload: u64::get(fields)?,
            left: u64::get(fields)?,
            swap_nanoseconds: u64::get(fields)?,
        })
    }
}

impl Message for Request {
    fn put(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Resolve(names) => {
                1.put(bytes);
                names.put(bytes);
            }
            Self::Room(len) => {
                2.put(bytes);
                len.put(bytes);
            }
            Self::Load(load) => {
                3.put(bytes);
                load.put(bytes);
            }
            Self::Prepare(function) => {
                4.put(bytes);
                function.put(bytes);
            }
            Self::Undo => 5.put(bytes),
            Self::Threads(file) => {
                6.put(bytes);
                file.put(bytes);
            }
            Self::Active => 20.put(bytes),
            Self::Images(look) => {
                21.put(bytes);
                look.put(bytes);
            }
        }
    }

    fn get(fields: &mut Fields<'_>) -> Option<Self> {
        Some(match u64::get(fields)? {
            1 => Self::Resolve(Vec::get(fields)?),
            2 => Self::Room(u64::get(fields)?),
            3 => Self::Load(Load::get(fields)?),
            4 => Self::Prepare(u64::get(fields)?),
            5 => Self::Undo,
            6 => Self::Threads(String::get(fields)?),
            20 => Self::Active,
            21 => Self::Images(u64::get(fields)?),
            _ => return None,
        })
    }
}

impl Message for Answer {
    fn put(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Addresses(addresses) => {
                1.put(bytes);
                addresses.put(bytes);
            }
            Self::Room(at) => {
                2.put(bytes);
                at.put(bytes);
            }
            Self::Loaded(loaded) => {
                3.put(bytes);
                loaded.put(bytes);
            }
            Self::Prepared => 4.put(bytes),
            Self::Failed(why) => {
                5.put(bytes);
                why.put(bytes);
            }
            Self::Undone(undone) => {
                6.put(bytes);
                undone.put(bytes);
            }
            Self::Threads(distance) => {
                7.put(bytes);
                distance.cast_unsigned().put(bytes);
            }
            Self::Active(active) => {
                20.put(bytes);
                active.put(bytes);
            }
            Self::Images(images) => {
                21.put(bytes);
                images.put(bytes);
            }
        }
    }

    fn get(fields: &mut Fields<'_>) -> Option<Self> {
        Some(match u64::get(fields)? {
            1 => Self::Addresses(Vec::get(fields)?),
            2 => Self::Room(u64::get(fields)?),
            3 => Self::Loaded(Loaded::get(fields)?),
            4 => Self::Prepared,
            5 => Self::Failed(String::get(fields)?),
            6 => Self::Undone(Undone::get(fields)?),
            7 => Self::Threads(u64::get(fields)?.cast_signed()),
            20 => Self::Active(Vec::get(fields)?),
            21 => Self::Images(Images::get(fields)?),
            _ => return None,
        })
    }
}

impl Message for Question {
    fn put(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Reload(file) => {
                1.put(bytes);
                file.put(bytes);
            }
            Self::Undo => 2.put(bytes),
            Self::Eval {
                definition,
                is_written,
            } => {
                4.put(bytes);
                definition.put(bytes);
                u64::from(*is_written).put(bytes);
            }
            Self::Sources => 5.put(bytes),
        }
    }

    fn get(fields: &mut Fields<'_>) -> Option<Self> {
        Some(match u64::get(fields)? {
            1 => Self::Reload(String::get(fields)?),
            2 => Self::Undo,
            4 => Self::Eval {
                definition: String::get(fields)?,
                is_written: u64::get(fields)? != 0,
            },
            5 => Self::Sources,
            _ => return None,
        })
    }
}

impl Message for Told {
    fn put(&self, bytes: &mut Vec<u8>) {
        u64::from(self.is_done).put(bytes);
        self.text.put(bytes);
        self.data.put(bytes);
    }

    fn get(fields: &mut Fields<'_>) -> Option<Self> {
        Some(Self {
            is_done: u64::get(fields)? != 0,
            text: String::get(fields)?,
            data: String::get(fields)?,
        })
    }
}

#[cfg(test)]
mod tests;
