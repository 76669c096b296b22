//! What would be written, and what would be copied.

use super::choose::Subject;
use super::notes;
use crate::climb::{Chosen, Climbed, Ground};
use crate::output::{bytes, file_name, hex};
use midair::Refusal;
use midair::symbols::{ExtentSource, FileAddress};
use serde::Serialize;

/// Instructions shown behind those displaced.
const BEHIND: usize = 3;
/// Instructions shown of a function that is refused.
const REFUSED: usize = 8;
/// Enough bytes for those.
const SHOWN: u64 = 128;
/// Example copies begin at a multiple of this behind the file.
const BLOCK: u64 = 0x1_0000;

/// The answer of the command.
#[derive(Serialize)]
pub(super) struct Report {
    pub(super) name: Option<String>,
    pub(super) raw_name: Option<String>,
    pub(super) aliases: Vec<String>,
    pub(super) file: String,
    /// As the file states it.
    pub(super) address: String,
    /// None if the end is not known.
    pub(super) size: Option<u64>,
    pub(super) end_known_from: &'static str,
    /// What is added to the file's addresses in all that follows.
    pub(super) loaded_at: String,
    pub(super) strategy: Option<&'static str>,
    pub(super) refusal: Option<Obstacle>,
    pub(super) before: Vec<Line>,
    pub(super) after: Vec<Line>,
    pub(super) gate: Option<String>,
    pub(super) copy: Vec<Line>,
    pub(super) passed_over: Vec<PassedOver>,
    /// Whether every branch that may lead into the prologue is known.
    pub(super) analysis_complete: Option<bool>,
    pub(super) branches_to_entry: Option<u32>,
    /// Offsets in the function at which the jump has a trap.
    pub(super) traps: Vec<u64>,
    pub(super) notes: Vec<String>,
}

/// An instruction.
#[derive(Serialize)]
pub(super) struct Line {
    pub(super) address: String,
    pub(super) bytes: String,
    pub(super) text: String,
    /// Before: whether it is displaced. After and in the copy: whether it is
    /// new.
    pub(super) changed: bool,
}

/// Why not, with what to do.
#[derive(Serialize)]
pub(super) struct Obstacle {
    pub(super) reason: String,
    pub(super) remedy: &'static str,
    pub(super) offset: i64,
    pub(super) instruction: Option<String>,
}

#[derive(Serialize)]
pub(super) struct PassedOver {
    pub(super) strategy: &'static str,
    #[serde(flatten)]
    pub(super) obstacle: Obstacle,
}

impl Report {
    pub(super) fn of(ground: &Ground<'_>, subject: &Subject) -> Self {
        let at = subject.at;
        let image = ground.image;
        let extent = image.functions().extent(at);
        let symbol = subject.symbol.as_ref();
        let mut report = Self {
            name: symbol.map(|symbol| symbol.name.clone()),
            raw_name: symbol.map(|symbol| symbol.raw_name.clone()),
            aliases: symbol
                .map(|symbol| symbol.aliases.clone())
                .unwrap_or_default(),
            file: file_name(image.path()),
            address: hex(at.0),
            size: extent.map(|extent| extent.size()),
            end_known_from: match extent.map(|extent| extent.source) {
                Some(ExtentSource::Unwind) => "unwind information",
                Some(ExtentSource::Symbol) => "its symbol",
                Some(ExtentSource::NextFunction) => "the next function",
                _ => "nothing",
            },
            loaded_at: hex(ground.slide.0),
            strategy: None,
            refusal: None,
            before: Vec::new(),
            after: Vec::new(),
            gate: None,
            copy: Vec::new(),
            passed_over: Vec::new(),
            analysis_complete: None,
            branches_to_entry: None,
            traps: Vec::new(),
            notes: Vec::new(),
        };
        match ground.climb(at, example_copy(ground)) {
            Ok(climbed) => report.climbed(ground, at, climbed),
            Err(refusal) => report.refused(ground, at, &refusal),
        }
        report.notes = notes::of(&report, subject);
        report
    }

