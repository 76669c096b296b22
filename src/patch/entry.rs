//! What is written at the entry of a patched function.
//!
//! Where one enabled layer is all there is and it is in reach, the entry jumps
//! to it directly (*straight*) until something else is wanted; else to the gate.
//! Here is decided which it is, which bytes that takes, and where a thread goes
//! on that traps in between. Nothing is written here: that is done for many
//! sites together ([`crate::threads::live`]).

use super::limbo::Item;
use super::locate::read_byte;
use super::per_machine;
use super::plan::{copy_of, gate_code};
use super::site::Site;
use super::staged::Store;
use crate::machine::Strategy;
use crate::threads::change::{Change, Few};
use crate::threads::count::Alone;
use midair_arch::{Reason, Refusal, TargetAddress};

/// What stands at the entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    Original,
    Gate,
    Straight(usize),
}

/// What has to be written for the entries of some sites, and what the trap
/// handler has to know before.
#[derive(Default)]
pub(super) struct Writing {
    pub(super) changes: Vec<Change>,
    pub(super) redirections: Vec<(usize, usize)>,
}

impl Site {
    /// Adds what has to be written for the entry to be what the layers want.
    pub(super) fn prepare(
        &mut self,
        store: &mut Store,
        alone: &Alone,
        writing: &mut Writing,
    ) -> Result<(), Refusal> {
        self.wanted = self.wanted_entry(alone);
        if self.wanted == self.entry {
            return Ok(());
        }
        let has_boundaries = self.prepared.rung.boundaries().next().is_some();
        if self.entry == Entry::Original && has_boundaries && !**alone && !self.prepared.trapping {
            self.move_gate(store)?;
        }
        if self.located.module.is_none() {
            // Code made at run time: its rights come and go.
            let place = self.prepared.rung.place.get() as *const u8;
            if let Ok(region) = region::query(place) {
                self.located.protection = region.protection();
            }
        }
        let rung = &self.prepared.rung;
        let padding_differs =
            rung.strategy == Strategy::ShortJump && (self.wanted == Entry::Gate || **alone);
        self.padding_left =
            rung.strategy == Strategy::ShortJump && self.wanted == Entry::Original && !**alone;
        if padding_differs {
            // Taken away only if nobody can be on it.
            let change = self.padding_change()?;
            self.add(change, writing)?;
        }
        let boundaries = match (self.entry, self.wanted) {
            (Entry::Original, _) | (_, Entry::Original) => {
                rung.boundaries().map(|n| n as u8).collect()
            }
            _ => Few::default(), // one jump becomes another
        };
        let change = Change {
            at: rung.place.get() as usize,
            old: self.entry_bytes(self.entry)?,
            new: self.entry_bytes(self.wanted)?,
            boundaries,
            unreached: false,
            protection: self.located.protection,
        };
        let traps = rung.strategy == Strategy::Breakpoint
            || !**alone
            || (self.prepared.trapping && has_boundaries);
        self.add(change, writing)?;
        if traps {
            writing.redirections.extend(self.redirections());
            self.traps = true;
        }
        Ok(())
    }

    fn add(&self, change: Change, writing: &mut Writing) -> Result<(), Refusal> {
        if change.old != change.new {
            self.verify(&change)?;
            writing.changes.push(change);
        }
        Ok(())
    }

    /// The changes have been made.
    pub(super) fn changed(&mut self) {
        match (self.entry, self.wanted) {
            (Entry::Straight(_), Entry::Gate) => self.keeps_gate = true,
            (_, Entry::Original) => self.keeps_gate = false,
            _ => {}
        }
        self.entry = self.wanted;
    }

    /// Where a thread goes on that trapped where the original bytes are again,
    /// and has not been moved yet: its own code.
    pub(super) fn settled_traps(&self) -> impl Iterator<Item = (usize, usize)> + use<> {
        let is_original = self.entry == Entry::Original;
        let traps = is_original.then(|| self.trapping_addresses().map(|at| (at, at)));
        traps.into_iter().flatten()
    }

    fn wanted_entry(&self, alone: &Alone) -> Entry {
        let enabled = self.layers.iter().filter(|layer| layer.enabled).count();
        match (self.layers.as_slice(), self.entry) {
            ([], _) => Entry::Original,
            _ if self.needs_gate => Entry::Gate,
            (_, Entry::Original) if enabled == 0 => Entry::Original,
            ([only], entry)
                if only.enabled && self.may_be_straight(entry, only.destination, alone) =>
            {
                Entry::Straight(only.destination)
            }
            _ => Entry::Gate,
        }
    }

    fn may_be_straight(&self, from: Entry, destination: usize, alone: &Alone) -> bool {
        let rung = &self.prepared.rung;
        let nobody_inside = || {
            rung.boundaries().next().is_none() || (self.located.analysis.is_complete() && **alone)
        };
        rung.may_be_straight()
            && !self.keeps_gate
            && per_machine::straight(rung, destination).is_some()
            && match from {
                Entry::Original => nobody_inside(),
                Entry::Straight(at) => at == destination,
                Entry::Gate => false,
            }
    }

