//! The plan: the best rung of the ladder that can be had here and now, and the
//! memory for it.
//!
//! [`can_patch`] makes one and gives its memory back; a patch keeps it.

use super::locate::Located;
use super::per_machine;
use super::registry::{Claims, registry};
use crate::machine::{self, Displaced, MOST_COPY, Relocated, Rung, Strategy, jumps};
use crate::memory::arena::{Arena, Lifetime, Reach, Slot};
use crate::threads::count;
use midair_arch::{CopyAddress, Gap, Reason, Refusal, Surroundings, TargetAddress};
use std::fmt;
use std::ops::Range;

/// What patching a function would do: the answer of [`can_patch`].
///
/// It prints as text:
///
/// ```no_run
/// let plan = midair::can_patch(std::process::id as *const ())?;
/// println!("{plan}");
/// # Ok::<(), midair::Refusal>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Plan {
    /// The function's name, if it has one.
    pub symbol: Option<String>,
    /// The function's address.
    pub target: *const (),
    /// How the function would be left.
    pub strategy: Strategy,
    /// Where the first byte would be written: behind an `endbr64`.
    pub place: *const (),
    /// The instructions that would be displaced.
    pub displaced: Vec<Displaced>,
    /// The bytes that stand at `place` now.
    pub before: Vec<u8>,
    /// The bytes that would be written there. The addresses in it are those
    /// that this plan got; a patch may get others.
    pub after: Vec<u8>,
    /// Where the copy of the displaced instructions would be.
    pub copy: *const (),
    /// The copy.
    pub copied: Vec<u8>,
    /// How many branches of the function lead back to its entry, so that they
    /// pass through the patch like calls.
    pub branches_to_entry: u32,
    /// The better rungs of the ladder, and why they do not fit.
    pub passed_over: Vec<(Strategy, Refusal)>,
}

// SAFETY: the addresses are never followed.
unsafe impl Send for Plan {}
// SAFETY: as above.
unsafe impl Sync for Plan {}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.symbol.as_deref().unwrap_or("function");
        writeln!(f, "{name} at {:p}: {}", self.target, self.strategy.name())?;
        writeln!(f, "  displaced:")?;
        for d in &self.displaced {
            writeln!(f, "    +{:<3} {}", d.offset, d.text())?;
        }
        writeln!(
            f,
            "  entry {:p}: {:02x?} becomes {:02x?}",
            self.place, self.before, self.after
        )?;
        writeln!(f, "  copy at {:p}:", self.copy)?;
        for line in machine::disassemble(&self.copied, self.copy as u64) {
            writeln!(f, "    {line}")?;
        }
        if self.branches_to_entry > 0 {
            writeln!(
                f,
                "  {} branches of the function lead back to its entry and pass through the patch",
                self.branches_to_entry
            )?;
        }
        for (strategy, refusal) in &self.passed_over {
            writeln!(f, "  not by {}: {}", strategy.name(), refusal.reason)?;
        }
        Ok(())
    }
}

/// Says how the function at `target` would be patched, or why it cannot be.
/// Nothing is written.
///
/// # Errors
///
/// The [`Refusal`] of the last resort; `target` may be any address.
pub fn can_patch(target: *const ()) -> Result<Plan, Refusal> {
    let mut registry = registry();
    if let Some(site) = registry.site(target as usize) {
        return Ok(site.plan());
    }
    let located = Located::at(target as usize)?;
    let (arena, claims) = registry.memory();
    let prepared = Prepared::new(&located, arena, claims, count::alone())?;
    let plan = prepared.plan(&located);
    prepared.give_back(arena);
    Ok(plan)
}

/// What is around a function, less the padding that other patches use.
struct Unclaimed<'a> {
    around: &'a dyn Surroundings,
    claims: &'a Claims,
}

