//! Many functions change their mind at one instant.
//!
//! Nobody is stopped. First every entry is led to its gate, with nothing
//! changed by that; then each slot that will lead elsewhere leads to a *choice*
//! (`choice` of [`midair_arch`]) between its old and its new destination, and
//! all choices read one word. One store into it is the instant. Then the slots
//! lead to their new destinations directly, in any order, and the choices go to
//! limbo.
//!
//! A thread that has met something new cannot meet anything old afterwards: the
//! word is new for good, and a slot that does not lead to a choice any more leads
//! to what is new. What this does not promise: a thread may be inside of an old
//! function at that instant, and call a new one from there.

use super::limbo::Item;
use super::per_machine;
use super::registry::{LayerId, Registry};
use super::site::Site;
use super::staged::Store;
use crate::Error;
use crate::machine::choice;
use crate::machine::frame::Frames;
use crate::memory::arena::{Lifetime, Reach, Slot};
use crate::threads::count::{self, Alone};
use std::io;
use std::iter::StepBy;
use std::ops::Range;
use std::sync::atomic::Ordering;

/// A slot that is to lead elsewhere.
pub(super) struct Turn {
    pub(super) slot: Slot,
    pub(super) old: usize,
    pub(super) new: usize,
}

impl Registry {
    /// Turns layers on and off, all at one instant, or none.
    pub(super) fn switch_at_once(&mut self, wanted: &[(LayerId, bool)]) -> Result<(), Error> {
        let alone = Alone::new(count::alone);
        let turns = self.prepare_turns(wanted)?;
        let chosen = choose(&mut self.store, &turns.changed, &alone);
        let done = match chosen {
            Ok(chosen) => {
                chosen.epoch.store(1, Ordering::SeqCst);
                self.store.limbo.push(chosen.item);
                Ok(())
            }
            Err(source) => {
                self.take_back(&turns);
                Err(Error::Write { source, also: None })
            }
        };
        self.end_turns(&turns);
        self.reclaim_if_much();
        done
    }

    /// Leads the entries to their gates and tells which slots have to turn. The
    /// layers are as wanted then, the slots as they were.
    pub(super) fn prepare_turns(&mut self, wanted: &[(LayerId, bool)]) -> Result<Turns, Error> {
        self.retire_unloaded(wanted.iter().map(|(layer, _)| layer.target));
        let mut before = Vec::with_capacity(wanted.len());
        for &(layer, _) in wanted {
            self.check_transition(layer.target)?;
            before.push((layer, self.layer(layer)?.enabled));
        }
        let mut targets: Vec<usize> = wanted.iter().map(|(layer, _)| layer.target).collect();
        targets.sort_unstable();
        targets.dedup();
        for target in &targets {
            if let Some(site) = self.sites.get(target) {
                per_machine::check_choice(site.rung()).map_err(|reason| site.refuse(reason))?;
            }
        }
        self.each_site(&targets, |site| site.needs_gate = true);
        if let Err(e) = self.settle(&targets) {
            self.each_site(&targets, |site| site.needs_gate = false);
            return Err(e);
        }
        let mut links = Vec::with_capacity(targets.len());
        self.each_site(&targets, |site| links.extend(site.links()));
        self.set_enabled(wanted.iter().copied());
        let mut changed = Vec::with_capacity(links.len());
        let mut olds = links.into_iter();
        self.each_site(&targets, |site| {
            for ((slot, new), (_, old)) in site.links().zip(olds.by_ref()) {
                if old != new {
                    changed.push(Turn { slot, old, new });
                }
            }
        });
        Ok(Turns {
            targets,
            before,
            changed,
        })
    }

    /// The layers are what they were before.
    pub(super) fn take_back(&mut self, turns: &Turns) {
        self.set_enabled(turns.before.iter().rev().copied());
    }

    /// All slots lead where the layers say.
    pub(super) fn end_turns(&mut self, turns: &Turns) {
        self.each_site(&turns.targets, |site| {
            site.needs_gate = false;
            site.link();
        });
    }

    fn each_site(&mut self, targets: &[usize], mut f: impl FnMut(&mut Site)) {
        for target in targets {
            if let Some(site) = self.sites.get_mut(target) {
                f(site);
            }
        }
    }
}

/// What a transaction changes.
pub(super) struct Turns {
    pub(super) targets: Vec<usize>,
    before: Vec<(LayerId, bool)>,
    pub(super) changed: Vec<Turn>,
}

/// Choices that are in place.
struct Chosen {
    epoch: Slot,
    item: Item,
}

/// Leads each slot to a choice: still to what is old.
fn choose(store: &mut Store, turns: &[Turn], alone: &Alone) -> io::Result<Chosen> {
    let epoch = store.arena.slot(Lifetime::Freed, Reach::Anywhere)?;
    epoch.store(0, Ordering::Release);
    let mut item = Item {
        slots: vec![epoch],
        ..Item::default()
    };
    let word = std::ptr::from_ref(epoch) as u64;
    let placed = place(store, turns, &mut item, choice::BY_EPOCH_FRAMES, |turn| {
        choice::by_epoch(word, turn.old as u64, turn.new as u64)
    });
    match placed.and_then(|places| store.write(alone).map(|()| places)) {
        Ok(places) => {
            for (turn, at) in turns.iter().zip(places) {
                turn.slot.store(at, Ordering::Release);
            }
            Ok(Chosen { epoch, item })
        }
        Err(e) => {
            store.limbo.push(item);
            Err(e)
        }
    }
}

/// Has the code of a choice written for each turn, side by side; says where they
/// are, in that order.
pub(super) fn place<const LEN: usize>(
    store: &mut Store,
    turns: &[Turn],
    item: &mut Item,
    frames: Frames<'static>,
    code: impl FnMut(&Turn) -> [u8; LEN],
) -> io::Result<StepBy<Range<usize>>> {
    let code: Vec<u8> = turns.iter().map(code).collect::<Vec<_>>().into_flattened();
    let len = code.len();
    let mut start = 0;
    item.leads_to
        .extend(turns.iter().flat_map(|turn| [turn.old, turn.new]));
    if len > 0 {
        start = store.arena.code(Reach::Anywhere, len)?;
        item.code.push((start, len));
        store.staged.push(start, code);
    }
    let places = (start..start + len).step_by(LEN);
    for at in places.clone() {
        store.arena.set_frames(at, LEN, frames);
    }
    Ok(places)
}
