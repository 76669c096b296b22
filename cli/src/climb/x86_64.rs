//! The ladder of x86-64. A gate is placed such that every byte of the jump is a
//! trap at which a running thread could wake up.

use super::{Chosen, Climbed, Ground};
use midair::{Reason, Refusal, Strategy};
use midair_arch::x86_64::{self, Analysis, Byte, INT3, JUMP, LADDER, Rung, jumps};
use midair_arch::{CopyAddress, Function, Relocated};

pub(super) const COPY_DISTANCE: u64 = 256 << 20;
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
        |strategy| {
            let rung = analysis.rung(strategy, &ground.around)?;
            place(ground, &analysis, &rung, copy)
        },
    ))
}

fn place(
    ground: &Ground<'_>,
    analysis: &Analysis,
    rung: &Rung,
    copy: u64,
) -> Result<Chosen, Refusal> {
    let refuse = |reason| Refusal::new(analysis.address(), 0, reason);
    if rung.strategy == Strategy::ShortJump && rung.boundaries().next().is_some() {
        let bytes = rung
            .entry_bytes(0)
            .ok_or_else(|| refuse(Reason::NoPaddingInReach))?;
        if bytes.get(1) != Some(&INT3) {
            return Err(refuse(Reason::NoPaddingInReach));
        }
    }
    let to = CopyAddress::new(copy);
    let copied = x86_64::relocate(analysis.address(), &rung.displaced, rung.resume(), to)?;
    let is_free = rung.pattern.iter().all(|byte| *byte == Byte::Free);
    let gate = if is_free {
        copy.wrapping_add((copied.bytes.len() as u64).next_multiple_of(UNIT))
    } else {
        let end = rung.jump.get().wrapping_add(JUMP as u64);
        let gate = ground.space.gate(end, rung.pattern);
        gate.ok_or_else(|| refuse(Reason::NoMemoryInReach))?
    };
    let entry = rung
        .entry_bytes(gate)
        .ok_or_else(|| refuse(Reason::NoMemoryInReach))?;
    let mut jumps = vec![(rung.place.get(), entry)];
    if rung.strategy == Strategy::ShortJump {
        let at = rung.jump.get();
        jumps.extend(jumps::near(at, gate).map(|jump| (at, jump.to_vec())));
    }
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
        jumps,
    })
}
