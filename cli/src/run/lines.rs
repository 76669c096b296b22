//! The source line of an address in the program.

use addr2line::Context;
use addr2line::gimli::{Dwarf, EndianSlice, LittleEndian, SectionId};
use object::{Object as _, ObjectSection as _};
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// Where code is, and which file tells its lines.
pub(crate) struct Lines {
    executable: PathBuf,
    slide: u64,
    /// Images of edits.
    images: Vec<(Range<u64>, PathBuf)>,
}

impl Lines {
    pub(crate) fn of_executable(executable: &Path, slide: u64) -> Self {
        Self {
            executable: executable.to_owned(),
            slide,
            images: Vec::new(),
        }
    }

    /// An image was loaded there.
    pub(crate) fn add(&mut self, at: Range<u64>, file: &Path) {
        // What was there before was unloaded.
        self.images
            .retain(|(old, _)| old.end <= at.start || at.end <= old.start);
        self.images.push((at, file.to_owned()));
    }

    /// Images that are not loaded any more are forgotten.
    pub(crate) fn keep(&mut self, loaded: impl Fn(u64) -> bool) {
        self.images.retain(|(at, _)| loaded(at.start));
    }

    /// File and line of each address, where they are known.
    pub(crate) fn find(&self, addresses: &[u64]) -> Vec<Option<(String, u32)>> {
        let mut by_file: BTreeMap<&Path, Vec<(usize, u64)>> = BTreeMap::new();
        for (place, at) in addresses.iter().enumerate() {
            let image = self.images.iter().find(|(range, _)| range.contains(at));
            let (file, from) = match image {
                Some((range, file)) => (file.as_path(), range.start),
                None => (self.executable.as_path(), self.slide),
            };
            let wanted = by_file.entry(file).or_default();
            wanted.push((place, at.wrapping_sub(from)));
        }
        let mut found = vec![None; addresses.len()];
        for (file, wanted) in by_file {
            // Without debug information there are no lines.
            let _ = in_file(file, &wanted, &mut found);
        }
        found
    }
}

/// Looks these addresses up in one file; none if it has no debug information.
fn in_file(
    path: &Path,
    wanted: &[(usize, u64)],
    found: &mut [Option<(String, u32)>],
) -> Option<()> {
    let bytes = std::fs::read(path).ok()?;
    let file = object::File::parse(&*bytes).ok()?;
    let section = |id: SectionId| -> Result<_, addr2line::gimli::Error> {
        let section = file.section_by_name(id.name());
        let data = section.and_then(|section| section.data().ok());
        Ok(EndianSlice::new(data.unwrap_or_default(), LittleEndian))
    };
    let context = Context::from_dwarf(Dwarf::load(section).ok()?).ok()?;
    for (place, at) in wanted {
        let location = context.find_location(*at).ok().flatten();
        found[*place] = location.and_then(|at| Some((at.file?.to_owned(), at.line?)));
    }
    Some(())
}
