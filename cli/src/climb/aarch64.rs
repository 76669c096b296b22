//! The ladder of aarch64.

use super::{Chosen, Climbed, Ground};
use midair::{Reason, Refusal};
use midair_arch::aarch64::{self, Analysis, LADDER, Rung};
use midair_arch::{CopyAddress, Function, Relocated};

/// Half of what a `b` reaches.
pub(super) const COPY_DISTANCE: u64 = 64 << 20;
/// A copy begins at a multiple of this, and the gate at the next one behind it.
const UNIT: u64 = 16;

pub(super) fn climb(
    ground: &Ground<'_>,
    function: &Function<'_>,
    copy: u64,
) -> Result<Climbed, Refusal> {
    let analysis = Analysis::of(function, &ground.around)?;
    let entries = analysis.branches_to_entry();
    Ok(super::climb(
        &LADDER,
        analysis.is_complete(),
        entries,
        |strategy| place(&analysis, &analysis.rung(strategy, &ground.around)?, copy),
    ))
}

fn place(analysis: &Analysis, rung: &Rung, copy: u64) -> Result<Chosen, Refusal> {
    let refuse = |reason| Refusal::new(analysis.address(), 0, reason);
    let to = CopyAddress::new(copy);
    let copied = aarch64::relocate(analysis.address(), &rung.displaced, rung.resume(), to)?;
    let gate = copy.wrapping_add((copied.bytes.len() as u64).next_multiple_of(UNIT));
    let entry = rung
        .entry_bytes(gate)
        .ok_or_else(|| refuse(Reason::NoMemoryInReach))?;
    Ok(Chosen {
        strategy: rung.strategy,
        place: rung.place.get(),
        resume: rung.resume().get(),
        boundaries: rung.boundaries().collect(),
        displaced: rung.displaced.iter().map(|d| d.bytes.clone()).collect(),
        copy,
        copied: Relocated {
            bytes: copied.bytes,
            map: copied.map,
        },
        gate,
        jumps: vec![(rung.place.get(), entry)],
    })
}
