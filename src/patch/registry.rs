//! All sites of the process, behind one lock.
//!
//! Every change is made here: put a layer on, turn it on or off, take it off,
//! alone or many together. The lock is never held while a user's code runs.

use super::entry::Writing;
use super::fork;
use super::locate::Located;
use super::lock::{Guard, lock};
use super::original::Originals;
use super::per_machine;
use super::per_thread::Active;
use super::plan::Prepared;
use super::reclaim::Due;
use super::site::{Layer, Site};
use super::sites::{Fibonacci, Sites};
use super::staged::Store;
use crate::Error;
use crate::machine::Rung;
use crate::machine::frame::Frames;
use crate::memory::arena::Arena;
use crate::symbols::{Module, module_at};
use crate::threads::blocked;
use crate::threads::change::Change;
use crate::threads::count::{self, Alone};
use crate::threads::live;
use crate::threads::trap;
use midair_arch::Reason;
use midair_arch::TargetAddress;
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::hash::BuildHasherDefault;
use std::io;
use std::ops::Range;
use std::sync::Arc;

pub(super) struct Registry {
    pub(super) sites: Sites,
    /// What was handed out as originals, for each function ever patched.
    originals: HashMap<usize, Originals, BuildHasherDefault<Fibonacci>>,
    pub(super) store: Store,
    pub(super) claims: Claims,
    next_id: u64,
    /// About how many sites are idle.
    pub(super) idle: usize,
    pub(super) due: Due,
    /// Transitions under way.
    pub(super) active: Vec<Active>,
}

/// The registry, locked.
pub(super) struct Locked(Guard);

pub(super) fn registry() -> Locked {
    fork::prepare();
    let mut guard = lock();
    guard.get_or_insert_with(|| Registry {
        sites: Sites::default(),
        originals: HashMap::default(),
        store: Store::new(),
        claims: Claims::default(),
        next_id: 1,
        idle: 0,
        due: Due::new(),
        active: Vec::new(),
    });
    Locked(guard)
}

impl std::ops::Deref for Locked {
    type Target = Registry;
    fn deref(&self) -> &Registry {
        self.0.as_ref().expect("made when it was locked")
    }
}

impl std::ops::DerefMut for Locked {
    fn deref_mut(&mut self) -> &mut Registry {
        self.0.as_mut().expect("made when it was locked")
    }
}

/// One patch: of which function, and which of its layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LayerId {
    pub(super) target: usize,
    pub(super) id: u64,
}

impl Registry {
    /// The site of a function, if it is there still.
    pub(super) fn site(&mut self, target: usize) -> Option<&Site> {
        self.retire_if_unloaded(target);
        self.sites.get(&target)
    }

    pub(super) fn memory(&mut self) -> (&mut Arena, &Claims) {
        (&mut self.store.arena, &self.claims)
    }

