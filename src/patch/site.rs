//! One patched function.
//!
//! A [`Site`] is made with the first patch of its target. When the last one is
//! removed it is *idle*: the entry holds the original bytes, and copy and gate
//! are kept for the next patch until memory is reclaimed ([`Site::retire`]).
//!
//! Patches stack as [`Layer`]s, the newest on top. The entry leads to the gate,
//! the gate through its slot to the topmost enabled layer, and each layer's
//! *original* ([`super::original`]) to what is enabled below it. Every change of
//! mind is a store into these slots. What is written at the entry is the
//! business of [`super::entry`].
//!
//! ```text
//! entry: jmp gate ──> gate: jmp [slot] ──> layer 1 ──> stub: jmp [slot] ──> layer 0
//!        layer 0 ──> own stub: jmp [slot] ──> copy ──> entry + n
//! ```

use super::closure::STUB as CLOSURE_STUB;
use super::entry::Entry;
use super::limbo::Item;
use super::locate::{Located, read_byte};
use super::original::{Originals, Stub};
use super::per_machine::pad;
use super::plan::{Plan, Prepared};
use super::staged::Store;
use crate::machine::frame::FrameState;
use crate::machine::{Rung, jumps};
use crate::memory::arena::Slot;
use crate::symbols::frame_states;
use crate::threads::count::Alone;
use crate::threads::{own_memory, trap};
use std::io;
use std::ops::Range;
use std::sync::atomic::Ordering;

/// One patch of a function.
pub(super) struct Layer {
    pub(super) id: u64,
    pub(super) destination: usize,
    /// The function that is on the stack of whoever is inside: where a closure's
    /// stub leads, else the destination.
    pub(super) code: usize,
    pub(super) enabled: bool,
    /// What the layer was given as the original: what is below it.
    original: usize,
    /// What the layers above are given as the original: this layer, or what is
    /// below it. Made when the first one comes.
    through: Option<Stub>,
}

pub(super) struct Site {
    pub(super) located: Located,
    pub(super) prepared: Prepared,
    pub(super) layers: Vec<Layer>,
    /// What the lowest layer is given as the original.
    own: Stub,
    pub(super) entry: Entry,
    pub(super) wanted: Entry,
    /// Minds change here: keep the gate.
    pub(super) keeps_gate: bool,
    /// The entry has to lead to the gate, whatever is enabled.
    pub(super) needs_gate: bool,
    /// A jump in padding stands there though nothing leads to it any more: a
    /// thread may be about to execute it.
    pub(super) padding_left: bool,
    /// The trap handler knows of the entry.
    pub(super) traps: bool,
    /// The transition that the site is part of.
    pub(super) transition: Option<u64>,
}

/// Code of a site: [`Site::inside`].
pub(super) struct Inside {
    /// Copy and stubs.
    pub(super) code: Vec<Range<usize>>,
    /// Replacements.
    pub(super) functions: Vec<usize>,
    pub(super) gate: Range<usize>,
    /// Where displaced calls may return to.
    pub(super) returns: Vec<usize>,
}

impl Site {
    /// Code that has to be written before anything leads to it.
    pub(super) fn new(located: Located, prepared: Prepared, own: Stub, store: &mut Store) -> Self {
        let site = Self {
            located,
            prepared,
            layers: Vec::new(),
            own,
            entry: Entry::Original,
            wanted: Entry::Original,
            keeps_gate: false,
            needs_gate: false,
            padding_left: false,
            traps: false,
            transition: None,
        };
        site.stage(store);
        site
    }

    /// Has the copy and the gate written.
    fn stage(&self, store: &mut Store) {
        let copy = self.prepared.copy;
        let mut code = self.prepared.copied.bytes.clone();
        pad(&mut code);
        store.stage(copy, code, &self.frames());
        self.stage_gate(store);
        self.prepared.slot.store(copy, Ordering::Release);
    }

