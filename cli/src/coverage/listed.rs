//! One function that does not get a jump, and why.

use crate::climb::Ground;
use crate::output::{bytes, hex};
use midair::symbols::{Extent, FileAddress};
use midair::{Reason, Refusal, Strategy};
use serde::Serialize;

/// How many bytes of the function are shown.
const SHOWN: u64 = 16;
/// The longest instruction.
const LONGEST: u64 = 15;

#[derive(Clone, Debug, Serialize)]
pub(super) struct Listed {
    pub(super) name: Option<String>,
    pub(super) address: String,
    pub(super) size: u64,
    /// The first bytes of the function.
    pub(super) bytes: String,
    #[serde(flatten)]
    pub(super) obstacle: Obstacle,
    pub(super) passed_over: Vec<PassedOver>,
}

/// What stands in the way.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Obstacle {
    /// The kind of reason, one word.
    pub(super) kind: String,
    /// The reason with its facts.
    pub(super) reason: String,
    /// Bytes from the entry to the instruction.
    pub(super) offset: i64,
    /// The instruction there.
    pub(super) instruction: Option<String>,
}

/// A rung of the ladder that does not fit.
#[derive(Clone, Debug, Serialize)]
pub(super) struct PassedOver {
    pub(super) strategy: &'static str,
    #[serde(flatten)]
    pub(super) obstacle: Obstacle,
}

impl Listed {
    /// A function for which there is no better answer than `obstacle`.
    pub(super) fn new(
        ground: &Ground<'_>,
        extent: &Extent,
        obstacle: Obstacle,
        passed_over: &[(Strategy, Refusal)],
    ) -> Self {
        let shown = ground
            .image
            .code(extent.start, extent.size().min(SHOWN) as usize);
        let passed_over = passed_over.iter().map(|(strategy, refusal)| PassedOver {
            strategy: strategy.name(),
            obstacle: Obstacle::new(ground, extent, refusal),
        });
        Self {
            name: ground.image.symbol_name_at(extent.start),
            address: hex(extent.start.0),
            size: extent.size(),
            bytes: bytes(shown.unwrap_or_default()),
            obstacle,
            passed_over: passed_over.collect(),
        }
    }
}

impl Obstacle {
    pub(super) fn new(ground: &Ground<'_>, extent: &Extent, refusal: &Refusal) -> Self {
        Self {
            kind: kind(&refusal.reason),
            reason: refusal.reason.to_string(),
            offset: refusal.offset,
            instruction: instruction_at(ground, extent, refusal.offset),
        }
    }

    /// No decision was made: the analysis itself failed.
    pub(super) fn undecided(why: String) -> Self {
        Self {
            kind: "Undecided".to_owned(),
            reason: why,
            offset: 0,
            instruction: None,
        }
    }
}

/// The name of the variant.
fn kind(reason: &Reason) -> String {
    let text = format!("{reason:?}");
    text.split(|c: char| !c.is_alphanumeric())
        .next()
        .unwrap_or_default()
        .to_owned()
}

/// The instruction at `offset`, at the addresses of the file.
fn instruction_at(ground: &Ground<'_>, extent: &Extent, offset: i64) -> Option<String> {
    let at = FileAddress(extent.start.0.checked_add_signed(offset)?);
    let len = extent.end.0.checked_sub(at.0)?.min(LONGEST);
    let code = ground.image.code(at, len as usize)?;
    Some(ground.disassemble(code, at.0).into_iter().next()?.text)
}
