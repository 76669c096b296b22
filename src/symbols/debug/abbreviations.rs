//! The shapes of entries (`.debug_abbrev`), made ready for a quick walk.
//!
//! An entry of a kind that is not asked about is left behind in one or two
//! steps, however many attributes it has.

use gimli::constants as dw;

use super::forms::{self, Cursor, Encoding, Size};

/// Codes are given from 1 upwards; a file with more of them is damaged.
const MOST: u64 = 1 << 20;

/// One shape.
#[derive(Debug)]
pub(super) struct Abbreviation {
    pub(super) tag: u16,
    pub(super) has_children: bool,
    /// Kept for the kinds that are asked about.
    pub(super) attributes: Vec<Attribute>,
    /// How to get past the others: fixed bytes and then something else, in
    /// turn; at last fixed bytes.
    pub(super) steps: Vec<(u32, Size)>,
    pub(super) last: u32,
}

/// An attribute of a shape.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attribute {
    pub(super) name: gimli::DwAt,
    pub(super) form: gimli::DwForm,
    pub(super) size: Size,
}

/// All shapes of a unit, by code.
#[derive(Debug)]
pub(super) struct Abbreviations(Vec<Option<Abbreviation>>);

impl Abbreviations {
    /// Those that begin at `offset` of the section.
    pub(super) fn at(section: &[u8], offset: u64, encoding: Encoding) -> Option<Abbreviations> {
        let mut cursor = Cursor {
            bytes: section,
            at: usize::try_from(offset).ok()?,
        };
        let mut all = Vec::new();
        loop {
            let code = cursor.leb()?;
            if code == 0 {
                return Some(Abbreviations(all));
            }
            if code > MOST {
                return None;
            }
            let one = Abbreviation::read(&mut cursor, encoding)?;
            let code = code as usize;
            if all.len() <= code {
                all.resize_with(code + 1, || None);
            }
            all[code] = Some(one);
        }
    }

    #[inline]
    pub(super) fn get(&self, code: u64) -> Option<&Abbreviation> {
        if code >= self.0.len() as u64 {
            return None;
        }
        match &self.0[code as usize] {
            Some(one) => Some(one),
            None => None,
        }
    }
}

impl Abbreviation {
    /// Gets past the attributes of an entry of this shape. Where the last of
    /// them end is not checked: the next read is.
    #[inline]
    pub(super) fn skip(&self, cursor: &mut Cursor<'_>, encoding: Encoding) -> Option<()> {
        let mut number = 0;
        while number < self.steps.len() {
            let (bytes, size) = self.steps[number];
            cursor.at += bytes as usize;
            cursor.skip(size, encoding)?;
            number += 1;
        }
        cursor.at += self.last as usize;
        Some(())
    }

    fn read(cursor: &mut Cursor<'_>, encoding: Encoding) -> Option<Abbreviation> {
        let tag = u16::try_from(cursor.leb()?).ok()?;
        let has_children = cursor.number(1)? != 0;
        let mut one = Abbreviation {
            tag,
            has_children,
            attributes: Vec::new(),
            steps: Vec::new(),
            last: 0,
        };
        let is_wanted = is_wanted(tag);
        loop {
            let name = cursor.leb()?;
            let form = u16::try_from(cursor.leb()?).ok()?;
            if name == 0 && form == 0 {
                return Some(one);
            }
            if gimli::DwForm(form) == dw::DW_FORM_implicit_const {
                cursor.leb()?;
            }
            let form = gimli::DwForm(form);
            let size = forms::size(form, encoding)?;
            match size {
                Size::Fixed(bytes) => one.last = one.last.checked_add(u32::from(bytes))?,
                other => {
                    one.steps.push((one.last, other));
                    one.last = 0;
                }
            }
            if is_wanted {
                // No attribute that is asked for has a larger number.
                let name = gimli::DwAt(u16::try_from(name).unwrap_or(u16::MAX));
                one.attributes.push(Attribute { name, form, size });
            }
        }
    }
}

/// The kinds of entries whose attributes are looked at.
pub(super) fn is_wanted(tag: u16) -> bool {
    matches!(
        gimli::DwTag(tag),
        dw::DW_TAG_subprogram
            | dw::DW_TAG_inlined_subroutine
            | dw::DW_TAG_compile_unit
            | dw::DW_TAG_partial_unit
            | dw::DW_TAG_skeleton_unit
    )
}
