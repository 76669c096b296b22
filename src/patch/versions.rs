//! Functions of which different threads call different versions at one time.
//!
//! A *version* has a number since which it is the one. Every thread has a word of
//! its own, in thread-local storage at a fixed distance from the thread pointer,
//! and there is one word for all. A *version selector* is code to which a patch
//! leads: it takes the thread's word, or the one for all if that is zero, and goes
//! on to the newest version that is not newer than this number. So one store into
//! the word for all changes what every thread calls that has no number of its own,
//! of all functions that have a selector, at one instant.
//!
//! Who numbers versions, and who gives a thread a number, is the business of the
//! layer above. A function with one version needs no selector: its slot leads
//! there, as that of any patch.
//!
//! A selector uses registers that are nobody's at the entry of a function, and the
//! flags. It goes to limbo when nothing leads to it any more.

#[cfg(target_arch = "aarch64")]
mod aarch64;
#[cfg(target_arch = "x86_64")]
mod x86_64;

#[cfg(target_arch = "aarch64")]
use aarch64 as machine;
#[cfg(target_arch = "x86_64")]
use x86_64 as machine;

use super::handle::{Patches, RawPatch, check_replacement};
use super::limbo::Item;
use super::per_machine;
use super::registry::{LayerId, Registry, registry};
use crate::Error;
use crate::machine::frame::CALLED;
use crate::memory::arena::Lifetime;
use crate::threads::count::{self, Alone};
use std::io;
use std::sync::atomic::AtomicU64;

/// Where a selector finds the number that counts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Words {
    /// The distance from the thread pointer to the calling thread's word; without
    /// one the word for all counts.
    pub(crate) own: Option<i32>,
    /// The word for all.
    pub(crate) all: &'static AtomicU64,
}

/// One version of a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Version {
    /// The number since which it is the one; below 2^31.
    pub(crate) since: u64,
    pub(crate) at: usize,
}

/// A function's versions, of which there is one at least, the newest last.
pub(crate) struct Way<'a> {
    pub(crate) patch: &'a RawPatch,
    pub(crate) versions: Vec<Version>,
}

/// The code of one function's selector, to be retired when nothing leads to it.
#[derive(Debug)]
pub(crate) struct VersionSelector {
    at: usize,
    len: usize,
    leads_to: Vec<usize>,
}

impl VersionSelector {
    fn into_item(self) -> Item {
        Item {
            code: vec![(self.at, self.len)],
            leads_to: self.leads_to,
            ..Item::default()
        }
    }
}

/// Patches of these functions that are off and lead nowhere yet.
pub(crate) fn prepare(targets: &[usize]) -> Result<Patches, Error> {
    let mut patches = Patches::with_capacity(targets.len());
    let mut registry = registry();
    registry.retire_unloaded(targets.iter().copied());
    let alone = Alone::new(count::alone);
    for target in targets {
        match registry.push_layer(*target, &alone) {
            Ok((layer, original)) => patches.push(RawPatch::new(layer, original)),
            Err(e) => {
                drop(registry); // the patches' drop takes it
                return Err(e);
            }
        }
    }
    Ok(patches)
}

