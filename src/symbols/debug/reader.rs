//! One entry of debug information and its way to others.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ops::Range;
use std::rc::Rc;
use std::sync::OnceLock;

use gimli::constants as dw;
use gimli::{AttributeValue, DebugInfoOffset, DwAt, DwTag, EndianSlice, LittleEndian, UnitOffset};

use super::coverage::{self, Undescribed};
use super::index::DebugIndex;
use super::scan::{self, Sections};
use super::unknown::Unknown;
use crate::symbols::image::Image;

type Slice<'a> = EndianSlice<'a, LittleEndian>;

/// Where an image keeps the index of its debug information, once it was asked.
#[derive(Debug, Default)]
pub(in crate::symbols) struct DebugSlot {
    index: OnceLock<Result<DebugIndex, Unknown>>,
    undescribed: OnceLock<Option<Undescribed>>,
    is_rust: OnceLock<bool>,
}

impl DebugSlot {
    /// Whether rustc made a part of the image, as `find` finds out.
    pub(super) fn is_rust(&self, find: impl FnOnce() -> bool) -> bool {
        *self.is_rust.get_or_init(find)
    }
}

/// The flag of a section whose bytes are compressed.
const SHF_COMPRESSED: u64 = 0x800;
/// How many references are followed from one entry to the next.
const HOPS: usize = 16;

/// A file's debug information.
pub(super) struct Reader<'a> {
    /// The image whose functions it is about.
    pub(super) image: &'a Image,
    pub(super) index: &'a DebugIndex,
    sections: Sections<'a>,
    dwarf: gimli::Dwarf<Slice<'a>>,
    units: RefCell<HashMap<u32, Rc<Unit<'a>>>>,
}

struct Unit<'a> {
    offset: u32,
    unit: gimli::Unit<Slice<'a>>,
}

/// An entry.
pub(super) struct Entry<'a> {
    unit: Rc<Unit<'a>>,
    entry: gimli::DebuggingInformationEntry<Slice<'a>>,
    /// Where it is in `.debug_info`.
    pub(super) offset: u32,
}

impl<'a> Reader<'a> {
    /// Of the debug information of `image` or of its debug file.
    pub(super) fn of(image: &'a Image) -> Result<Reader<'a>, Unknown> {
        let has_information = |image: &Image| !section(image, ".debug_info").is_empty();
        let file = if has_information(image) {
            image
        } else {
            let file = image.debug_image().filter(|file| has_information(file));
            file.ok_or_else(|| Unknown::None {
                module: image.path().to_path_buf(),
            })?
        };
        let sections = Sections {
            info: section(file, ".debug_info"),
            abbreviations: section(file, ".debug_abbrev"),
            strings: section(file, ".debug_str"),
            line_strings: section(file, ".debug_line_str"),
            string_offsets: section(file, ".debug_str_offsets"),
            addresses: section(file, ".debug_addr"),
        };
        let index = file.debug_index().index.get_or_init(|| {
            let path = || file.path().to_path_buf();
            let header = file.headers().section(".debug_info");
            if header.is_some_and(|header| header.flags & SHF_COMPRESSED != 0) {
                return Err(Unknown::Compressed { file: path() });
            }
            if u32::try_from(sections.info.len()).is_err() {
                return Err(Unknown::TooLarge { file: path() });
            }
            DebugIndex::of(&sections).ok_or_else(|| Unknown::Malformed {
                file: path(),
                why: "its units do not follow one another".to_owned(),
            })
        });
        let load = |id: gimli::SectionId| {
            let bytes = section(file, id.name());
            Ok::<_, gimli::Error>(EndianSlice::new(bytes, LittleEndian))
        };
        let dwarf = gimli::Dwarf::load(load).map_err(|error| Unknown::Malformed {
            file: file.path().to_path_buf(),
            why: error.to_string(),
        })?;
        Ok(Reader {
            image,
            index: index.as_ref().map_err(Clone::clone)?,
            sections,
            dwarf,
            units: RefCell::default(),
        })
    }

    /// What the file has beside what is described. Found out once.
    pub(super) fn undescribed(&self) -> Option<&Undescribed> {
        let slot = &self.image.debug_index().undescribed;
        slot.get_or_init(|| coverage::undescribed(self)).as_ref()
    }

    /// Where the units have code.
    pub(super) fn unit_ranges(&self) -> Vec<Range<u64>> {
        let mut found = Vec::new();
        let mut headers = self.dwarf.units();
        while let Ok(Some(header)) = headers.next() {
            let Ok(unit) = self.dwarf.unit(header) else {
                continue;
            };
            if let Ok(mut ranges) = self.dwarf.unit_ranges(&unit) {
                while let Ok(Some(range)) = ranges.next() {
                    found.push(range.begin..range.end);
                }
            }
        }
        found
    }

    /// The entry at `offset`; none if there is none that can be read.
    pub(super) fn entry(&self, offset: u32) -> Option<Entry<'a>> {
        let start = self.index.unit(offset)?.offset;
        let known = self.units.borrow().get(&start).cloned();
        let unit = match known {
            Some(unit) => unit,
            None => {
                let header = self
                    .dwarf
                    .unit_header(DebugInfoOffset(start as usize))
                    .ok()?;
                let unit = Rc::new(Unit {
                    offset: start,
                    unit: self.dwarf.unit(header).ok()?,
                });
                self.units.borrow_mut().insert(start, Rc::clone(&unit));
                unit
            }
        };
        let entry = unit
            .unit
            .entry(UnitOffset((offset - start) as usize))
            .ok()?;
        Some(Entry {
            unit,
            entry,
            offset,
        })
    }