    fn climbed(&mut self, ground: &Ground<'_>, at: FileAddress, mut climbed: Climbed) {
        self.analysis_complete = Some(climbed.is_complete);
        self.branches_to_entry = Some(climbed.branches_to_entry);
        match climbed.chosen {
            Some(chosen) => self.chosen(ground, at, &chosen),
            None => {
                if let Some((_, last)) = climbed.passed_over.pop() {
                    self.refused(ground, at, &last);
                }
            }
        }
        let passed_over = climbed
            .passed_over
            .iter()
            .map(|(strategy, refusal)| PassedOver {
                strategy: strategy.name(),
                obstacle: Obstacle::new(refusal),
            });
        self.passed_over = passed_over.collect();
    }

    fn chosen(&mut self, ground: &Ground<'_>, at: FileAddress, chosen: &Chosen) {
        let target = ground.target(at).get();
        let place = chosen.place;
        let displaced = place..chosen.resume;
        let before = listing(ground, at, |address| displaced.contains(&address));
        let end = before
            .iter()
            .position(|line| !line.changed && line.number >= displaced.end);
        let shown = end
            .map_or(before.len(), |end| end + BEHIND)
            .min(before.len());
        self.before = before
            .into_iter()
            .take(shown)
            .map(|line| line.line)
            .collect();
        self.strategy = Some(chosen.strategy.name());
        self.gate = Some(hex(chosen.gate));
        self.traps = chosen
            .boundaries
            .iter()
            .map(|&n| n as u64 + (place - target))
            .collect();
        self.after = after(ground, at, chosen);
        let copy = ground.disassemble(&chosen.copied.bytes, chosen.copy);
        let copy = copy.into_iter().map(|line| {
            let changed = !chosen.displaced.contains(&line.bytes);
            Line::new(&line, changed)
        });
        self.copy = copy.collect();
    }

    fn refused(&mut self, ground: &Ground<'_>, at: FileAddress, refusal: &Refusal) {
        let target = ground.target(at).get();
        let culprit = target.wrapping_add_signed(refusal.offset);
        let lines = listing(ground, at, |address| address == culprit).into_iter();
        self.before = lines.take(REFUSED).map(|line| line.line).collect();
        self.refusal = Some(Obstacle::new(refusal));
    }
}

impl Obstacle {
    fn new(refusal: &Refusal) -> Self {
        Self {
            reason: refusal.reason.to_string(),
            remedy: refusal.reason.remedy(),
            offset: refusal.offset,
            instruction: refusal.instruction.clone(),
        }
    }
}

impl Line {
    fn new(line: &midair::Line, changed: bool) -> Self {
        Self {
            address: hex(line.address),
            bytes: bytes(&line.bytes),
            text: line.text.clone(),
            changed,
        }
    }
}

struct Numbered {
    number: u64,
    line: Line,
    changed: bool,
}

/// The first instructions of the function as they stand in the file.
fn listing(ground: &Ground<'_>, at: FileAddress, changed: impl Fn(u64) -> bool) -> Vec<Numbered> {
    let functions = ground.image.functions();
    let end = functions
        .extent(at)
        .map(|extent| extent.end)
        .or(ground.image.code_end(at));
    let len = end.map_or(0, |end| end.0.saturating_sub(at.0)).min(SHOWN);
    let code = ground.image.code(at, len as usize).unwrap_or_default();
    let lines = ground
        .disassemble(code, ground.target(at).get())
        .into_iter();
    let numbered = lines.map(|line| {
        let changed = changed(line.address);
        Numbered {
            number: line.address,
            line: Line::new(&line, changed),
            changed,
        }
    });
    numbered.collect()
}

/// The jump, with what stands before it and what it leads through.
fn after(ground: &Ground<'_>, at: FileAddress, chosen: &Chosen) -> Vec<Line> {
    let mut lines: Vec<Line> = listing(ground, at, |_| false)
        .into_iter()
        .take_while(|line| line.number < chosen.place)
        .map(|line| line.line)
        .collect();
    for (at, bytes) in &chosen.jumps {
        let jump = ground.disassemble(bytes, *at);
        lines.extend(jump.iter().map(|line| Line::new(line, true)));
    }
    lines
}

/// Behind the file.
fn example_copy(ground: &Ground<'_>) -> u64 {
    let end = ground.target(ground.image.load_range().end).get();
    (end / BLOCK).saturating_add(2).saturating_mul(BLOCK)
}
