//! Where the functions of a file begin and end.
//!
//! Two sources are joined: the ranges of `.eh_frame` and the symbols of
//! `.symtab` and `.dynsym` ([`super::claims`] reads them; no name is looked
//! at). Of a function known to both, the larger end counts. Labels without a
//! size (hand-written assembly) are entries that someone may jump to: they are
//! taken to reach to the next known start.
//!
//! Bytes that nothing claims are gaps. A gap begins only where every function
//! that starts before it has ended, so it is never inside of anything; whether
//! it holds padding is for others to judge by its bytes.

use std::ops::Range;

use super::address::FileAddress;
use super::claims::{self, Claim};
use super::image::Image;
use super::problem::Problem;
use super::regions::Regions;

/// How the end of a function is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ExtentSource {
    /// Unwind information.
    Unwind,
    /// The size of its symbol.
    Symbol,
    /// Not known: it is taken to reach to the next known start, the end of the
    /// function it is inside of, or the end of its section.
    NextFunction,
}

/// A function: where it begins and ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Extent {
    /// Its first byte.
    pub start: FileAddress,
    /// Past its last byte.
    pub end: FileAddress,
    /// How the end is known.
    pub source: ExtentSource,
}

impl Extent {
    /// How many bytes it has.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.end.0.saturating_sub(self.start.0)
    }

    /// Whether the byte at `at` is one of its bytes.
    #[must_use]
    pub fn contains(&self, at: FileAddress) -> bool {
        self.start <= at && at < self.end
    }
}

/// One start, with all that was said about it joined.
#[derive(Clone, Copy, Debug)]
struct Entry {
    start: u64,
    end: u64,
    /// The highest end of this entry and all before it.
    reach: u64,
    /// None for data between the functions.
    source: Option<ExtentSource>,
    /// Whether [`FunctionTable::iter`] gives it.
    is_listed: bool,
}

impl Entry {
    fn extent(&self) -> Option<Extent> {
        Some(Extent {
            start: FileAddress(self.start),
            end: FileAddress(self.end),
            source: self.source?,
        })
    }
}

/// The functions of a file by address.
#[derive(Debug)]
pub struct FunctionTable {
    entries: Vec<Entry>,
    listed: usize,
    regions: Regions,
    problems: Vec<Problem>,
}

impl FunctionTable {
    pub(super) fn of(image: &Image) -> FunctionTable {
        let (claims, problems) = claims::of(image);
        let regions = image.regions().clone();
        let entries = join(&claims, &regions);
        FunctionTable {
            listed: entries.iter().filter(|entry| entry.is_listed).count(),
            entries,
            regions,
            problems,
        }
    }

    /// The function that starts at `at`, or none if nothing is known to start
    /// there.
    #[must_use]
    pub fn extent(&self, at: FileAddress) -> Option<Extent> {
        let index = self
            .entries
            .binary_search_by_key(&at.0, |entry| entry.start);
        self.entries.get(index.ok()?)?.extent()
    }

    /// The function that the byte at `at` belongs to: the innermost with a
    /// known end, else the label before it.
    #[must_use]
    pub fn containing(&self, at: FileAddress) -> Option<Extent> {
        let mut guess = None;
        for entry in self.before(at.0).iter().rev() {
            if entry.reach <= at.0 {
                break;
            }
            match entry.extent().filter(|extent| extent.contains(at)) {
                Some(extent) if extent.source != ExtentSource::NextFunction => {
                    return Some(extent);
                }
                extent => guess = guess.or(extent),
            }
        }
        guess
    }

