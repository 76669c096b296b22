//! One quick walk over `.debug_info`: where the functions are, how they are
//! called, and which entries come from which.
//!
//! The entries lie one behind the other; their tree is not followed. Of a
//! function is kept its address and a hash of its name, of an inlined copy what
//! it is a copy of. Everything else is asked of gimli at the entry's offset.

use gimli::constants as dw;

use super::abbreviations::{Abbreviation, Abbreviations, Attribute};
use super::forms::{Cursor, Encoding, Size};
use super::instance;

/// The sections that the walk reads.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sections<'a> {
    pub(super) info: &'a [u8],
    pub(super) abbreviations: &'a [u8],
    pub(super) strings: &'a [u8],
    pub(super) line_strings: &'a [u8],
    pub(super) string_offsets: &'a [u8],
    pub(super) addresses: &'a [u8],
}

/// A unit: its entries are at `start..end` of the section.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unit {
    pub(super) offset: u32,
    start: u32,
    end: u32,
    encoding: Encoding,
    abbreviations: u64,
}

/// What one thread found.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Address (its lower half) and offset of each function with code.
    pub(super) functions: Vec<(u32, u32)>,
    /// Hash of the name and offset of each function with a name.
    pub(super) names: Vec<(u32, u32)>,
    /// What it comes from and offset of each inlined copy and each function
    /// that leaves its name to another entry.
    pub(super) links: Vec<(u32, u32)>,
    /// Units whose entries are in another file (split DWARF).
    pub(super) split: u32,
    /// Units that could not be read to their ends.
    pub(super) damaged: u32,
}

/// The units of a section that is smaller than 4 GB; those of types are left
/// out. None if the headers do not lead from one to the next.
pub(super) fn units(info: &[u8]) -> Option<Vec<Unit>> {
    let mut units = Vec::new();
    let mut cursor = Cursor { bytes: info, at: 0 };
    while cursor.at < info.len() {
        let offset = u32::try_from(cursor.at).ok()?;
        let mut length = cursor.number(4)?;
        let mut offset_size = 4;
        if length == 0xffff_ffff {
            length = cursor.number(8)?;
            offset_size = 8;
        }
        let end = cursor.at.checked_add(usize::try_from(length).ok()?)?;
        if end > info.len() {
            return None;
        }
        let version = cursor.number(2)? as u16;
        let (kind, address_size, abbreviations) = if version >= 5 {
            let kind = cursor.number(1)? as u8;
            let address_size = cursor.number(1)? as u8;
            (kind, address_size, cursor.number(offset_size)?)
        } else {
            let abbreviations = cursor.number(offset_size)?;
            let address_size = cursor.number(1)? as u8;
            (dw::DW_UT_compile.0, address_size, abbreviations)
        };
        let is_code = match gimli::DwUt(kind) {
            dw::DW_UT_compile | dw::DW_UT_partial => true,
            dw::DW_UT_skeleton => {
                cursor.number(8)?;
                true
            }
            _ => false,
        };
        if is_code {
            units.push(Unit {
                offset,
                start: u32::try_from(cursor.at).ok()?,
                end: u32::try_from(end).ok()?,
                encoding: Encoding {
                    version,
                    offset_size,
                    address_size,
                },
                abbreviations,
            });
        }
        cursor.at = end;
    }
    Some(units)
}

/// Walks over `units`.
pub(super) fn walk(sections: &Sections<'_>, units: &[Unit]) -> Found {
    let mut found = Found::default();
    let mut known: Option<(u64, Encoding, Abbreviations)> = None;
    for unit in units {
        let wanted = (unit.abbreviations, unit.encoding);
        if known
            .as_ref()
            .is_none_or(|(at, with, _)| (*at, *with) != wanted)
        {
            let section = sections.abbreviations;
            known = Abbreviations::at(section, unit.abbreviations, unit.encoding)
                .map(|read| (unit.abbreviations, unit.encoding, read));
        }
        let read = known.as_ref().and_then(|(_, _, abbreviations)| {
            let mut walk = Walk {
                sections,
                unit: *unit,
                string_base: 0,
                address_base: 0,
                found: &mut found,
            };
            walk.entries(abbreviations)
        });
        if read.is_none() {
            found.damaged += 1;
        }
    }
    found
}

/// The entries that the one at `offset` is inside of, the outermost first.
pub(super) fn around(sections: &Sections<'_>, unit: &Unit, offset: u32) -> Option<Vec<u32>> {
    let encoding = unit.encoding;
    let shapes = Abbreviations::at(sections.abbreviations, unit.abbreviations, encoding)?;
    let mut cursor = Cursor {
        bytes: sections.info.get(..unit.end as usize)?,
        at: unit.start as usize,
    };
    let mut around = Vec::new();
    while cursor.at < offset as usize {
        let at = cursor.at as u32;
        let code = cursor.leb()?;
        if code == 0 {
            around.pop();
            continue;
        }
        let shape = shapes.get(code)?;
        shape.skip(&mut cursor, encoding)?;
        if shape.has_children {
            around.push(at);
        }
    }
    (cursor.at == offset as usize).then_some(around)
}

struct Walk<'w, 'a> {
    sections: &'w Sections<'a>,
    unit: Unit,
    string_base: u64,
    address_base: u64,
    found: &'w mut Found,
}

/// The attributes of an entry that the walk looks at, by form and value.
#[derive(Default)]
struct Attributes<'a> {
    linkage_name: Option<&'a [u8]>,
    name: Option<&'a [u8]>,
    address: Option<u64>,
    origin: Option<u32>,
    is_declaration: bool,
}

