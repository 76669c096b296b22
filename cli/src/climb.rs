//! The best rung of the ladder for a function of a file that is not loaded.
//!
//! The decision is that of a patch in a process, with one difference: memory
//! is not asked of the system but assumed to be wherever the file is not
//! ([`Space`]). A rung is taken only if its copy can be relocated and a gate
//! placed, with every byte a trap at which a running thread could wake up.

use crate::gates::Space;
use midair::symbols::{FileAddress, Image, Slide};
use midair::{ImageSurroundings, Reason, Refusal, Strategy};
use midair_arch::x86_64::{self, Analysis, Byte, INT3, JUMP, Relocated, Rung};
use midair_arch::{CopyAddress, TargetAddress};

/// Where a position-independent file is taken to be loaded.
const LOADED_AT: u64 = 0x7f00_0000_0000;
/// A copy begins at a multiple of this, and the gate at the next one behind it.
const UNIT: u64 = 16;

/// A file as it would be in a process.
pub(crate) struct Ground<'a> {
    pub(crate) image: &'a Image,
    pub(crate) slide: Slide,
    around: ImageSurroundings<'a>,
    space: Space,
}

/// What climbing the ladder gave.
pub(crate) struct Climbed {
    pub(crate) analysis: Analysis,
    /// The better rungs, and why they do not fit.
    pub(crate) passed_over: Vec<(Strategy, Refusal)>,
    /// The rung, unless all were passed over.
    pub(crate) chosen: Option<Chosen>,
}

/// A rung with the memory that it would get.
pub(crate) struct Chosen {
    pub(crate) rung: Rung,
    pub(crate) copy: CopyAddress,
    pub(crate) copied: Relocated,
    pub(crate) gate: u64,
}

impl<'a> Ground<'a> {
    pub(crate) fn of(image: &'a Image) -> Self {
        let slide = Slide(if image.is_position_independent() {
            LOADED_AT
        } else {
            0
        });
        let range = image.load_range();
        let taken = range.start.0.saturating_add(slide.0)..range.end.0.saturating_add(slide.0);
        let around = ImageSurroundings { image, slide };
        Self {
            image,
            slide,
            around,
            space: Space::without(taken),
        }
    }

    /// Where what is at `at` of the file would be in the process.
    pub(crate) fn target(&self, at: FileAddress) -> TargetAddress {
        TargetAddress::new(at.at(self.slide) as u64)
    }

    /// Climbs down the ladder for the function at `at`, with the copy at
    /// `copy`.
    ///
    /// # Errors
    ///
    /// The function cannot be analysed at all.
    pub(crate) fn climb(&self, at: FileAddress, copy: u64) -> Result<Climbed, Refusal> {
        let target = self.target(at);
        let refuse = |reason| Refusal::new(target, 0, reason);
        let function = self.around.function(target).map_err(refuse)?;
        let analysis = Analysis::of(&function, &self.around)?;
        let mut passed_over = Vec::new();
        for strategy in Strategy::LADDER {
            let rung = analysis.rung(strategy, &self.around);
            match rung.and_then(|rung| self.place(&analysis, rung, copy)) {
                Ok(chosen) => {
                    return Ok(Climbed {
                        analysis,
                        passed_over,
                        chosen: Some(chosen),
                    });
                }
                Err(refusal) => passed_over.push((strategy, refusal)),
            }
        }
        Ok(Climbed {
            analysis,
            passed_over,
            chosen: None,
        })
    }

    fn place(&self, analysis: &Analysis, rung: Rung, copy: u64) -> Result<Chosen, Refusal> {
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
            let gate = self.space.gate(end, rung.pattern);
            gate.ok_or_else(|| refuse(Reason::NoMemoryInReach))?
        };
        rung.entry_bytes(gate)
            .ok_or_else(|| refuse(Reason::NoMemoryInReach))?;
        Ok(Chosen {
            rung,
            copy: to,
            copied,
            gate,
        })
    }
}

impl Climbed {
    /// Whether bytes of the jump have to be traps whatever else runs: an
    /// instruction of the old code begins there, and not every branch of the
    /// function is known.
    pub(crate) fn needs_traps(&self) -> bool {
        let inner = |chosen: &Chosen| chosen.rung.boundaries().next().is_some();
        !self.analysis.is_complete() && self.chosen.as_ref().is_some_and(inner)
    }
}
