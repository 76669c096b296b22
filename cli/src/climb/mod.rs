//! The best rung of the ladder for a function of a file that is not loaded.
//!
//! The decision is that of a patch in a process, with one difference: memory
//! is not asked of the system but assumed to be wherever the file is not
//! ([`Space`]). A rung is taken only if its copy can be relocated and a gate
//! placed. Each machine climbs its own ladder ([`x86_64`], [`aarch64`]), on
//! whatever host; what comes of it is the same for both.

mod aarch64;
mod x86_64;

use crate::gates::Space;
use midair::symbols::{FileAddress, Image, Machine, Slide};
use midair::{ImageSurroundings, Refusal, Strategy};
use midair_arch::{Line, Relocated, TargetAddress};

/// Where a position-independent file is taken to be loaded.
const LOADED_AT: u64 = 0x7f00_0000_0000;

/// A file as it would be in a process.
pub(crate) struct Ground<'a> {
    pub(crate) image: &'a Image,
    pub(crate) slide: Slide,
    around: ImageSurroundings<'a>,
    space: Space,
}

/// What climbing the ladder gave.
pub(crate) struct Climbed {
    /// Whether every branch that may lead into the prologue is known.
    pub(crate) is_complete: bool,
    pub(crate) branches_to_entry: u32,
    /// The better rungs, and why they do not fit.
    pub(crate) passed_over: Vec<(Strategy, Refusal)>,
    /// The rung, unless all were passed over.
    pub(crate) chosen: Option<Chosen>,
}

/// A rung with the memory that it would get.
pub(crate) struct Chosen {
    pub(crate) strategy: Strategy,
    /// Where the jump would be written.
    pub(crate) place: u64,
    /// Where the function would go on.
    pub(crate) resume: u64,
    /// Offsets from `place` in the jump at which an old instruction begins.
    pub(crate) boundaries: Vec<usize>,
    /// The bytes of each displaced instruction.
    pub(crate) displaced: Vec<Vec<u8>>,
    pub(crate) copy: u64,
    pub(crate) copied: Relocated,
    pub(crate) gate: u64,
    /// The jumps, each with where it stands.
    pub(crate) jumps: Vec<(u64, Vec<u8>)>,
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
        match self.image.machine() {
            Machine::Aarch64 => aarch64::climb(self, &function, copy),
            _ => x86_64::climb(self, &function, copy),
        }
    }

    /// The instructions of `bytes`, code of the file's machine at `at`.
    pub(crate) fn disassemble(&self, bytes: &[u8], at: u64) -> Vec<Line> {
        match self.image.machine() {
            Machine::Aarch64 => midair_arch::aarch64::disassemble(bytes, at),
            _ => midair_arch::x86_64::disassemble(bytes, at),
        }
    }

    /// How far from a function its copy is taken to be: farther than most
    /// processes have to go.
    pub(crate) fn copy_distance(&self) -> u64 {
        match self.image.machine() {
            Machine::Aarch64 => aarch64::COPY_DISTANCE,
            _ => x86_64::COPY_DISTANCE,
        }
    }
}

/// Tries the rungs of `ladder`, best first, until one fits.
fn climb(
    ladder: &[Strategy],
    is_complete: bool,
    branches_to_entry: u32,
    mut rung: impl FnMut(Strategy) -> Result<Chosen, Refusal>,
) -> Climbed {
    let mut passed_over = Vec::new();
    let chosen = ladder.iter().find_map(|strategy| match rung(*strategy) {
        Ok(chosen) => Some(chosen),
        Err(refusal) => {
            passed_over.push((*strategy, refusal));
            None
        }
    });
    Climbed {
        is_complete,
        branches_to_entry,
        passed_over,
        chosen,
    }
}

impl Climbed {
    /// Whether bytes of the jump have to be traps whatever else runs: an
    /// instruction of the old code begins there, and not every branch of the
    /// function is known.
    pub(crate) fn needs_traps(&self) -> bool {
        let inner = |chosen: &Chosen| !chosen.boundaries.is_empty();
        !self.is_complete && self.chosen.as_ref().is_some_and(inner)
    }
}