impl<'a> Walk<'_, 'a> {
    fn entries(&mut self, abbreviations: &Abbreviations) -> Option<()> {
        let end = self.unit.end as usize;
        let mut cursor = Cursor {
            bytes: self.sections.info.get(..end)?,
            at: self.unit.start as usize,
        };
        let encoding = self.unit.encoding;
        while cursor.at < end {
            let offset = cursor.at;
            let code = cursor.leb()?;
            if code == 0 {
                continue;
            }
            let shape = abbreviations.get(code)?;
            if !shape.attributes.is_empty() {
                self.entry(shape, offset as u32, &mut cursor)?;
                continue;
            }
            shape.skip(&mut cursor, encoding)?;
        }
        (cursor.at == end).then_some(())
    }

    fn entry(&mut self, shape: &Abbreviation, offset: u32, cursor: &mut Cursor<'a>) -> Option<()> {
        let tag = gimli::DwTag(shape.tag);
        let is_function = tag == dw::DW_TAG_subprogram;
        let mut attributes = Attributes::default();
        let mut number = 0;
        while number < shape.attributes.len() {
            let attribute = &shape.attributes[number];
            number += 1;
            match attribute.name {
                dw::DW_AT_linkage_name | dw::DW_AT_MIPS_linkage_name if is_function => {
                    attributes.linkage_name = self.text(attribute, *cursor);
                }
                dw::DW_AT_name if is_function => attributes.name = self.text(attribute, *cursor),
                dw::DW_AT_low_pc if is_function => {
                    attributes.address = self.address(attribute, *cursor);
                }
                dw::DW_AT_abstract_origin | dw::DW_AT_specification => {
                    attributes.origin = self.reference(attribute, *cursor);
                }
                dw::DW_AT_declaration => attributes.is_declaration = true,
                dw::DW_AT_str_offsets_base => self.string_base = value(attribute, *cursor)?,
                dw::DW_AT_addr_base | dw::DW_AT_GNU_addr_base => {
                    self.address_base = value(attribute, *cursor)?;
                }
                dw::DW_AT_dwo_name | dw::DW_AT_GNU_dwo_name => self.found.split += 1,
                _ => {}
            }
            cursor.skip(attribute.size, self.unit.encoding)?;
        }
        if let Some(address) = attributes.address.filter(|_| !attributes.is_declaration) {
            self.found.functions.push((address as u32, offset));
        }
        let names = &mut self.found.names;
        instance::hashes(attributes.linkage_name, attributes.name, |hash| {
            names.push((hash, offset));
        });
        if let Some(origin) = attributes.origin {
            self.found.links.push((origin, offset));
        }
        Some(())
    }

    fn text(&self, of: &Attribute, mut cursor: Cursor<'a>) -> Option<&'a [u8]> {
        let sections = self.sections;
        let at = |section: &'a [u8], at: u64| {
            let at = usize::try_from(at).ok()?;
            Cursor { bytes: section, at }.text()
        };
        match of.form {
            dw::DW_FORM_string => cursor.text(),
            dw::DW_FORM_strp => at(sections.strings, value(of, cursor)?),
            dw::DW_FORM_line_strp => at(sections.line_strings, value(of, cursor)?),
            dw::DW_FORM_strx
            | dw::DW_FORM_strx1
            | dw::DW_FORM_strx2
            | dw::DW_FORM_strx3
            | dw::DW_FORM_strx4 => {
                let size = self.unit.encoding.offset_size;
                let index = value(of, cursor)?;
                let place = index.checked_mul(u64::from(size))?;
                let mut offsets = Cursor {
                    bytes: sections.string_offsets,
                    at: usize::try_from(place.checked_add(self.string_base)?).ok()?,
                };
                at(sections.strings, offsets.number(size)?)
            }
            _ => None,
        }
    }

    fn address(&self, of: &Attribute, cursor: Cursor<'a>) -> Option<u64> {
        let number = value(of, cursor)?;
        match of.form {
            dw::DW_FORM_addr => Some(number),
            dw::DW_FORM_addrx
            | dw::DW_FORM_addrx1
            | dw::DW_FORM_addrx2
            | dw::DW_FORM_addrx3
            | dw::DW_FORM_addrx4
            | dw::DW_FORM_GNU_addr_index => {
                let size = self.unit.encoding.address_size;
                let place = number.checked_mul(u64::from(size))?;
                let mut addresses = Cursor {
                    bytes: self.sections.addresses,
                    at: usize::try_from(place.checked_add(self.address_base)?).ok()?,
                };
                addresses.number(size)
            }
            _ => None,
        }
    }

    /// The offset in the section of the entry that is referred to.
    fn reference(&self, of: &Attribute, cursor: Cursor<'a>) -> Option<u32> {
        let number = value(of, cursor)?;
        match of.form {
            dw::DW_FORM_ref1
            | dw::DW_FORM_ref2
            | dw::DW_FORM_ref4
            | dw::DW_FORM_ref8
            | dw::DW_FORM_ref_udata => {
                u32::try_from(number.checked_add(u64::from(self.unit.offset))?).ok()
            }
            dw::DW_FORM_ref_addr => u32::try_from(number).ok(),
            _ => None,
        }
    }
}

/// The attribute at `cursor` as a number.
fn value(of: &Attribute, mut cursor: Cursor<'_>) -> Option<u64> {
    match of.size {
        Size::Fixed(bytes) => cursor.number(bytes),
        Size::Leb => cursor.leb(),
        _ => None,
    }
}
