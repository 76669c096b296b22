//! What there is to say about generations: [`generations`].

use super::pins::{self, held};
use super::protocol::{Fields, Message, VERSION};
use crate::threads::tasks;
use arc_swap::ArcSwap;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, SystemTime};

/// So many are remembered, and all that somebody is pinned to or whose code is held.
const REMEMBERED: usize = 128;

/// One version of the whole program.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Generation {
    /// Zero is the program as it was built; each reload and each undo makes the
    /// next one.
    pub number: u64,
    /// When it became what runs.
    pub made: SystemTime,
    /// The reload that was taken back, if it is an undo.
    pub undoes: Option<u64>,
    /// The sources that were edited.
    pub sources: Vec<String>,
    /// The functions that lead elsewhere since.
    pub functions: Vec<String>,
    /// Bytes that were loaded for it.
    pub bytes: u64,
    /// The threads that are pinned to it.
    pub threads: Vec<PinnedThread>,
    /// How many futures are.
    pub futures: u64,
    /// Its code was replaced and is in memory still: why. As of the latest look,
    /// which comes some time after each reload and then ever more rarely.
    pub held: Option<String>,
}

/// A thread that is on a generation, whatever is the newest.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PinnedThread {
    /// Its id.
    pub id: i32,
    /// Its name.
    pub name: String,
    /// Since when.
    pub time: Duration,
}

/// Why there are no generations to list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NoGenerations {
    /// The program was not started by `cargo midair run`.
    NoAgent,
    /// The agent is of another version than the midair that the program uses.
    OtherVersion,
}

impl fmt::Display for NoGenerations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoAgent => "there is one generation: nothing reloads this program; start it by `cargo midair run`",
            Self::OtherVersion => {
                "cargo-midair is of another version than the midair that the program uses; \
                 use the same in both"
            }
        })
    }
}

impl std::error::Error for NoGenerations {}

/// All generations, the newest last, and who is pinned to which.
///
/// Of the oldest ones only those are listed that somebody is pinned to, or whose code
/// is in memory still.
///
/// # Errors
///
/// [`NoGenerations`], if this is no program that is reloaded.
pub fn generations() -> Result<Vec<Generation>, NoGenerations> {
    let interface = pins::find().ok_or(NoGenerations::NoAgent)?;
    let bytes = interface.describe();
    let mut fields = Fields::new(&bytes);
    let list = match u64::get(&mut fields) {
        Some(VERSION) => Vec::get(&mut fields),
        _ => None,
    };
    list.ok_or(NoGenerations::OtherVersion)
}

/// One that was made.
#[derive(Clone)]
pub(super) struct Made {
    pub(super) number: u64,
    pub(super) at: SystemTime,
    pub(super) undoes: Option<u64>,
    pub(super) sources: Vec<String>,
    /// By their addresses: not as such, or these would be found where pointers
    /// into an image are looked for.
    pub(super) functions: Vec<Hidden>,
    pub(super) bytes: u64,
}

/// An address that does not look like one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hidden(u64);

impl Hidden {
    pub(super) fn new(at: u64) -> Self {
        Self(!at)
    }

    pub(super) fn get(self) -> u64 {
        !self.0
    }
}

static MADE: LazyLock<ArcSwap<Vec<Made>>> = LazyLock::new(ArcSwap::default);

/// Remembers one more.
pub(super) fn add(made: Made) {
    let pinned = held::eras();
    let mut list = Vec::clone(&MADE.load());
    list.push(made);
    let old = list.len().saturating_sub(REMEMBERED);
    let mut place = 0;
    list.retain(|made| {
        place += 1;
        let is_held = || super::images::held(made.number).is_some();
        place > old || pinned.contains(&(made.number + 1)) || is_held()
    });
    MADE.store(Arc::new(list));
}

/// The generation whose version of a function is the newest, as it is called.
#[cfg(any(debug_assertions, feature = "control"))]
pub(crate) fn newest(function: u64) -> Option<u64> {
    let made = MADE.load();
    let of = |made: &&Made| made.functions.iter().any(|at| at.get() == function);
    Some(made.iter().rfind(of)?.number)
}

/// All of it, to be sent to another copy of midair.
pub(super) fn describe() -> Vec<u8> {
    let (threads, futures) = held::holders();
    let mut pinned: BTreeMap<u64, Vec<PinnedThread>> = BTreeMap::new();
    for thread in threads {
        let status = tasks::status(thread.thread).ok().flatten();
        let name = status.map_or_else(String::new, |status| status.name);
        pinned
            .entry(thread.era - 1)
            .or_default()
            .push(PinnedThread {
                id: thread.thread,
                name,
                time: thread.time,
            });
    }
    let made = MADE.load();
    let list = made.iter().map(|made| Generation {
        number: made.number,
        made: made.at,
        undoes: made.undoes,
        sources: made.sources.clone(),
        functions: made.functions.iter().map(|at| name_of(at.get())).collect(),
        bytes: made.bytes,
        threads: pinned.remove(&made.number).unwrap_or_default(),
        futures: futures.get(&(made.number + 1)).copied().unwrap_or_default(),
        held: super::images::held(made.number),
    });
    let list: Vec<Generation> = list.collect();
    let mut bytes = Vec::new();
    VERSION.put(&mut bytes);
    list.put(&mut bytes);
    bytes
}

/// What a function is called.
pub(super) fn name_of(at: u64) -> String {
    let name = || {
        let module = crate::symbols::module_at(at as usize)?;
        let image = module.image().ok()?;
        image.symbol_name_at(module.file_address(at as usize))
    };
    name().unwrap_or_else(|| format!("{at:#x}"))
}

impl Message for Generation {
    fn put(&self, bytes: &mut Vec<u8>) {
        self.number.put(bytes);
        let since = self.made.duration_since(SystemTime::UNIX_EPOCH);
        (since.unwrap_or_default().as_micros() as u64).put(bytes);
        self.undoes.map_or(0, |reload| reload + 1).put(bytes);
        self.sources.put(bytes);
        self.functions.put(bytes);
        self.bytes.put(bytes);
        self.threads.put(bytes);
        self.futures.put(bytes);
        self.held
            .iter()
            .cloned()
            .collect::<Vec<String>>()
            .put(bytes);
    }

    fn get(fields: &mut Fields<'_>) -> Option<Self> {
        Some(Self {
            number: u64::get(fields)?,
            made: SystemTime::UNIX_EPOCH + Duration::from_micros(u64::get(fields)?),
            undoes: u64::get(fields)?.checked_sub(1),
            sources: Vec::get(fields)?,
            functions: Vec::get(fields)?,
            bytes: u64::get(fields)?,
            threads: Vec::get(fields)?,
            futures: u64::get(fields)?,
            held: Vec::<String>::get(fields)?.pop(),
        })
    }
}

impl Message for PinnedThread {
    fn put(&self, bytes: &mut Vec<u8>) {
        u64::from(self.id.cast_unsigned()).put(bytes);
        self.name.put(bytes);
        (self.time.as_micros() as u64).put(bytes);
    }

    fn get(fields: &mut Fields<'_>) -> Option<Self> {
        Some(Self {
            id: u64::get(fields)? as i32,
            name: String::get(fields)?,
            time: Duration::from_micros(u64::get(fields)?),
        })
    }
}