    /// A gate whose address makes every boundary a trap: threads have come
    /// since the first one was made.
    fn move_gate(&mut self, store: &mut Store) -> Result<(), Refusal> {
        let rung = &self.prepared.rung;
        if matches!(rung.strategy, Strategy::ShortJump | Strategy::Breakpoint) {
            return match rung.strategy {
                Strategy::Breakpoint => Ok(()),
                _ => Err(self.refuse(Reason::NoPaddingInReach)),
            };
        }
        let unable = || self.refuse(Reason::NoMemoryInReach);
        let gate = per_machine::place_gate(rung, &mut store.arena).ok_or_else(unable)?;
        let code = gate_code(rung, gate, self.prepared.slot).ok_or_else(unable)?;
        store.limbo.push(Item {
            code: vec![(self.prepared.gate, self.prepared.gate_len())],
            ..Item::default()
        });
        self.prepared.gate = gate;
        self.prepared.gate_code = code;
        self.prepared.trapping = true;
        self.stage_gate(store);
        Ok(())
    }

    pub(super) fn entry_bytes(&self, entry: Entry) -> Result<Few, Refusal> {
        let rung = &self.prepared.rung;
        let out_of_reach = || self.refuse(Reason::NoMemoryInReach);
        let first = |bytes: &[u8]| Few::first(rung.written, bytes);
        Ok(match entry {
            Entry::Original => first(&rung.existing),
            Entry::Straight(destination) => {
                first(&per_machine::straight(rung, destination).ok_or_else(out_of_reach)?)
            }
            Entry::Gate => {
                let bytes = per_machine::entry_bytes(rung, self.prepared.gate);
                bytes.ok_or_else(out_of_reach)?
            }
        })
    }

    /// The `jmp rel32` in padding that a short jump leads to.
    fn padding_change(&self) -> Result<Change, Refusal> {
        let rung = &self.prepared.rung;
        let (at, jump) = per_machine::padding_jump(rung, self.prepared.gate)
            .ok_or_else(|| self.refuse(Reason::NoMemoryInReach))?;
        let padding = self
            .located
            .around(|around| {
                around
                    .read(at, jump.len())
                    .map(|bytes| Few::first(jump.len(), bytes))
            })
            .ok_or_else(|| self.refuse(Reason::NoPaddingInReach))?;
        let now: Few = (0..jump.len())
            .map(|n| read_byte(at.get() as usize + n))
            .collect();
        let new = if self.wanted == Entry::Original {
            padding
        } else {
            jump
        };
        let old = if now == jump { jump } else { padding };
        let protection = self.located.protection;
        Ok(Change {
            at: at.get() as usize,
            old,
            new,
            boundaries: Few::default(),
            unreached: true,
            protection,
        })
    }

    /// What takes a left jump in padding away, once nobody can be on it.
    pub(super) fn padding_back(&self) -> Option<Change> {
        self.padding_left
            .then(|| self.padding_change().ok())
            .flatten()
    }

    /// Refuses to write over bytes that are not what they should be.
    fn verify(&self, change: &Change) -> Result<(), Refusal> {
        for (n, &expected) in change.old.iter().enumerate() {
            let found = read_byte(change.at + n);
            if found != expected {
                let offset = (change.at + n).wrapping_sub(self.target()) as i64;
                let reason = match per_machine::is_breakpoint_at(change.at, n) {
                    true => Reason::ForeignBreakpoint,
                    false => Reason::Modified { found, expected },
                };
                return Err(Refusal::new(
                    self.located.analysis.address(),
                    offset,
                    reason,
                ));
            }
        }
        Ok(())
    }

    /// The addresses at which the trap handler may know this site.
    pub(super) fn trapping_addresses(&self) -> impl Iterator<Item = usize> + use<> {
        let rung = &self.prepared.rung;
        let place = rung.place.get() as usize;
        let boundaries: Few = rung.boundaries().map(|n| n as u8).collect();
        let boundaries = (0..boundaries.len()).map(move |n| place + usize::from(boundaries[n]));
        let all = self.traps.then(|| [place].into_iter().chain(boundaries));
        all.into_iter().flatten()
    }

    /// Where a thread goes on that traps at the entry or at a boundary.
    fn redirections(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        let rung = &self.prepared.rung;
        let head = (rung.place.get() as usize, self.prepared.gate);
        let boundaries = rung.boundaries().filter_map(|n| {
            let at: TargetAddress = rung.place.plus(n as u64);
            let copy = copy_of(&self.prepared.copied, self.prepared.copy, at)?;
            Some((at.get() as usize, copy))
        });
        [head].into_iter().chain(boundaries)
    }

    pub(super) fn refuse(&self, reason: Reason) -> Refusal {
        let refusal = Refusal::new(self.located.analysis.address(), 0, reason);
        match self.located.name() {
            Some(name) => refusal.with_symbol(name),
            None => refusal,
        }
    }
}
