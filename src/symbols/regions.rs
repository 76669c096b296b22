//! Which addresses of a file are code.
//!
//! Executable sections, cut to the executable segments they are in; the
//! segments themselves where section headers are missing. A region never
//! reaches past what is in the file.

use goblin::elf::program_header::PT_LOAD;

use super::headers::Headers;

/// A stretch of code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Region {
    pub(super) start: u64,
    pub(super) end: u64,
    /// Stubs of the dynamic linker, not functions of the file.
    pub(super) is_plt: bool,
}

/// The stretches of code of a file, by address, none overlapping another.
#[derive(Clone, Debug, Default)]
pub(super) struct Regions(Vec<Region>);

impl Regions {
    pub(super) fn new(headers: &Headers, file_size: u64) -> Regions {
        let segments: Vec<(u64, u64)> = headers
            .segments
            .iter()
            .filter(|segment| segment.kind == PT_LOAD && segment.executable)
            .map(|segment| {
                let in_file = file_size.saturating_sub(segment.offset);
                let size = segment.file_size.min(in_file);
                (segment.address, segment.address.saturating_add(size))
            })
            .collect();
        let mut regions = Vec::new();
        for section in headers.sections.iter().filter(|section| section.is_code()) {
            let start = section.address;
            let segment = segments.iter().find(|s| s.0 <= start && start < s.1);
            let Some(segment) = segment else { continue };
            regions.push(Region {
                start,
                end: start.saturating_add(section.size).min(segment.1),
                is_plt: section.name.starts_with(b".plt") || section.name == b".iplt",
            });
        }
        if regions.is_empty() {
            regions = segments
                .into_iter()
                .map(|(start, end)| Region {
                    start,
                    end,
                    is_plt: false,
                })
                .collect();
        }
        regions.sort_by_key(|region| (region.start, region.end));
        // Only a malformed file has code sections that overlap. Cut, so that an
        // address is in one region at most.
        let mut from = 0;
        for region in &mut regions {
            region.start = region.start.max(from);
            region.end = region.end.max(region.start);
            from = region.end;
        }
        regions.retain(|region| region.start < region.end);
        Regions(regions)
    }

    pub(super) fn containing(&self, at: u64) -> Option<&Region> {
        let after = self.0.partition_point(|region| region.start <= at);
        let region = self.0.get(after.checked_sub(1)?)?;
        (at < region.end).then_some(region)
    }

    /// All regions that have an address in `start..end`.
    pub(super) fn overlapping(&self, start: u64, end: u64) -> impl Iterator<Item = &Region> {
        let first = self.0.partition_point(|region| region.end <= start);
        let rest = self.0.get(first..).unwrap_or_default().iter();
        rest.take_while(move |region| region.start < end)
    }
}
