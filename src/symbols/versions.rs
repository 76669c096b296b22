//! Symbol versions: which of several symbols of one name a program linked
//! today would get.
//!
//! `memcpy@GLIBC_2.2.5` is kept in libc for old programs, beside the default
//! `memcpy@@GLIBC_2.14`. In `.dynsym` both are called `memcpy`; the difference
//! is in two tables beside it.

use super::fields;

/// Set in the number of a version that is not the default one.
const HIDDEN: u16 = 0x8000;

/// The two version tables of `.dynsym`, and its strings.
#[derive(Clone, Copy, Debug)]
pub(super) struct Versions<'a> {
    pub(super) numbers: &'a [u8],
    pub(super) definitions: &'a [u8],
    pub(super) strings: &'a [u8],
}

impl<'a> Versions<'a> {
    /// The version of the symbol with that number in `.dynsym`, if it is not
    /// the default one.
    pub(super) fn old_version(&self, symbol: u32) -> Option<&'a [u8]> {
        let number = fields::u16_at(self.numbers, (symbol as usize).checked_mul(2)?)?;
        if number & HIDDEN == 0 {
            return None;
        }
        let wanted = number & !HIDDEN;
        let mut at = 0usize;
        loop {
            let definition = self.definitions.get(at..)?;
            if fields::u16_at(definition, 4)? == wanted {
                let names = fields::u32_at(definition, 12)? as usize;
                let name = fields::u32_at(definition, names)? as usize;
                return fields::c_string(self.strings, name);
            }
            let next = fields::u32_at(definition, 16)? as usize;
            if next == 0 {
                return None;
            }
            at = at.checked_add(next)?;
        }
    }
}