    /// The entry that the unit of `entry` begins with.
    pub(super) fn root(&self, entry: &Entry<'a>) -> Option<Entry<'a>> {
        let root = entry.unit.unit.header.root_offset().0;
        self.entry(entry.unit.offset.checked_add(u32::try_from(root).ok()?)?)
    }

    /// The entry that an attribute of `entry` refers to.
    pub(super) fn referred(&self, entry: &Entry<'a>, attribute: DwAt) -> Option<Entry<'a>> {
        let offset = match entry.entry.attr_value(attribute)? {
            AttributeValue::UnitRef(offset) => {
                (entry.unit.offset as usize).checked_add(offset.0)?
            }
            AttributeValue::DebugInfoRef(offset) => offset.0,
            _ => return None,
        };
        self.entry(u32::try_from(offset).ok()?)
    }

    /// An attribute of `entry` or, if it has none, of what it is a copy of.
    pub(super) fn inherited<T>(
        &self,
        entry: &Entry<'a>,
        get: impl Fn(&Entry<'a>) -> Option<T>,
    ) -> Option<T> {
        if let Some(found) = get(entry) {
            return Some(found);
        }
        let mut next = self.origin(entry)?;
        for _ in 0..HOPS {
            if let Some(found) = get(&next) {
                return Some(found);
            }
            next = self.origin(&next)?;
        }
        None
    }

    fn origin(&self, entry: &Entry<'a>) -> Option<Entry<'a>> {
        self.referred(entry, dw::DW_AT_abstract_origin)
            .or_else(|| self.referred(entry, dw::DW_AT_specification))
    }

    /// An attribute that is a text.
    pub(super) fn text(&self, entry: &Entry<'a>, attribute: DwAt) -> Option<&'a str> {
        let value = entry.entry.attr_value(attribute)?;
        let text = self.dwarf.attr_string(&entry.unit.unit, value).ok()?;
        str::from_utf8(text.slice()).ok()
    }

    /// The name for the linker; in none of the entries of line tables.
    pub(super) fn linkage_name(&self, entry: &Entry<'a>) -> Option<&'a str> {
        self.text(entry, dw::DW_AT_linkage_name)
            .or_else(|| self.text(entry, dw::DW_AT_MIPS_linkage_name))
    }

    pub(super) fn name(&self, entry: &Entry<'a>) -> Option<&'a str> {
        self.text(entry, dw::DW_AT_name)
    }

    /// The entries directly inside of `entry`.
    pub(super) fn children(&self, entry: &Entry<'a>) -> Option<Vec<Entry<'a>>> {
        let unit = &entry.unit.unit;
        let mut tree = unit.entries_tree(Some(entry.entry.offset())).ok()?;
        let mut children = tree.root().ok()?.children();
        let mut found = Vec::new();
        while let Some(child) = children.next().ok()? {
            let entry_of = child.entry();
            found.push(Entry {
                unit: Rc::clone(&entry.unit),
                offset: entry
                    .unit
                    .offset
                    .checked_add(u32::try_from(entry_of.offset().0).ok()?)?,
                entry: entry_of.clone(),
            });
        }
        Some(found)
    }

    /// Whether the unit of `entry` has an entry of such a kind.
    pub(super) fn has_entry(&self, entry: &Entry<'a>, is_wanted: impl Fn(DwTag) -> bool) -> bool {
        let mut entries = entry.unit.unit.entries();
        while let Ok(Some(entry)) = entries.next_dfs() {
            if is_wanted(entry.tag()) {
                return true;
            }
        }
        false
    }

    /// Whether some unit of the same compilation by rustc has an entry of such a kind.
    pub(super) fn crate_has_entry(
        &self,
        entry: &Entry<'a>,
        is_wanted: impl Fn(DwTag) -> bool,
    ) -> bool {
        // `src/lib.rs/@/23k1…`, and where that is.
        let compilation = |unit: &Entry<'a>| {
            let (root, _) = self.name(unit)?.split_once("/@/")?;
            Some((root, self.text(unit, dw::DW_AT_comp_dir)?))
        };
        let Some(own) = self.root(entry).and_then(|root| compilation(&root)) else {
            return false;
        };
        let mut headers = self.dwarf.units();
        while let Ok(Some(header)) = headers.next() {
            let root = header.debug_info_offset();
            let root = root.and_then(|at| at.0.checked_add(header.root_offset().0));
            let root = root.and_then(|at| self.entry(u32::try_from(at).ok()?));
            let is_own = |root: &Entry<'a>| compilation(root) == Some(own);
            if root.is_some_and(|root| is_own(&root) && self.has_entry(&root, &is_wanted)) {
                return true;
            }
        }
        false
    }

    /// The entries that `entry` is inside of, the outermost first.
    pub(super) fn around(&self, entry: &Entry<'a>) -> Option<Vec<Entry<'a>>> {
        let unit = self.index.unit(entry.offset)?;
        let around = scan::around(&self.sections, unit, entry.offset)?;
        around
            .into_iter()
            .map(|offset| self.entry(offset))
            .collect()
    }

    /// Where the code of `entry` begins in the file, if it is in one piece.
    pub(super) fn begins(&self, entry: &Entry<'a>) -> Option<u64> {
        let value = entry.entry.attr_value(dw::DW_AT_low_pc)?;
        self.dwarf.attr_address(&entry.unit.unit, value).ok()?
    }

    /// Where the code of `entry` is in the file.
    pub(super) fn ranges(&self, entry: &Entry<'a>) -> Vec<Range<u64>> {
        let mut found = Vec::new();
        if let Ok(mut ranges) = self.dwarf.die_ranges(&entry.unit.unit, &entry.entry) {
            while let Ok(Some(range)) = ranges.next() {
                if range.begin < range.end {
                    found.push(range.begin..range.end);
                }
            }
        }
        found
    }

    /// The path of the source file that an attribute gives the number of.
    pub(super) fn file(&self, entry: &Entry<'a>, attribute: DwAt) -> Option<String> {
        let unit = &entry.unit.unit;
        let number = match entry.entry.attr_value(attribute)? {
            AttributeValue::FileIndex(number) => number,
            other => other.udata_value()?,
        };
        let header = unit.line_program.as_ref()?.header();
        let file = header.file(number)?;
        let text = |value| {
            let text = self.dwarf.attr_string(unit, value).ok()?;
            Some(text.to_string_lossy().into_owned())
        };
        let name = text(file.path_name())?;
        let folder = file.directory(header).and_then(text).unwrap_or_default();
        let base = unit
            .comp_dir
            .map(|base| base.to_string_lossy().into_owned());
        let path = std::path::Path::new(base.as_deref().unwrap_or_default());
        Some(path.join(folder).join(name).to_string_lossy().into_owned())
    }
}

impl Entry<'_> {
    pub(super) fn tag(&self) -> DwTag {
        self.entry.tag()
    }

    pub(super) fn has(&self, attribute: DwAt) -> bool {
        self.entry.attr_value(attribute).is_some()
    }

    pub(super) fn number(&self, attribute: DwAt) -> Option<u64> {
        match self.entry.attr_value(attribute)? {
            AttributeValue::CallingConvention(convention) => Some(u64::from(convention.0)),
            other => other.udata_value(),
        }
    }

    /// Whether there is a shape (`.debug_abbrev`) for entries of its unit that is
    /// as said.
    pub(super) fn has_shape(&self, is_wanted: impl Fn(&gimli::Abbreviation) -> bool) -> bool {
        let shapes = &self.unit.unit.abbreviations;
        (1..).map_while(|code| shapes.get(code)).any(is_wanted)
    }

    /// Whether its unit was made by rustc.
    pub(super) fn is_rust(root: &Entry<'_>) -> bool {
        matches!(
            root.entry.attr_value(dw::DW_AT_language),
            Some(AttributeValue::Language(dw::DW_LANG_Rust))
        )
    }
}

/// The bytes of a section; empty if there is none.
fn section<'a>(image: &'a Image, name: &str) -> &'a [u8] {
    let section = image.headers().section(name);
    section
        .and_then(|section| section.bytes(image.data()))
        .unwrap_or_default()
}