    /// How the frame is to be found at each byte of the copy: as the function's
    /// file says for the displaced instructions. At the entry it is that of any
    /// function that was called.
    fn frames(&self) -> Vec<(u32, FrameState)> {
        let copied = &self.prepared.copied;
        let resume = self.rung().resume();
        let span = self.rung().place.get() as usize..resume.get() as usize + 1;
        let module = self.located.module.as_ref();
        let known = module.map_or_else(Vec::new, |module| frame_states(module, span));
        copied.frames(resume, |at| {
            let at = at.get() as usize;
            if at == self.target() {
                return FrameState::CALLED;
            }
            let about = known.iter().find(|(range, _)| range.contains(&at));
            about.map_or(FrameState::UNKNOWN, |(_, state)| *state)
        })
    }

    pub(super) fn stage_gate(&self, store: &mut Store) {
        let mut code = self.prepared.gate_code.to_vec();
        if self.prepared.gate_has_unit() {
            pad(&mut code);
        }
        store.stage(self.prepared.gate, code, self.rung().gate_frames());
    }

    /// The copy is written: what was handed out as the original leads to it.
    pub(super) fn open(&self) {
        self.own.lead_to(self.prepared.copy);
    }

    pub(super) fn target(&self) -> usize {
        self.located.target
    }

    pub(super) fn plan(&self) -> Plan {
        self.prepared.plan(&self.located)
    }

    pub(super) fn rung(&self) -> &Rung {
        &self.prepared.rung
    }

    /// Bytes of the arena that the site takes.
    pub(super) fn bytes(&self) -> usize {
        let code = self.prepared.code();
        code.iter().map(|(_, len)| len).sum::<usize>() + size_of::<usize>()
    }

    /// What the site's code is called, where it is, and how long.
    pub(super) fn pieces(&self) -> [(&'static str, usize, usize); 3] {
        let Prepared { copy, gate, .. } = self.prepared;
        let copy_len = self.prepared.copied.bytes.len();
        [
            ("gate", gate, jumps::GATE),
            ("copy", copy, copy_len),
            ("original", self.own.at, jumps::GATE),
        ]
    }

    /// Whether nothing patches the function and its bytes are its own.
    pub(super) fn is_idle(&self) -> bool {
        self.layers.is_empty() && self.entry == Entry::Original
    }

    /// Whether the plan was made for a process without other threads, and there
    /// are some now.
    pub(super) fn is_outdated(&self, alone: &Alone) -> bool {
        let rung = &self.prepared.rung;
        !self.prepared.trapping && rung.boundaries().next().is_some() && !**alone
    }

    /// Patches in another way from now on. What was there before is given back
    /// when nobody can be in it.
    pub(super) fn replan(&mut self, prepared: Prepared, store: &mut Store) {
        let before = std::mem::replace(&mut self.prepared, prepared);
        store.limbo.push(Item {
            code: before.code(),
            slots: vec![before.slot],
            ..Item::default()
        });
        self.padding_left = false;
        self.stage(store);
    }

    /// Whether the code that was patched is gone, or has been loaded anew at the
    /// same address: it holds the bytes of the file, not those of the patch.
    pub(super) fn is_gone(&self) -> bool {
        let place = self.prepared.rung.place.get() as usize;
        if self.located.module.is_none() && own_memory::is_unmapped(place) {
            return true;
        }
        if self.entry == Entry::Original {
            return false;
        }
        // The first byte tells already, unless the code began with a jump.
        let rung = &self.prepared.rung;
        read_byte(place) == rung.existing[0]
            && self
                .entry_bytes(self.entry)
                .is_ok_and(|written| *written != rung.existing[..rung.written])
            && (1..rung.written).all(|n| read_byte(place + n) == rung.existing[n])
    }

    /// Whether the entry still leads away although nothing patches it: it could
    /// not be written when the last patch was removed.
    pub(super) fn is_left_behind(&self) -> bool {
        self.layers.is_empty() && self.entry != Entry::Original
    }

    /// Whether the jump in padding could not be taken away.
    pub(super) fn leaves_padding(&self) -> bool {
        self.padding_left
    }

    /// Puts a new layer on top, disabled and without a destination, and says
    /// what its original is.
    pub(super) fn push_layer(
        &mut self,
        id: u64,
        originals: &mut Originals,
        store: &mut Store,
    ) -> io::Result<usize> {
        let target = self.target();
        let original = match self.layers.last_mut() {
            None => self.own.at,
            Some(below) => {
                let means = (below.id, below.destination);
                let stub = match below.through {
                    Some(stub) => originals.also_given(stub, id),
                    None => originals.through(means, id, (target, &self.prepared.rung), store)?,
                };
                below.through.insert(stub).at
            }
        };
        self.layers.push(Layer {
            id,
            destination: original,
            code: original,
            enabled: false,
            original,
            through: None,
        });
        self.link();
        Ok(original)
    }

    /// Takes a layer out, wherever it is; what it was given goes on working.
    pub(super) fn remove_layer(&mut self, id: u64, originals: &mut Originals) {
        let Some(n) = self.layers.iter().position(|layer| layer.id == id) else {
            return;
        };
        let gone = self.layers.remove(n);
        self.link();
        // Those above go on calling its stub, which leads to what was below it.
        originals.removed(id, gone.original);
    }

    pub(super) fn layer_mut(&mut self, id: u64) -> Option<&mut Layer> {
        self.layers.iter_mut().find(|layer| layer.id == id)
    }

    pub(super) fn layer(&self, id: u64) -> Option<&Layer> {
        self.layers.iter().find(|layer| layer.id == id)
    }

    /// Points every slot to what is enabled below it; the gate's own last.
    pub(super) fn link(&self) {
        for (slot, destination) in self.links() {
            slot.store(destination, Ordering::Release);
        }
    }

    /// Where each slot has to lead for the layers as they are.
    pub(super) fn links(&self) -> impl Iterator<Item = (Slot, usize)> + '_ {
        let mut next = self.prepared.copy;
        let mut layers = self.layers.iter();
        let mut gate = Some(self.prepared.slot);
        std::iter::from_fn(move || {
            for layer in layers.by_ref() {
                if layer.enabled {
                    next = layer.destination;
                }
                if let Some(stub) = &layer.through {
                    return Some((stub.slot(), next));
                }
            }
            gate.take().map(|slot| (slot, next))
        })
    }

