//! One patched function.
//!
//! A [`Site`] is made with the first patch of its target and stays: its copy,
//! gate and stubs belong to the target for good, so that no address that was
//! handed out ever dangles. While nothing patches the target, its entry holds
//! the original bytes.
//!
//! Patches stack as [`Layer`]s, the newest on top. The entry leads to the gate,
//! the gate through its slot to the topmost enabled layer, and each layer's
//! *original* to what is enabled below it: the lowest one's is the copy, each
//! other one's a stub that belongs to the layer below and has a slot of its own.
//! Every change of mind is a store into these slots.
//!
//! ```text
//! entry: jmp gate ──> gate: jmp [slot] ──> layer 1 ──> stub: jmp [slot] ──> layer 0 ──> copy ──> entry + n
//! ```
//!
//! Where one enabled layer is all there is and it is in reach, the entry jumps
//! to it directly (*straight*) until something else is wanted.

use super::locate::{Located, read_byte};
use super::plan::{Plan, Prepared, copy_of, gate_code};
use super::staged::Staged;
use crate::memory::arena::{Arena, Reach, Slot};
use crate::threads::count::{self, Alone};
use crate::threads::live::Change;
use crate::threads::trap;
use midair_arch::x86_64::{INT3, JUMP, Strategy, jumps};
use midair_arch::{Reason, Refusal, TargetAddress};
use std::io;
use std::sync::atomic::Ordering;

/// One patch of a function.
pub(super) struct Layer {
    pub(super) id: u64,
    pub(super) destination: usize,
    pub(super) enabled: bool,
    /// What the layer was given as the original: what is below it.
    original: usize,
    /// What the layers above are given as the original: this layer, or what is
    /// below it. Made when the first one comes.
    through: Option<Stub>,
}

/// An address that leads to whatever its slot says.
struct Stub {
    at: usize,
    slot: Slot,
}

/// What stands at the entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Entry {
    Original,
    Gate,
    Straight(usize),
}

pub(super) struct Site {
    pub(super) located: Located,
    prepared: Prepared,
    pub(super) layers: Vec<Layer>,
    entry: Entry,
    wanted: Entry,
    /// Minds change here: keep the gate.
    keeps_gate: bool,
    /// A jump in padding stands there though nothing leads to it any more: a
    /// thread may be about to execute it.
    padding_left: bool,
}

impl Site {
    /// Code that has to be written before anything leads to it.
    pub(super) fn new(located: Located, prepared: Prepared, staged: &mut Staged) -> Self {
        let site = Self {
            located,
            prepared,
            layers: Vec::new(),
            entry: Entry::Original,
            wanted: Entry::Original,
            keeps_gate: false,
            padding_left: false,
        };
        site.stage(staged);
        site
    }

    /// Has the copy and the gate written.
    fn stage(&self, staged: &mut Staged) {
        let copy = self.prepared.copy;
        let mut code = self.prepared.copied.bytes.clone();
        code.resize(code.len().next_multiple_of(16), INT3);
        staged.push(copy, code);
        self.stage_gate(staged);
        self.prepared.slot.store(copy, Ordering::Release);
    }

    fn stage_gate(&self, staged: &mut Staged) {
        let mut code = self.prepared.gate_code.to_vec();
        if self.gate_has_unit() {
            code.resize(16, INT3);
        }
        staged.push(self.prepared.gate, code);
    }

    /// Whether the gate stands behind the copy, in a unit of its own.
    fn gate_has_unit(&self) -> bool {
        let copy_len = self.prepared.copied.bytes.len().next_multiple_of(16);
        self.prepared.gate == self.prepared.copy + copy_len
    }

    pub(super) fn target(&self) -> usize {
        self.located.target
    }

    pub(super) fn plan(&self) -> Plan {
        self.prepared.plan(&self.located)
    }

    pub(super) fn rung(&self) -> &midair_arch::x86_64::Rung {
        &self.prepared.rung
    }

    /// Whether nothing patches the function and its bytes are its own.
    pub(super) fn is_idle(&self) -> bool {
        self.layers.is_empty() && self.entry == Entry::Original
    }

    /// Whether the plan was made for a process without other threads, and there
    /// are some now.
    pub(super) fn is_outdated(&self) -> bool {
        let rung = &self.prepared.rung;
        !self.prepared.trapping && rung.boundaries().next().is_some() && !count::alone()
    }

    /// Patches in another way from now on. The old copy and gate stay, for
    /// those who have their addresses.
    pub(super) fn replan(&mut self, prepared: Prepared, staged: &mut Staged) {
        self.prepared = prepared;
        self.padding_left = false;
        self.stage(staged);
    }