/// Leads all these patches to their versions and turns them on, or none. Each
/// changes on its own, so that this is to be done where it makes no difference.
/// The selectors that were made, in the same order.
///
/// # Safety
///
/// As for [`patch_raw`](crate::patch_raw), of each version; and the words are what
/// they are said to be in every thread.
pub(crate) unsafe fn lead(
    ways: &[Way<'_>],
    words: Words,
) -> Result<Vec<Option<VersionSelector>>, Error> {
    registry().lead(ways, words)
}

/// Nothing leads to these any more.
pub(crate) fn retire(selectors: impl IntoIterator<Item = VersionSelector>) {
    let mut registry = registry();
    for selector in selectors {
        registry.store.limbo.push(selector.into_item());
    }
    registry.reclaim_if_much();
}

/// What a layer was before.
struct Before {
    layer: LayerId,
    destination: usize,
    enabled: bool,
}

impl Registry {
    fn lead(
        &mut self,
        ways: &[Way<'_>],
        words: Words,
    ) -> Result<Vec<Option<VersionSelector>>, Error> {
        let layers: Vec<LayerId> = ways.iter().map(|way| way.patch.layer()).collect();
        let targets: Vec<usize> = layers.iter().map(|layer| layer.target).collect();
        self.retire_unloaded(targets.iter().copied());
        let mut before = Vec::with_capacity(ways.len());
        for (way, layer) in ways.iter().zip(&layers) {
            self.check_transition(layer.target)?;
            for version in &way.versions {
                check_replacement(layer.target, version.at as *const ())?;
            }
            if let Some(site) = self.sites.get(&layer.target) {
                per_machine::check_choice(site.rung()).map_err(|reason| site.refuse(reason))?;
            }
            let now = self.layer(*layer)?;
            before.push(Before {
                layer: *layer,
                destination: now.destination,
                enabled: now.enabled,
            });
        }
        let mut selectors = Vec::with_capacity(ways.len());
        for way in ways {
            match self.place(way, words) {
                Ok(selector) => selectors.push(selector),
                Err(source) => {
                    self.give_up(selectors);
                    return Err(Error::Memory {
                        target: way.patch.target() as usize,
                        source,
                    });
                }
            }
        }
        let led = self.lead_to(ways, &selectors, &targets);
        if let Err(error) = led {
            for before in &before {
                // It was there a moment ago, and nobody else has the registry.
                let _ = self.set_destination(before.layer, before.destination);
            }
            self.set_enabled(before.iter().map(|before| (before.layer, before.enabled)));
            self.end_leading(&targets);
            self.give_up(selectors);
            return Err(error);
        }
        Ok(selectors)
    }

    fn lead_to(
        &mut self,
        ways: &[Way<'_>],
        selectors: &[Option<VersionSelector>],
        targets: &[usize],
    ) -> Result<(), Error> {
        for (way, selector) in ways.iter().zip(selectors) {
            let layer = way.patch.layer();
            let newest = way.versions.last().map_or(0, |version| version.at);
            let to = selector.as_ref().map_or(newest, |selector| selector.at);
            self.set_destination(layer, to)?;
            self.set_code(layer, newest);
        }
        let all = ways.iter().map(|way| (way.patch.layer(), true));
        self.set_enabled(all);
        for target in targets {
            if let Some(site) = self.sites.get_mut(target) {
                // They change again: from now on by a store.
                site.needs_gate = true;
            }
        }
        let settled = self.settle(targets);
        self.end_leading(targets);
        settled
    }

    /// Slots lead where the layers say.
    fn end_leading(&mut self, targets: &[usize]) {
        for target in targets {
            if let Some(site) = self.sites.get_mut(target) {
                site.needs_gate = false;
                site.link();
            }
        }
    }

    /// Has the selector's code written before anything leads to it; none for a
    /// single version.
    fn place(&mut self, way: &Way<'_>, words: Words) -> io::Result<Option<VersionSelector>> {
        if way.versions.len() < 2 {
            return Ok(None);
        }
        let len = machine::len(way.versions.len());
        let target = way.patch.target() as usize;
        let arena = &mut self.store.arena;
        let at = arena.code_if_possible_near(Lifetime::Freed, target, len)?;
        let code = machine::code(at, words, &way.versions);
        let mut code = code.inspect_err(|_| arena.unused_code(at, len))?;
        per_machine::pad(&mut code);
        self.store.stage(at, code, CALLED);
        Ok(Some(VersionSelector {
            at,
            len,
            leads_to: way.versions.iter().map(|version| version.at).collect(),
        }))
    }

    fn give_up(&mut self, selectors: Vec<Option<VersionSelector>>) {
        for selector in selectors.into_iter().flatten() {
            self.store.limbo.push(selector.into_item());
        }
    }
}