    /// Every known start strictly inside of `range`: other ways in.
    pub fn entries_between(
        &self,
        range: Range<FileAddress>,
    ) -> impl Iterator<Item = FileAddress> + '_ {
        let first = self.before(range.start.0).len();
        let rest = self.entries.get(first..).unwrap_or_default().iter();
        rest.take_while(move |entry| entry.start < range.end.0)
            .filter(|entry| entry.source.is_some())
            .map(|entry| FileAddress(entry.start))
    }

    /// The bytes from `at` (the end of a function) up to the next known start
    /// or the end of the section. Empty if something claims the byte at `at`,
    /// or if it is not in a section of code.
    #[must_use]
    pub fn gap_after(&self, at: FileAddress) -> Range<FileAddress> {
        let before = self.before(at.0);
        let reach = before.last().map_or(0, |entry| entry.reach);
        let region = self.regions.containing(at.0);
        let Some(region) = region.filter(|_| reach <= at.0) else {
            return at..at;
        };
        let next = self.entries.get(before.len()).map(|next| next.start);
        let end = next.unwrap_or(u64::MAX).min(region.end);
        at..FileAddress(end)
    }

    /// The parts of `range` that nothing claims, by address.
    #[must_use]
    pub fn gaps_between(&self, range: Range<FileAddress>) -> Vec<Range<FileAddress>> {
        let mut gaps = Vec::new();
        for region in self.regions.overlapping(range.start.0, range.end.0) {
            let last = region.end.min(range.end.0);
            let mut at = region.start.max(range.start.0);
            let before = self.before(at);
            let mut index = before.len();
            at = at.max(before.last().map_or(0, |entry| entry.reach));
            while at < last {
                let next = self.entries.get(index);
                let end = next.map_or(u64::MAX, |next| next.start).min(last);
                if at < end {
                    gaps.push(FileAddress(at)..FileAddress(end));
                }
                at = next.map_or(end, |next| next.reach).max(end);
                index += 1;
            }
        }
        gaps
    }

    /// Every function of the file by address: all with a known end, and those
    /// symbols of functions without a size that are not inside of another.
    /// Stubs of the dynamic linker (`.plt`) and bare labels are left out.
    pub fn iter(&self) -> impl Iterator<Item = Extent> + '_ {
        let listed = self.entries.iter().filter(|entry| entry.is_listed);
        listed.filter_map(Entry::extent)
    }

    /// How many functions [`FunctionTable::iter`] gives.
    #[must_use]
    pub fn len(&self) -> usize {
        self.listed
    }

    /// Whether no function is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.listed == 0
    }

    /// What could not be read: functions may be missing if there is anything.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// All entries that start at `at` or before it.
    fn before(&self, at: u64) -> &[Entry] {
        let end = self.entries.partition_point(|entry| entry.start <= at);
        self.entries.get(..end).unwrap_or_default()
    }
}

/// Joins sorted claims into one entry per start.
fn join(claims: &[Claim], regions: &Regions) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::with_capacity(claims.len());
    let mut reach = 0u64;
    let mut groups = claims.chunk_by(|a, b| a.start == b.start).peekable();
    while let Some(group) = groups.next() {
        let Some(start) = group.first().map(|claim| claim.start) else {
            continue;
        };
        let Some(region) = regions.containing(start) else {
            continue;
        };
        let longest = |wanted: fn(&Claim) -> bool| {
            let wanted = group.iter().filter(|claim| wanted(claim));
            wanted.map(|claim| claim.size).max().unwrap_or(0)
        };
        let unwind = longest(|claim| claim.kind == claims::Kind::Unwind);
        let symbol = longest(|claim| claim.kind.is_code_symbol());
        let data = longest(|claim| claim.kind == claims::Kind::Data);
        let is_inside = reach > start;
        let only_data = group.iter().all(|claim| claim.kind == claims::Kind::Data);
        let (size, source) = match (unwind.max(symbol), only_data) {
            (_, true) => (data, None),
            (0, false) => {
                let next = groups.peek().and_then(|next| next.first());
                let next = next.map_or(u64::MAX, |claim| claim.start);
                let limit = if is_inside { reach } else { region.end };
                let size = next.min(limit).min(region.end) - start;
                (size, Some(ExtentSource::NextFunction))
            }
            (size, false) if unwind >= symbol => (size, Some(ExtentSource::Unwind)),
            (size, false) => (size, Some(ExtentSource::Symbol)),
        };
        let end = start.saturating_add(size).min(region.end);
        let claimed = start.saturating_add(data).min(region.end).max(end);
        let has_function = |claim: &Claim| claim.kind == claims::Kind::Function;
        let is_listed = !region.is_plt
            && match source {
                None => false,
                Some(ExtentSource::NextFunction) => !is_inside && group.iter().any(has_function),
                Some(_) => true,
            };
        reach = reach.max(claimed);
        entries.push(Entry {
            start,
            end,
            reach,
            source,
            is_listed,
        });
    }
    entries
}