    /// A number that was never given before.
    pub(super) fn next_id(&mut self) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        id
    }

    /// Puts a new, disabled layer on the function at `target`; also says what
    /// its original is.
    pub(super) fn add_layer(&mut self, target: usize) -> Result<(LayerId, usize), Error> {
        self.retire_if_unloaded(target);
        self.push_layer(target, &Alone::new(count::alone))
    }

    /// The same for a function whose module is known to be loaded.
    pub(super) fn push_layer(
        &mut self,
        target: usize,
        alone: &Alone,
    ) -> Result<(LayerId, usize), Error> {
        self.check_transition(target)?;
        let Self {
            sites,
            originals,
            store,
            claims,
            next_id,
            ..
        } = self;
        let memory = |source| Error::Memory { target, source };
        let is_new = !sites.contains(&target);
        if is_new {
            let located = Located::at(target)?;
            let prepared = Prepared::new(&located, &mut store.arena, claims, **alone)?;
            let own = match originals.entry(target) {
                Entry::Occupied(known) => known.get().own,
                Entry::Vacant(new) => match Originals::new(target, &prepared.rung, store) {
                    Ok(made) => new.insert(made).own,
                    Err(e) => {
                        prepared.give_back(&mut store.arena);
                        return Err(memory(e));
                    }
                },
            };
            sites.insert(target, Site::new(located, prepared, own, store));
        }
        let gone = || Error::Unloaded { target };
        let site = sites.get_mut(&target).ok_or_else(gone)?;
        let originals = originals.get_mut(&target).ok_or_else(gone)?;
        let is_stale =
            |site: &Site| claims.check(site.rung(), target).is_err() || site.is_outdated(alone);
        let is_replanned = !is_new && site.is_idle() && is_stale(site);
        if is_replanned {
            // Since it was last patched, another site has taken the bytes, or
            // threads have come that the plan did not reckon with.
            let prepared = Prepared::new(&site.located, &mut store.arena, claims, **alone)?;
            site.replan(prepared, store);
        }
        let id = *next_id;
        *next_id += 1;
        let original = site.push_layer(id, originals, store).map_err(memory)?;
        claims.add(site.rung(), target);
        // The original may be called before the patch is made.
        if let Err(source) = store.write(alone) {
            site.remove_layer(id, originals);
            return Err(Error::Write { source, also: None });
        }
        if is_new || is_replanned {
            site.open();
        }
        Ok((LayerId { target, id }, original))
    }

    /// Writes `code` to the arena.
    pub(super) fn write_code(
        &mut self,
        at: usize,
        code: Vec<u8>,
        frames: Frames<'_>,
    ) -> Result<(), Error> {
        self.store.stage(at, code, frames);
        self.store
            .write(&Alone::new(count::alone))
            .map_err(|source| Error::Write { source, also: None })
    }

    /// What the layer is, unless it is gone.
    pub(super) fn layer(&self, layer: LayerId) -> Result<&Layer, Error> {
        let LayerId { target, id } = layer;
        let site = self.sites.get(&target).ok_or(Error::Unloaded { target })?;
        site.layer(id).ok_or(Error::Removed { target })
    }

    /// Where the layer leads from now on; returns where it led before. Written
    /// by [`Registry::settle`].
    pub(super) fn set_destination(
        &mut self,
        layer: LayerId,
        destination: usize,
    ) -> Result<usize, Error> {
        let LayerId { target, id } = layer;
        self.check_transition(target)?;
        let site = self
            .sites
            .get_mut(&target)
            .ok_or(Error::Unloaded { target })?;
        let layer = site.layer_mut(id).ok_or(Error::Removed { target })?;
        layer.code = destination;
        Ok(std::mem::replace(&mut layer.destination, destination))
    }

    /// The layer's destination leads on to the function at `code`.
    pub(super) fn set_code(&mut self, layer: LayerId, code: usize) {
        let site = self.sites.get_mut(&layer.target);
        if let Some(layer) = site.and_then(|site| site.layer_mut(layer.id)) {
            layer.code = code;
        }
    }

    /// Turns layers on and off: all of them, or none.
    pub(super) fn switch(&mut self, wanted: &[(LayerId, bool)]) -> Result<(), Error> {
        self.retire_unloaded(wanted.iter().map(|(layer, _)| layer.target));
        let mut before = Vec::with_capacity(wanted.len());
        for &(layer, _) in wanted {
            self.check_transition(layer.target)?;
            before.push((layer, self.layer(layer)?.enabled));
        }
        self.set_enabled(wanted.iter().copied());
        let mut targets: Vec<usize> = wanted.iter().map(|(layer, _)| layer.target).collect();
        targets.sort_unstable();
        targets.dedup();
        self.settle(&targets).inspect_err(|_| {
            self.set_enabled(before.iter().rev().copied());
            for target in &targets {
                if let Some(site) = self.sites.get(target) {
                    site.link();
                }
            }
        })
    }

    pub(super) fn set_enabled(&mut self, wanted: impl Iterator<Item = (LayerId, bool)>) {
        for (layer, enabled) in wanted {
            if let Some(l) = self
                .sites
                .get_mut(&layer.target)
                .and_then(|s| s.layer_mut(layer.id))
            {
                l.enabled = enabled;
            }
        }
    }

    /// Takes layers off. Where an entry cannot be written, the others are taken
    /// off all the same, and the first error is given.
    pub(super) fn remove(&mut self, layers: &[LayerId]) -> Result<(), Error> {
        let mut targets = Vec::with_capacity(layers.len());
        for layer in layers {
            self.cancel_transition(layer.target);
        }
        self.retire_unloaded(layers.iter().map(|layer| layer.target));
        for layer in layers {
            if let Some(site) = self.sites.get_mut(&layer.target) {
                if let Some(originals) = self.originals.get_mut(&layer.target) {
                    site.remove_layer(layer.id, originals);
                }
                targets.push(layer.target);
            }
        }
        let settled = self.settle_each(targets);
        self.reclaim_if_due();
        settled
    }

    /// Takes everything off, also what could not be taken off before.
    fn remove_all(&mut self) -> Result<usize, Error> {
        let layers = self.all_layers();
        let first = self.remove(&layers);
        let left: Vec<usize> = self
            .sites
            .iter()
            .filter(|site| site.is_left_behind())
            .map(Site::target)
            .collect();
        let second = self.settle_each(left);
        first.and(second).map(|()| layers.len())
    }

    /// Settles the targets together or, if that fails, each by itself.
    fn settle_each(&mut self, mut targets: Vec<usize>) -> Result<(), Error> {
        targets.sort_unstable();
        targets.dedup();
        if let [_] = targets.as_slice() {
            return self.settle(&targets);
        }
        if self.settle(&targets).is_err() {
            let mut result = Ok(());
            for target in targets {
                self.retire_if_unloaded(target);
                result = result.and(self.settle(&[target]));
            }
            return result;
        }
        Ok(())
    }

    /// All layers of all sites.
    fn all_layers(&self) -> Vec<LayerId> {
        let sites = self.sites.iter();
        sites
            .flat_map(|s| {
                s.layers.iter().map(|l| LayerId {
                    target: s.target(),
                    id: l.id,
                })
            })
            .collect()
    }

    /// Makes slots and entries of `targets` what their layers want. If an
    /// entry cannot be written, those written before are put back.
    pub(super) fn settle(&mut self, targets: &[usize]) -> Result<(), Error> {
        let alone = Alone::new(count::alone);
        let mut writing = Writing::default();
        for target in targets {
            if let Some(site) = self.sites.get_mut(target) {
                site.prepare(&mut self.store, &alone, &mut writing)?;
            }
        }
        let Writing {
            changes,
            redirections,
        } = writing;
        let write_error = |source| Error::Write { source, also: None };
        self.store.write(&alone).map_err(write_error)?;
        if !redirections.is_empty() {
            trap::ensure_handler().map_err(write_error)?;
            trap::redirect(redirections);
            if !*alone && changes.iter().any(Change::may_trap) {
                blocked::let_through()?;
            }
        }
        for target in targets {
            if let Some(site) = self.sites.get(target) {
                site.link();
            }
        }
        // SAFETY: each site verified its bytes, registered its boundaries with
        // the trap table, and its gate and copy are written.
        let written = unsafe { live::apply(&changes, &alone) };
        let written =
            written.map_err(|source| Error::writing(source, || put_back(&changes, &alone).err()));
        let mut settled = Vec::new();
        for target in targets {
            let Some(site) = self.sites.get_mut(target) else {
                continue;
            };
            if written.is_ok() {
                site.changed();
            }
            settled.extend(site.settled_traps());
            if site.is_idle() {
                self.idle += 1;
                self.claims.release(site.rung(), site.leaves_padding());
            }
        }
        if !settled.is_empty() {
            trap::redirect(settled);
        }
        written
    }

    /// Forgets the site of a function whose code is gone.
    pub(super) fn retire_if_unloaded(&mut self, target: usize) {
        self.retire_unloaded([target]);
    }

    /// Forgets the sites of functions whose code is gone.
    pub(super) fn retire_unloaded(&mut self, targets: impl IntoIterator<Item = usize>) {
        // Functions that follow each other are mostly of the same module.
        let mut latest: Option<Arc<Module>> = None;
        for target in targets {
            let Some(site) = self.sites.get(&target) else {
                continue;
            };
            let is_loaded = site.located.module.as_ref().is_none_or(|module| {
                if latest.as_ref().is_some_and(|is| Arc::ptr_eq(is, module)) {
                    return true;
                }
                let now = module_at(target).filter(|now| Arc::ptr_eq(now, module));
                now.map(|now| latest = Some(now)).is_some()
            });
            if is_loaded && !site.is_gone() {
                continue;
            }
            if let Some(site) = self.sites.remove(&target) {
                self.claims.release(site.rung(), false);
                self.store.limbo.push(site.abandon());
            }
        }
    }
}

