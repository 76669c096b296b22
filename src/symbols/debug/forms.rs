//! The forms of attributes: how many bytes one takes, and what number it is.
//!
//! gimli does this too. It is generic, so it is compiled with this crate and as
//! slowly as the user builds this crate: in a test build that is not optimised,
//! its walk over 100 MB takes half a minute. Only what the walk of
//! [`super::scan`] needs is here; all questions after it are gimli's.

use gimli::constants as dw;

/// The encoding of a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Encoding {
    pub(super) version: u16,
    /// 4, or 8 in the 64-bit format.
    pub(super) offset_size: u8,
    pub(super) address_size: u8,
}

/// What is to be done to get past an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Size {
    Fixed(u8),
    Leb,
    /// Bytes with their number before them, in that many bytes.
    Block(u8),
    /// Bytes with their number before them as LEB128.
    LebBlock,
    /// Up to a NUL.
    Text,
    /// The form stands before the value.
    Indirect,
}

/// How many bytes `form` takes; none if it is not known.
pub(super) fn size(form: gimli::DwForm, encoding: Encoding) -> Option<Size> {
    Some(match form {
        dw::DW_FORM_flag_present | dw::DW_FORM_implicit_const => Size::Fixed(0),
        dw::DW_FORM_data1
        | dw::DW_FORM_flag
        | dw::DW_FORM_ref1
        | dw::DW_FORM_strx1
        | dw::DW_FORM_addrx1 => Size::Fixed(1),
        dw::DW_FORM_data2 | dw::DW_FORM_ref2 | dw::DW_FORM_strx2 | dw::DW_FORM_addrx2 => {
            Size::Fixed(2)
        }
        dw::DW_FORM_strx3 | dw::DW_FORM_addrx3 => Size::Fixed(3),
        dw::DW_FORM_data4
        | dw::DW_FORM_ref4
        | dw::DW_FORM_ref_sup4
        | dw::DW_FORM_strx4
        | dw::DW_FORM_addrx4 => Size::Fixed(4),
        dw::DW_FORM_data8 | dw::DW_FORM_ref8 | dw::DW_FORM_ref_sup8 | dw::DW_FORM_ref_sig8 => {
            Size::Fixed(8)
        }
        dw::DW_FORM_data16 => Size::Fixed(16),
        dw::DW_FORM_addr => Size::Fixed(encoding.address_size),
        // Version 2 had it as large as an address.
        dw::DW_FORM_ref_addr if encoding.version <= 2 => Size::Fixed(encoding.address_size),
        dw::DW_FORM_ref_addr
        | dw::DW_FORM_strp
        | dw::DW_FORM_strp_sup
        | dw::DW_FORM_line_strp
        | dw::DW_FORM_sec_offset
        | dw::DW_FORM_GNU_ref_alt
        | dw::DW_FORM_GNU_strp_alt => Size::Fixed(encoding.offset_size),
        dw::DW_FORM_sdata
        | dw::DW_FORM_udata
        | dw::DW_FORM_ref_udata
        | dw::DW_FORM_strx
        | dw::DW_FORM_addrx
        | dw::DW_FORM_loclistx
        | dw::DW_FORM_rnglistx
        | dw::DW_FORM_GNU_addr_index
        | dw::DW_FORM_GNU_str_index => Size::Leb,
        dw::DW_FORM_block1 => Size::Block(1),
        dw::DW_FORM_block2 => Size::Block(2),
        dw::DW_FORM_block4 => Size::Block(4),
        dw::DW_FORM_block | dw::DW_FORM_exprloc => Size::LebBlock,
        dw::DW_FORM_string => Size::Text,
        dw::DW_FORM_indirect => Size::Indirect,
        _ => return None,
    })
}

/// Bytes that are read from front to back, every read checked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) at: usize,
}

impl<'a> Cursor<'a> {
    /// An unsigned LEB128; bits past the 64th are lost.
    #[inline]
    pub(super) fn leb(&mut self) -> Option<u64> {
        let mut value = 0u64;
        let mut shift = 0u32;
        loop {
            if self.at >= self.bytes.len() {
                return None;
            }
            let byte = self.bytes[self.at];
            self.at += 1;
            if shift < 64 {
                value |= ((byte & 0x7f) as u64) << shift;
            }
            if byte < 0x80 {
                return Some(value);
            }
            shift += 7;
        }
    }

    /// A little-endian number of up to eight bytes.
    pub(super) fn number(&mut self, size: u8) -> Option<u64> {
        let end = self.at.checked_add(usize::from(size))?;
        if end > self.bytes.len() || size > 8 {
            return None;
        }
        let mut value = 0u64;
        let mut at = end;
        while at > self.at {
            at -= 1;
            value = value << 8 | self.bytes[at] as u64;
        }
        self.at = end;
        Some(value)
    }

    pub(super) fn text(&mut self) -> Option<&'a [u8]> {
        let rest = self.bytes.get(self.at..)?;
        let len = memchr::memchr(0, rest)?;
        self.at += len + 1;
        rest.get(..len)
    }

    /// Gets past what takes that much.
    #[inline]
    pub(super) fn skip(&mut self, size: Size, encoding: Encoding) -> Option<()> {
        let bytes = match size {
            Size::Fixed(bytes) => bytes as u64,
            Size::Leb => {
                self.leb()?;
                return Some(());
            }
            Size::Block(bytes) => self.number(bytes)?,
            Size::LebBlock => self.leb()?,
            Size::Text => {
                self.text()?;
                return Some(());
            }
            Size::Indirect => {
                let form = u16::try_from(self.leb()?).ok()?;
                // An indirect form that leads to another is nonsense.
                return match self::size(gimli::DwForm(form), encoding)? {
                    Size::Indirect => None,
                    size => self.skip(size, encoding),
                };
            }
        };
        let end = (self.at as u64).checked_add(bytes)?;
        if end > self.bytes.len() as u64 {
            return None;
        }
        self.at = end as usize;
        Some(())
    }
}
