//! What was handed out as the original of a patch.
//!
//! A replacement keeps the address of its original as long as it likes: in a
//! static, in a closure that is still running, in a copy of a function pointer.
//! So that address is a *stub*, a jump through a slot, which belongs to the
//! target for good, while copies and gates come and go:
//!
//! - the target's own stub leads to the copy while there is one, and to the
//!   function itself once that is given back;
//! - a patch that is put on top of another one gets a stub that means "the
//!   patch below, or what is below that", whatever is removed in which order.
//!
//! Stubs are never freed. One of the second kind is used again by the next patch
//! of the same target that leads to the same place, once everybody who was given
//! it has been removed: so their number is that of the different replacements of
//! a function, not that of its patches. Whoever calls a stub of the second kind
//! after that gets the function with some of its patches, never other code.

use super::per_machine::pad;
use super::staged::Store;
use crate::machine::{Rung, frame, jumps};
use crate::memory::arena::{Lifetime, Reach, Slot};
use midair_arch::CopyAddress;
use std::collections::HashMap;
use std::io;
use std::sync::atomic::Ordering;

/// An address that leads to whatever its slot says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stub {
    pub(super) at: usize,
    slot: Slot,
}

impl Stub {
    fn new((target, rung): (usize, &Rung), store: &mut Store) -> io::Result<Self> {
        let arena = &mut store.arena;
        let at = arena.code_if_possible_near(Lifetime::Kept, target, jumps::GATE)?;
        let slot = arena.slot(Lifetime::Kept, Reach::Of(at))?;
        let slot_at = std::ptr::from_ref(slot) as u64;
        let mut code = rung
            .stub(CopyAddress::new(at as u64), slot_at)
            .ok_or_else(|| io::Error::from_raw_os_error(libc::ENOMEM))?
            .to_vec();
        pad(&mut code);
        store.stage(at, code, frame::CALLED);
        Ok(Self { at, slot })
    }

    pub(super) fn lead_to(self, destination: usize) {
        self.slot.store(destination, Ordering::Release);
    }

    pub(super) fn slot(self) -> Slot {
        self.slot
    }
}

/// The stubs of one target.
pub(super) struct Originals {
    /// What the lowest patch is given.
    pub(super) own: Stub,
    /// What those above are given, by where the patch below led when the first
    /// one came.
    through: HashMap<usize, Vec<Through>>,
}

/// A stub that means one patch, or what is below it.
struct Through {
    stub: Stub,
    /// The patch that it means; removed if there is none.
    layer: Option<u64>,
    /// The patches that may call it.
    given_to: Vec<u64>,
}

impl Originals {
    /// The target's own stub leads to the target itself at first.
    pub(super) fn new(target: usize, rung: &Rung, store: &mut Store) -> io::Result<Self> {
        let own = Stub::new((target, rung), store)?;
        own.lead_to(target);
        Ok(Self {
            own,
            through: HashMap::new(),
        })
    }

    /// The stub that means `layer`, which leads to `destination`, for a patch
    /// `above` it.
    pub(super) fn through(
        &mut self,
        (layer, destination): (u64, usize),
        above: u64,
        of: (usize, &Rung),
        store: &mut Store,
    ) -> io::Result<Stub> {
        let stubs = self.through.entry(destination).or_default();
        let is_free = |t: &&mut Through| t.layer.is_none() && t.given_to.is_empty();
        if let Some(free) = stubs.iter_mut().find(is_free) {
            free.layer = Some(layer);
            free.given_to.push(above);
            let stub = free.stub;
            // Addresses that were kept beyond their patches led to what this one
            // meant. They get the function, not a patch that is new.
            for other in self.through.values().flatten() {
                if other.layer.is_none() && other.stub.slot.load(Ordering::Acquire) == stub.at {
                    other.stub.lead_to(self.own.at);
                }
            }
            return Ok(stub);
        }
        let stub = Stub::new(of, store)?;
        stubs.push(Through {
            stub,
            layer: Some(layer),
            given_to: vec![above],
        });
        Ok(stub)
    }

    /// The stub is given to one more patch, `above` the one that it means.
    pub(super) fn also_given(&mut self, stub: Stub, above: u64) -> Stub {
        for through in self.through.values_mut().flatten() {
            if through.stub.at == stub.at {
                through.given_to.push(above);
            }
        }
        stub
    }

    /// `layer` is removed; it had been given `original`. The stub that means it
    /// leads there from now on, and whoever may call the one may call the other.
    pub(super) fn removed(&mut self, layer: u64, original: usize) {
        let mut heirs = Vec::new();
        for through in self.through.values_mut().flatten() {
            if through.layer == Some(layer) {
                through.layer = None;
                through.stub.lead_to(original);
                heirs.clone_from(&through.given_to);
            }
        }
        for through in self.through.values_mut().flatten() {
            if through.stub.at == original {
                through.given_to.extend_from_slice(&heirs);
            }
            through.given_to.retain(|&id| id != layer);
        }
    }
}
