//! The build id: a note that names the exact build of a file.
//!
//! The same bytes are in the file and, once it is loaded, in memory, which is
//! how midair notices that a file was replaced after it was loaded. Other
//! notes are passed over.

use super::fields;

const NT_GNU_BUILD_ID: u32 = 3;

/// Where in `notes` (the bytes of a note section or segment) the build id is.
pub(super) fn build_id(notes: &[u8]) -> Option<&[u8]> {
    let mut at = 0usize;
    loop {
        let name_size = fields::u32_at(notes, at)? as usize;
        let data_size = fields::u32_at(notes, at.checked_add(4)?)? as usize;
        let kind = fields::u32_at(notes, at.checked_add(8)?)?;
        let name_start = at.checked_add(12)?;
        let name_end = name_start.checked_add(name_size)?;
        // Names and data are padded to four bytes. Segments aligned to eight
        // (.note.gnu.property) hold sizes that are multiples of eight anyway.
        let data_start = name_end.checked_next_multiple_of(4)?;
        let data_end = data_start.checked_add(data_size)?;
        let name = notes.get(name_start..name_end)?;
        let data = notes.get(data_start..data_end)?;
        if kind == NT_GNU_BUILD_ID && name == b"GNU\0" && !data.is_empty() {
            return Some(data);
        }
        at = data_end.checked_next_multiple_of(4)?;
    }
}