    /// What a thread can be in that is inside of the function or of one of its
    /// patches, and what it can only be on its way through.
    pub(super) fn inside(&self) -> Inside {
        let stub = |at: usize| at..at + 16;
        let copy = self.prepared.copy;
        let mut code = vec![
            copy..copy + self.prepared.copied.bytes.len(),
            stub(self.own.at),
        ];
        let mut functions = Vec::new();
        for layer in &self.layers {
            code.extend(layer.through.map(|through| stub(through.at)));
            if layer.code != layer.destination {
                code.push(layer.destination..layer.destination + CLOSURE_STUB);
            }
            if !code.iter().any(|range| range.contains(&layer.code)) {
                functions.push(layer.code);
            }
        }
        let gate = self.prepared.gate;
        let displaced = self.prepared.rung.displaced.iter();
        Inside {
            code,
            functions,
            gate: gate..gate + self.prepared.gate_len(),
            returns: displaced.map(|d| d.end() as usize).collect(),
        }
    }

    /// Gives up an idle site: its memory, for limbo. What was handed out as the
    /// original leads to the function itself from now on.
    pub(super) fn retire(self) -> Item {
        debug_assert!(self.is_idle());
        self.own.lead_to(self.target());
        Item {
            code: self.prepared.code(),
            slots: vec![self.prepared.slot],
            traps: self.trapping_addresses().collect(),
            padding: self.padding_back(),
            ..Item::default()
        }
    }

    /// Gives up a site whose function is gone. Its traps are nobody's.
    pub(super) fn abandon(self) -> Item {
        self.own.lead_to(self.target());
        trap::forget(self.trapping_addresses());
        Item {
            code: self.prepared.code(),
            slots: vec![self.prepared.slot],
            ..Item::default()
        }
    }
}