/// Undoes what was written of `changes`.
fn put_back(changes: &[Change], alone: &Alone) -> io::Result<()> {
    let undo: Vec<Change> = changes
        .iter()
        .rev()
        .map(|c| Change {
            old: c.new,
            new: c.old,
            ..c.clone()
        })
        .collect();
    // SAFETY: the same places; what was not written yet is written as it is.
    unsafe { live::apply(&undo, alone) }
}

/// Removes every patch of this process: all functions are what they were.
/// Patches that are still held do nothing from then on; their `original` goes
/// on working. Returns how many patches were removed.
///
/// # Errors
///
/// [`Error::Write`] or [`Error::Refused`] for the first function that cannot be
/// written; all others are restored.
pub fn unpatch_all() -> Result<usize, Error> {
    registry().remove_all()
}

/// Which bytes of the program belong to which site: those that it writes and
/// those that it relies on.
#[derive(Default)]
pub(super) struct Claims(BTreeMap<usize, (usize, usize)>);

impl Claims {
    fn ranges(rung: &Rung) -> [Range<usize>; 2] {
        per_machine::claims(rung)
    }

    /// Refuses a rung that needs the bytes of another function's site.
    pub(super) fn check(&self, rung: &Rung, target: usize) -> Result<(), Reason> {
        for range in Self::ranges(rung) {
            let other = self.overlapping(range).find(|(_, owner)| *owner != target);
            if let Some((_, owner)) = other {
                return Err(Reason::Taken {
                    by: TargetAddress::new(owner as u64),
                });
            }
        }
        Ok(())
    }

    /// The claimed ranges that overlap `range`, and whose they are.
    pub(super) fn overlapping(
        &self,
        range: Range<usize>,
    ) -> impl Iterator<Item = (Range<usize>, usize)> + '_ {
        let nearby = range.start.saturating_sub(per_machine::LONGEST_CLAIM)..range.end;
        self.0
            .range(nearby)
            .map(|(start, (end, owner))| (*start..*end, *owner))
            .filter(move |(claimed, _)| claimed.end > range.start)
    }

    fn add(&mut self, rung: &Rung, target: usize) {
        for range in Self::ranges(rung).into_iter().filter(|r| !r.is_empty()) {
            self.0.insert(range.start, (range.end, target));
        }
    }

    /// Lets go of padding whose jump is gone at last.
    pub(super) fn release_padding(&mut self, at: usize) {
        self.0.remove(&at);
    }

    /// Lets the bytes of a site go; its jump in padding may have to stay.
    fn release(&mut self, rung: &Rung, keep_padding: bool) {
        let [entry, padding] = Self::ranges(rung);
        self.0.remove(&entry.start);
        if !padding.is_empty() && !keep_padding {
            self.0.remove(&padding.start);
        }
    }
}