impl Surroundings for Unclaimed<'_> {
    fn read(&self, at: TargetAddress, len: usize) -> Option<&[u8]> {
        self.around.read(at, len)
    }

    fn is_code(&self, at: TargetAddress) -> bool {
        self.around.is_code(at)
    }

    fn entries(&self, range: Range<TargetAddress>) -> Vec<TargetAddress> {
        self.around.entries(range)
    }

    fn knows_all_branches(&self) -> bool {
        self.around.knows_all_branches()
    }

    fn gaps(&self, range: Range<TargetAddress>) -> Vec<Gap<'_>> {
        let mut free = Vec::new();
        for gap in self.around.gaps(range) {
            let start = gap.address.get() as usize;
            let mut from = 0;
            for (claimed, _) in self.claims.overlapping(start..start + gap.bytes.len()) {
                let until = claimed.start.saturating_sub(start).max(from);
                free.push((gap.address.plus(from as u64), &gap.bytes[from..until]));
                from = (claimed.end - start).min(gap.bytes.len());
            }
            free.push((gap.address.plus(from as u64), &gap.bytes[from..]));
        }
        let free = free.into_iter().filter(|(_, bytes)| !bytes.is_empty());
        free.map(|(address, bytes)| Gap { address, bytes })
            .collect()
    }
}

/// A rung with the memory that it needs.
pub(super) struct Prepared {
    pub(super) rung: Rung,
    pub(super) copy: usize,
    pub(super) copied: Relocated,
    pub(super) gate: usize,
    pub(super) gate_code: [u8; jumps::GATE],
    /// Whether the gate's address makes every boundary a trap.
    pub(super) trapping: bool,
    pub(super) slot: Slot,
    pub(super) passed_over: Vec<(Strategy, Refusal)>,
}

impl Prepared {
    /// Climbs down the ladder to the first rung that fits.
    pub(super) fn new(
        located: &Located,
        arena: &mut Arena,
        claims: &Claims,
        alone: bool,
    ) -> Result<Self, Refusal> {
        let refuse = |reason| Refusal::new(located.analysis.address(), 0, reason);
        let mut passed_over = Vec::new();
        for strategy in machine::LADDER {
            let tried = located
                .around(|around| {
                    located
                        .analysis
                        .rung(strategy, &Unclaimed { around, claims })
                })
                .and_then(|rung| {
                    claims
                        .check(&rung, located.target)
                        .map(|()| rung)
                        .map_err(refuse)
                })
                .and_then(|rung| Self::place(located, rung, arena, alone));
            match tried {
                Ok(mut prepared) => {
                    prepared.passed_over = passed_over;
                    return Ok(prepared);
                }
                Err(refusal) => passed_over.push((strategy, refusal)),
            }
        }
        let (_, last) = passed_over.pop().ok_or_else(|| refuse(Reason::NotCode))?;
        Err(match located.name() {
            Some(name) => last.with_symbol(name),
            None => last,
        })
    }

    fn place(
        located: &Located,
        rung: Rung,
        arena: &mut Arena,
        alone: bool,
    ) -> Result<Self, Refusal> {
        let refuse = |reason| Refusal::new(located.analysis.address(), 0, reason);
        let has_boundaries = rung.boundaries().next().is_some();
        let needs_traps = has_boundaries && !(located.analysis.is_complete() && alone);
        if needs_traps {
            per_machine::check(&rung).map_err(refuse)?;
        }
        let prescribed = per_machine::is_prescribed(&rung, needs_traps);
        let copied = place_copy(located, &rung, arena, !prescribed)?;
        // What needs traps has been given them, or was refused above.
        let is_trapping = needs_traps || !has_boundaries;
        let (copy, copied) = copied;
        let copy_len = copied.bytes.len().next_multiple_of(16);
        let gate = match prescribed {
            false => Some(copy + copy_len),
            true => per_machine::place_gate(&rung, arena),
        };
        let slot = arena.slot(Lifetime::Freed, Reach::Of(copy)).ok();
        let code = gate
            .zip(slot)
            .and_then(|(gate, slot)| gate_code(&rung, gate, slot));
        if let (Some(gate), Some(slot), Some(gate_code)) = (gate, slot, code) {
            return Ok(Self {
                rung,
                copy,
                copied,
                gate,
                gate_code,
                trapping: is_trapping,
                slot,
                passed_over: Vec::new(),
            });
        }
        // Nobody has seen any of it.
        if let Some(slot) = slot {
            arena.free_slot(slot);
        }
        if let Some(gate) = gate {
            arena.unused_code(gate, jumps::GATE);
        }
        arena.unused_code(copy, copy_len);
        Err(refuse(Reason::NoMemoryInReach))
    }

