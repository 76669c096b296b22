//! aarch64: live writes by the architecture's rule for instructions that are
//! modified while others execute them (Arm ARM B2.4.4).
//!
//! A [`Change`] is one instruction, unless nobody else runs.
//!
//! - nobody else runs: the bytes are written.
//! - the old instruction and the new one are both in the architecture's list (`b`,
//!   `bl`, `nop`, `brk`, …): one aligned store, whoever executes it.
//! - else, and that is the usual case: the threads that run are held
//!   ([`super::super::hold`]) while the instruction is stored. A `brk` in between
//!   is no way round that: to put it there is the same change.
//!
//! Each store is followed by the maintenance of the caches
//! ([`crate::memory::write`]), and all of them by a synchronisation of all cores.
//!
//! What holding does not do: a thread that sleeps in a system call is not woken to
//! be held. It passes a context synchronisation event when it returns; if that is
//! in the few instructions between the store and the end of the maintenance and
//! it comes to the function at once, it fetches the old instruction or the new
//! one, as on every known core, which the architecture does not promise.

use crate::memory::write::{Writable, Writer};
use crate::threads::change::Change;
use crate::threads::count::Alone;
use crate::threads::{hold, sync};
use midair_arch::aarch64::{BREAKPOINT, is_exchangeable};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

/// Any instruction is exchanged by one store, without holding anybody.
static UNSANCTIONED: AtomicBool = AtomicBool::new(false);

/// aarch64: whether any instruction at the entry of a function may be exchanged by
/// one store while threads execute it, from now on. At first it may not.
///
/// The architecture promises what a core executes meanwhile only for instructions
/// of a short list (`b`, `bl`, `nop`, `brk` and few others; Arm ARM B2.4.4), and
/// most functions begin with another one (`stp`, `sub`). So midair holds all
/// threads that run while it exchanges that, which takes as long as the scheduler
/// takes to give each of them a core: milliseconds, with hundreds of busy threads
/// seconds. With this, nobody is held and a patch costs microseconds. Every core
/// that is known fetches an aligned instruction whole, the old one or the new
/// one; none promises to.
pub fn allow_unsanctioned_stores(allow: bool) {
    UNSANCTIONED.store(allow, Ordering::Relaxed);
}

impl Change {
    /// Whether a thread may trap because of it.
    pub(crate) fn may_trap(&self) -> bool {
        let traps = |bytes: &[u8]| word(bytes) == Some(BREAKPOINT);
        !self.unreached && (traps(&self.old) || traps(&self.new))
    }

    /// Whether the architecture lets it be made while others execute it.
    fn is_exchangeable(&self) -> bool {
        let listed = |bytes: &[u8]| word(bytes).is_some_and(is_exchangeable);
        listed(&self.old) && listed(&self.new)
    }
}

/// The instruction, if it is one.
fn word(bytes: &[u8]) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.try_into().ok()?))
}

/// Makes all `changes`, while other threads run.
///
/// # Safety
///
/// Each range is code that the caller may change and holds `old`; the table of
/// [`crate::threads::trap`] knows where a breakpoint leads. `alone` is true only
/// if no other thread runs.
pub(crate) unsafe fn apply(changes: &[Change], alone: &Alone) -> io::Result<()> {
    if changes.is_empty() {
        return Ok(());
    }
    if **alone {
        let writer = Writer::new();
        for change in changes {
            // SAFETY: the caller's promise; no other thread is there.
            unsafe { writer.bytes(change.at, &change.new, change.protection) }?;
        }
        return Ok(());
    }
    let stores: Option<Vec<(usize, u32)>> = changes
        .iter()
        .map(|change| {
            let is_one = change.boundaries().next().is_none();
            Some((change.at, word(&change.new).filter(|_| is_one)?))
        })
        .collect();
    let Some(stores) = stores else {
        return Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "a jump of several instructions cannot be written while other threads run",
        ));
    };
    let writable = Writable::new(changes.iter().map(Change::place))?;
    let write = || {
        for &(at, instruction) in &stores {
            // SAFETY: the caller's promise; one store of one instruction.
            unsafe { writable.store_instruction(at, instruction) };
        }
    };
    let is_sanctioned = changes.iter().all(Change::is_exchangeable);
    if is_sanctioned || UNSANCTIONED.load(Ordering::Relaxed) {
        write();
    } else {
        hold::while_held(write)?;
    }
    writable.close()?;
    sync::cores()
}