    /// Whether the code that was patched is gone, or has been loaded anew at the
    /// same address: it holds the bytes of the file, not those of the patch.
    pub(super) fn is_gone(&self) -> bool {
        let place = self.prepared.rung.place.get() as usize;
        if self.located.module.is_none() && !is_mapped(place) {
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
                .is_ok_and(|written| written != rung.existing[..rung.written])
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
        arena: &mut Arena,
        staged: &mut Staged,
    ) -> io::Result<usize> {
        let target = self.target();
        let original = match self.layers.last_mut() {
            None => self.prepared.copy,
            Some(Layer {
                through: Some(stub),
                ..
            }) => stub.at,
            Some(below) => {
                let stub = Stub::new(target, arena, staged)?;
                below.through.insert(stub).at
            }
        };
        self.layers.push(Layer {
            id,
            destination: original,
            enabled: false,
            original,
            through: None,
        });
        self.link();
        Ok(original)
    }

    /// Takes a layer out, wherever it is; what it was given goes on working.
    pub(super) fn remove_layer(&mut self, id: u64) {
        let Some(n) = self.layers.iter().position(|layer| layer.id == id) else {
            return;
        };
        let gone = self.layers.remove(n);
        self.link();
        // Those above go on calling its stub, which leads to what was below it,
        // for good: no address that was handed out ever means something else.
        if let Some(stub) = gone.through {
            stub.slot.store(gone.original, Ordering::Release);
        }
    }

    pub(super) fn layer_mut(&mut self, id: u64) -> Option<&mut Layer> {
        self.layers.iter_mut().find(|layer| layer.id == id)
    }

    pub(super) fn layer(&self, id: u64) -> Option<&Layer> {
        self.layers.iter().find(|layer| layer.id == id)
    }

    /// Points every slot to what is enabled below it; the gate's own last.
    pub(super) fn link(&self) {
        let mut next = self.prepared.copy;
        for layer in &self.layers {
            if layer.enabled {
                next = layer.destination;
            }
            if let Some(stub) = &layer.through {
                stub.slot.store(next, Ordering::Release);
            }
        }
        self.prepared.slot.store(next, Ordering::Release);
    }

    /// What has to be written for the entry to be what the layers want, and
    /// whether the trap handler is needed. Nothing is written yet.
    pub(super) fn changes(
        &mut self,
        arena: &mut Arena,
        staged: &mut Staged,
        alone: &Alone,
    ) -> Result<Vec<Change>, Refusal> {
        self.wanted = self.wanted_entry(alone);
        if self.wanted == self.entry {
            return Ok(Vec::new());
        }
        let has_boundaries = self.prepared.rung.boundaries().next().is_some();
        if self.entry == Entry::Original && has_boundaries && !**alone && !self.prepared.trapping {
            self.move_gate(arena, staged)?;
        }
        if self.located.module.is_none() {
            // Code made at run time: its rights come and go.
            let place = self.prepared.rung.place.get() as *const u8;
            if let Ok(region) = region::query(place) {
                self.located.protection = region.protection();
            }
        }
        let mut changes = Vec::new();
        let rung = &self.prepared.rung;
        let padding_differs =
            rung.strategy == Strategy::ShortJump && (self.wanted == Entry::Gate || **alone);
        self.padding_left =
            rung.strategy == Strategy::ShortJump && self.wanted == Entry::Original && !**alone;
        if padding_differs {
            // Taken away only if nobody can be on it.
            changes.push(self.padding_change()?);
        }
        let boundaries = match (self.entry, self.wanted) {
            (Entry::Original, _) | (_, Entry::Original) => rung.boundaries().collect(),
            _ => Vec::new(), // one jump becomes another
        };
        let change = Change {
            at: rung.place.get() as usize,
            old: self.entry_bytes(self.entry)?,
            new: self.entry_bytes(self.wanted)?,
            boundaries,
            unreached: false,
            protection: self.located.protection,
        };
        changes.push(change);
        changes.retain(|change| change.old != change.new);
        for change in &changes {
            self.verify(change)?;
        }
        let traps = rung.strategy == Strategy::Breakpoint
            || !**alone
            || (self.prepared.trapping && has_boundaries);
        if traps {
            trap::ensure_handler().map_err(|e| {
                self.refuse(Reason::Unwritable {
                    why: format!("no SIGTRAP handler: {e}"),
                })
            })?;
            trap::redirect(self.redirections());
        }
        Ok(changes)
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

    fn wanted_entry(&self, alone: &Alone) -> Entry {
        let enabled = self.layers.iter().filter(|layer| layer.enabled).count();
        match (self.layers.as_slice(), self.entry) {
            ([], _) => Entry::Original,
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
        let is_whole_jump = matches!(rung.strategy, Strategy::Jump | Strategy::JumpIntoPadding);
        let nobody_inside = || {
            rung.boundaries().next().is_none() || (self.located.analysis.is_complete() && **alone)
        };
        is_whole_jump
            && !self.keeps_gate
            && jumps::near(rung.place.get(), destination as u64).is_some()
            && match from {
                Entry::Original => nobody_inside(),
                Entry::Straight(at) => at == destination,
                Entry::Gate => false,
            }
    }

    /// A gate whose address makes every boundary a trap: threads have come
    /// since the first one was made. The first one stays for those in it.
    fn move_gate(&mut self, arena: &mut Arena, staged: &mut Staged) -> Result<(), Refusal> {
        let rung = &self.prepared.rung;
        if matches!(rung.strategy, Strategy::ShortJump | Strategy::Breakpoint) {
            return match rung.strategy {
                Strategy::Breakpoint => Ok(()),
                _ => Err(self.refuse(Reason::NoPaddingInReach)),
            };
        }
        let end = rung.jump.get() as usize + JUMP;
        let unable = |_| self.refuse(Reason::NoMemoryInReach);
        let gate = arena
            .punned(end, rung.pattern, jumps::INDIRECT)
            .map_err(unable)?;
        let code = gate_code(gate, self.prepared.slot)
            .ok_or_else(|| self.refuse(Reason::NoMemoryInReach))?;
        self.prepared.gate = gate;
        self.prepared.gate_code = code;
        self.prepared.trapping = true;
        self.stage_gate(staged);
        Ok(())
    }

    fn entry_bytes(&self, entry: Entry) -> Result<Vec<u8>, Refusal> {
        let rung = &self.prepared.rung;
        let out_of_reach = || self.refuse(Reason::NoMemoryInReach);
        let mut bytes = match entry {
            Entry::Original => rung.existing.clone(),
            Entry::Gate => rung
                .entry_bytes(self.prepared.gate as u64)
                .ok_or_else(out_of_reach)?,
            Entry::Straight(destination) => jumps::near(rung.place.get(), destination as u64)
                .ok_or_else(out_of_reach)?
                .to_vec(),
        };
        bytes.truncate(rung.written);
        Ok(bytes)
    }

    /// The `jmp rel32` in padding that a short jump leads to.
    fn padding_change(&self) -> Result<Change, Refusal> {
        let rung = &self.prepared.rung;
        let at = rung.jump;
        let padding = self
            .located
            .around(|around| around.read(at, JUMP).map(<[u8]>::to_vec))
            .ok_or_else(|| self.refuse(Reason::NoPaddingInReach))?;
        let jump = jumps::near(at.get(), self.prepared.gate as u64)
            .ok_or_else(|| self.refuse(Reason::NoMemoryInReach))?
            .to_vec();
        let now: Vec<u8> = (0..JUMP)
            .map(|n| read_byte(at.get() as usize + n))
            .collect();
        let new = if self.wanted == Entry::Original {
            padding.clone()
        } else {
            jump.clone()
        };
        let old = if now == jump { jump } else { padding };
        let protection = self.located.protection;
        Ok(Change {
            at: at.get() as usize,
            old,
            new,
            boundaries: Vec::new(),
            unreached: true,
            protection,
        })
    }

    /// Refuses to write over bytes that are not what they should be.
    fn verify(&self, change: &Change) -> Result<(), Refusal> {
        for (n, &expected) in change.old.iter().enumerate() {
            let found = read_byte(change.at + n);
            if found != expected {
                let offset = (change.at + n).wrapping_sub(self.target()) as i64;
                let reason = match found {
                    INT3 => Reason::ForeignBreakpoint,
                    _ => Reason::Modified { found, expected },
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

    /// The function is gone, and its traps with it.
    pub(super) fn forget_traps(&self) {
        trap::forget(self.redirections().into_iter().map(|(at, _)| at));
    }

    /// Where a thread goes on that traps at the entry or at a boundary.
    fn redirections(&self) -> Vec<(usize, usize)> {
        let rung = &self.prepared.rung;
        let place = rung.place;
        let mut all = vec![(place.get() as usize, self.prepared.gate)];
        for n in rung.boundaries() {
            let at: TargetAddress = place.plus(n as u64);
            if let Some(copy) = copy_of(&self.prepared.copied, self.prepared.copy, at) {
                all.push((at.get() as usize, copy));
            }
        }
        all
    }

    fn refuse(&self, reason: Reason) -> Refusal {
        let refusal = Refusal::new(self.located.analysis.address(), 0, reason);
        match self.located.name() {
            Some(name) => refusal.with_symbol(name),
            None => refusal,
        }
    }
}

/// Whether the byte at `at` can be read, found out without reading it here.
fn is_mapped(at: usize) -> bool {
    let mut byte = 0_u8;
    let local = libc::iovec {
        iov_base: (&raw mut byte).cast(),
        iov_len: 1,
    };
    let remote = libc::iovec {
        iov_base: at as *mut _,
        iov_len: 1,
    };
    // SAFETY: the kernel checks both addresses and copies one byte to `byte`.
    let read = unsafe {
        let this = libc::syscall(libc::SYS_getpid) as libc::pid_t;
        libc::process_vm_readv(this, &local, 1, &remote, 1, 0)
    };
    // Where the call is forbidden, the memory is taken for mapped, as before.
    read == 1 || std::io::Error::last_os_error().raw_os_error() != Some(libc::EFAULT)
}

impl Stub {
    fn new(target: usize, arena: &mut Arena, staged: &mut Staged) -> io::Result<Self> {
        let at = arena.code_if_possible_near(target, jumps::INDIRECT)?;
        let slot = arena.slot(Reach::Of(at))?;
        let mut code = gate_code(at, slot)
            .ok_or_else(|| io::Error::from_raw_os_error(libc::ENOMEM))?
            .to_vec();
        code.resize(16, INT3);
        staged.push(at, code);
        Ok(Self { at, slot })
    }
}
