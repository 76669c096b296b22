//! Giving memory back, and telling how much there is.

use super::limbo::Swept;
use super::registry::{Registry, registry};
use super::site::Site;
use crate::Error;
use crate::threads::count::{self, Alone};
use crate::threads::live;
use std::time::Duration;

/// Limbo (with what is kept about it) and idle sites may grow to so many bytes before they are looked at.
const LIMBO: usize = 256 << 10;
const IDLE: usize = 4 << 20;
/// Choices of commits may grow to so many.
const MUCH: usize = 8 << 20;

/// How long a removal may look at threads, at first and at most.
const TIMES: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(320));

/// What midair has in this process: [`stats`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Functions that have a patch, enabled or not.
    pub patched: usize,
    /// Patches of all functions.
    pub patches: usize,
    /// Functions that have none any more, and whose gate and copy are kept for
    /// the next one.
    pub idle: usize,
    /// Bytes of gates, copies and slots of patched functions, and of closures'
    /// stubs.
    pub bytes_live: usize,
    /// Bytes of the idle ones.
    pub bytes_idle: usize,
    /// Bytes that nothing leads to and that a thread may still be in.
    pub bytes_limbo: usize,
    /// Pieces of memory in limbo.
    pub limbo: usize,
    /// Bytes of stubs that were handed out as originals. They stay.
    pub bytes_kept: usize,
    /// Bytes mapped for all of that.
    pub bytes_mapped: usize,
}

/// What [`reclaim`] did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reclaimed {
    /// Bytes given back.
    pub bytes: usize,
    /// Pieces of memory that a thread may still be in. They stay in limbo.
    pub held: usize,
    /// The ids of threads that may be in it, or have such an address on their
    /// stack. Closures that are being called are held without one.
    pub held_by: Vec<i32>,
    /// Threads that could not be looked at: their id, and why. While there are
    /// any, nothing is given back.
    pub unseen: Vec<(i32, String)>,
}

/// Counts functions, patches and bytes.
///
/// ```
/// let before = midair::stats();
/// # let target = std::process::id as fn() -> u32 as *const ();
/// // SAFETY: a pass-through.
/// let patch = unsafe { midair::patch_raw(target, |original| original) }?;
/// assert_eq!(midair::stats().patched, before.patched + 1);
/// # Ok::<(), midair::Error>(())
/// ```
pub fn stats() -> Stats {
    let registry = registry();
    let mut stats = Stats::default();
    for site in registry.sites.iter() {
        if site.is_idle() {
            stats.idle += 1;
            stats.bytes_idle += site.bytes();
        } else {
            stats.patched += 1;
            stats.patches += site.layers.len();
        }
    }
    let arena = registry.store.arena.bytes();
    stats.bytes_limbo = registry.store.limbo.bytes();
    stats.limbo = registry.store.limbo.len();
    stats.bytes_kept = arena.kept;
    stats.bytes_mapped = arena.mapped;
    let in_limbo = registry.store.limbo.bytes_of_arena();
    stats.bytes_live = arena.used.saturating_sub(stats.bytes_idle + in_limbo);
    stats
}

/// Gives back the memory of patches that are gone: at once what no thread can
/// be in, and of the rest what all threads are seen outside of within `time`.
///
/// This happens by itself when enough has gathered. No thread is stopped or
/// woken: one that sleeps is read, one that runs is asked by a signal to copy
/// its stack and runs on. Nothing is given back on a guess: what cannot be
/// proven to be unused stays, and is counted by [`stats`].
///
/// A stack that no thread is on (a fiber that is suspended, a context in the
/// heap) is not seen. It holds no address of midair's memory, unless it was left
/// by a signal handler that interrupted a patched function's first instructions
/// and never returned.
///
/// # Errors
///
/// [`Error::Threads`] if threads cannot be looked at.
pub fn reclaim(time: Duration) -> Result<Reclaimed, Error> {
    let mut registry = registry();
    registry.retire_idle();
    let swept = registry.sweep(time)?;
    Ok(Reclaimed {
        bytes: swept.freed,
        held: swept.held,
        held_by: swept.held_by.into_iter().collect(),
        unseen: swept.unseen,
    })
}

/// When to look at threads again by itself.
#[derive(Debug)]
pub(super) struct Due {
    limbo: usize,
    time: Duration,
}

impl Due {
    pub(super) const fn new() -> Self {
        Self {
            limbo: LIMBO,
            time: TIMES.0,
        }
    }
}

impl Registry {
    /// Looks at threads if enough has gathered.
    pub(super) fn reclaim_if_due(&mut self) {
        // A site takes a hundred bytes or so; counting is for when it matters.
        if self.idle > IDLE / 128 {
            self.retire_idle();
        }
        if self.store.limbo.weight() < self.due.limbo {
            return;
        }
        // What fails now is tried again when more has gathered.
        let swept = self.sweep(self.due.time).unwrap_or_default();
        let all_seen = swept.unseen.is_empty();
        self.due.time = match all_seen {
            true => TIMES.0,
            false => (self.due.time * 2).min(TIMES.1),
        };
        self.due.limbo = LIMBO.max(self.store.limbo.weight() * 5 / 4);
    }

    /// The same for a commit, whose time counts: only if a lot has gathered.
    pub(super) fn reclaim_if_much(&mut self) {
        if self.store.limbo.weight() > MUCH {
            self.reclaim_if_due();
        }
    }

    /// Gives up all sites that nothing patches.
    fn retire_idle(&mut self) {
        let idle = self.sites.iter().filter(|site| site.is_idle());
        let idle: Vec<usize> = idle.map(Site::target).collect();
        for target in idle {
            self.retire_if_unloaded(target);
            if let Some(site) = self.sites.remove(&target) {
                self.store.limbo.push(site.retire());
            }
        }
        self.idle = 0;
    }

    fn sweep(&mut self, time: Duration) -> Result<Swept, Error> {
        let store = &mut self.store;
        let swept = store
            .limbo
            .sweep(&mut store.arena, time)
            .map_err(|source| Error::Threads { source })?;
        let alone = Alone::new(count::alone);
        for change in &swept.padding {
            if !change.is_in_place() {
                continue; // its module is gone
            }
            // SAFETY: nobody is there, nothing leads there, and it holds the
            // jump that was left.
            let written = unsafe { live::apply(std::slice::from_ref(change), &alone) };
            if written.is_ok() {
                self.claims.release_padding(change.at);
            }
        }
        Ok(swept)
    }
}