    /// Gives all memory back: nobody has seen it.
    pub(super) fn give_back(self, arena: &mut Arena) {
        for (at, len) in self.code() {
            arena.unused_code(at, len);
        }
        arena.free_slot(self.slot);
    }

    /// The code of the arena that this has: copy and gate, and their lengths.
    pub(super) fn code(&self) -> Vec<(usize, usize)> {
        let copy_len = self.copied.bytes.len().next_multiple_of(16);
        vec![(self.copy, copy_len), (self.gate, self.gate_len())]
    }

    pub(super) fn gate_len(&self) -> usize {
        if self.gate_has_unit() {
            16
        } else {
            jumps::GATE
        }
    }

    /// Whether the gate stands behind the copy, in a unit of its own.
    pub(super) fn gate_has_unit(&self) -> bool {
        let copy_len = self.copied.bytes.len().next_multiple_of(16);
        self.gate == self.copy + copy_len
    }

    pub(super) fn plan(&self, located: &Located) -> Plan {
        let rung = &self.rung;
        let written = rung.written;
        let mut after = rung.entry_bytes(self.gate as u64).unwrap_or_default();
        after.truncate(written);
        Plan {
            symbol: located.name(),
            target: located.target as *const (),
            strategy: rung.strategy,
            place: rung.place.get() as *const (),
            displaced: rung.displaced.clone(),
            before: rung.existing.iter().take(written).copied().collect(),
            after,
            copy: self.copy as *const (),
            copied: self.copied.bytes.clone(),
            branches_to_entry: located.analysis.branches_to_entry(),
            passed_over: self.passed_over.clone(),
        }
    }
}

/// The copy, in memory of its own, with room for a gate behind it if that is
/// wanted. A breakpoint leads anywhere, the others have to be in reach.
fn place_copy(
    located: &Located,
    rung: &Rung,
    arena: &mut Arena,
    room_for_gate: bool,
) -> Result<(usize, Relocated), Refusal> {
    let memory = match rung.strategy {
        Strategy::Breakpoint | Strategy::LiteralJump => {
            arena.code_if_possible_near(Lifetime::Freed, located.target, MOST_COPY)
        }
        Strategy::LongJump => arena.code(Reach::Far(located.target), MOST_COPY),
        _ => arena.code(Reach::Of(located.target), MOST_COPY),
    };
    let address = located.analysis.address();
    let copy = memory.map_err(|_| Refusal::new(address, 0, Reason::NoMemoryInReach))?;
    let to = CopyAddress::new(copy as u64);
    let copied = match machine::relocate(address, &rung.displaced, rung.resume(), to) {
        Ok(copied) => copied,
        Err(refusal) => {
            arena.unused_code(copy, MOST_COPY);
            return Err(refusal);
        }
    };
    let mut used = copied.bytes.len().next_multiple_of(16);
    if room_for_gate {
        used += 16;
    }
    if used < MOST_COPY {
        arena.unused_code(copy + used, MOST_COPY - used);
    }
    Ok((copy, copied))
}

/// The code of a gate at `gate` through `slot`, if that is in reach.
pub(super) fn gate_code(rung: &Rung, gate: usize, slot: Slot) -> Option<[u8; jumps::GATE]> {
    rung.gate(
        CopyAddress::new(gate as u64),
        std::ptr::from_ref(slot) as u64,
    )
}

/// The copy of the instruction at `address`, if it was displaced.
pub(super) fn copy_of(copied: &Relocated, copy: usize, address: TargetAddress) -> Option<usize> {
    let (_, offset) = copied
        .map
        .iter()
        .find(|(displaced, _)| *displaced == address)?;
    Some(copy + *offset as usize)
}
