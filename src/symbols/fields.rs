//! Little-endian fields of a file in memory, every read checked.
//!
//! An ELF file may say anything about itself. All offsets and sizes that come
//! from a file go through these functions, so that a wrong one is a `None` and
//! never a panic.

/// `size` bytes at `offset`.
pub(super) fn slice(data: &[u8], offset: u64, size: u64) -> Option<&[u8]> {
    let start = usize::try_from(offset).ok()?;
    let end = start.checked_add(usize::try_from(size).ok()?)?;
    data.get(start..end)
}

fn array<const N: usize>(data: &[u8], offset: usize) -> Option<[u8; N]> {
    data.get(offset..)?.first_chunk().copied()
}

pub(super) fn u16_at(data: &[u8], offset: usize) -> Option<u16> {
    array(data, offset).map(u16::from_le_bytes)
}

pub(super) fn u32_at(data: &[u8], offset: usize) -> Option<u32> {
    array(data, offset).map(u32::from_le_bytes)
}

pub(super) fn u64_at(data: &[u8], offset: usize) -> Option<u64> {
    array(data, offset).map(u64::from_le_bytes)
}

/// The bytes up to the next NUL, which must be there.
pub(super) fn c_string(data: &[u8], offset: usize) -> Option<&[u8]> {
    let from = data.get(offset..)?;
    from.get(..memchr::memchr(0, from)?)
}
