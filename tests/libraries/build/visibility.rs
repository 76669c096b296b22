//! Makes the functions of a static archive visible outside of the shared
//! object it is linked into.
//!
//! `libz-sys` compiles with `-fvisibility=hidden`, which suits a static link
//! and leaves a shared object with nothing to look up. The visibility of a
//! symbol is two bits of `st_other` in the object's symbol table: this copies
//! the archive with those bits cleared for every defined global function. Code
//! and data stay as they were compiled.
//!
//! Reads 64-bit little-endian ELF in a System V archive. Anything else stops
//! the build.

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

const ARCHIVE_MAGIC: &[u8] = b"!<arch>\n";
const MEMBER_HEADER: usize = 60;
const ELF_MAGIC: &[u8] = b"\x7fELF\x02\x01";
const SYMTAB: u32 = 2;
const SYMBOL: usize = 24;
const GLOBAL: u8 = 1;
const FUNCTION: u8 = 2;
const VISIBILITY: u8 = 3;

/// Copies the archive `from` to `to` with its functions made visible.
pub(crate) fn export_functions(from: &Path, to: &Path) -> PathBuf {
    println!("cargo::rerun-if-changed={}", from.display());
    let mut bytes =
        fs::read(from).unwrap_or_else(|error| panic!("failed to read {}: {error}", from.display()));
    let mut exported = 0;
    for member in members(&bytes) {
        if bytes[member.clone()].starts_with(ELF_MAGIC) {
            exported += export(&mut bytes[member]);
        }
    }
    assert!(exported > 0, "{} defines no function", from.display());
    fs::write(to, bytes)
        .unwrap_or_else(|error| panic!("failed to write {}: {error}", to.display()));
    to.to_path_buf()
}

/// Where in the archive each member's content lies.
fn members(archive: &[u8]) -> Vec<Range<usize>> {
    assert!(archive.starts_with(ARCHIVE_MAGIC), "not an archive");
    let mut members = Vec::new();
    let mut at = ARCHIVE_MAGIC.len();
    while at + MEMBER_HEADER <= archive.len() {
        let size = std::str::from_utf8(&archive[at + 48..at + 58])
            .ok()
            .and_then(|text| text.trim_end().parse::<usize>().ok())
            .unwrap_or_else(|| panic!("the archive member at {at:#x} has no size"));
        let start = at + MEMBER_HEADER;
        members.push(start..start + size);
        at = start + size.next_multiple_of(2);
    }
    members
}

/// Clears the visibility of each global function that `object` defines, and
/// says how many there are.
fn export(object: &mut [u8]) -> usize {
    let headers = read(object, 0x28, u64::from_le_bytes) as usize;
    let header_size = read(object, 0x3a, u16::from_le_bytes) as usize;
    let header_count = read(object, 0x3c, u16::from_le_bytes) as usize;
    let mut exported = 0;
    for index in 0..header_count {
        let header = headers + index * header_size;
        if read(object, header + 4, u32::from_le_bytes) != SYMTAB {
            continue;
        }
        let table = read(object, header + 0x18, u64::from_le_bytes) as usize;
        let length = read(object, header + 0x20, u64::from_le_bytes) as usize;
        for symbol in object[table..table + length].chunks_exact_mut(SYMBOL) {
            let (binding, kind) = (symbol[4] >> 4, symbol[4] & 15);
            let defined = symbol[6..8] != [0, 0];
            if binding == GLOBAL && kind == FUNCTION && defined {
                symbol[5] &= !VISIBILITY;
                exported += 1;
            }
        }
    }
    exported
}

/// The little-endian integer at `at`.
fn read<const N: usize, T>(bytes: &[u8], at: usize, decode: fn([u8; N]) -> T) -> T {
    decode(bytes[at..at + N].try_into().expect("a slice of N bytes"))
}
