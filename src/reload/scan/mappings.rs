//! What of memory is searched: mappings, and which of their pages there are.

use super::Doubt;
use crate::memory::layout::page_size;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;

pub(super) struct Mapping {
    pub(super) range: Range<usize>,
    is_readable: bool,
    /// Others see what is written here, too.
    is_shared: bool,
    is_writable: bool,
    pub(super) name: String,
}

impl Mapping {
    pub(super) fn called(&self) -> String {
        match self.name.as_str() {
            "" => "anonymous memory".to_owned(),
            name => name.to_owned(),
        }
    }

    pub(super) fn is_too_much(&self, bytes: usize) -> Doubt {
        Doubt::TooMuch {
            of: self.called(),
            bytes,
        }
    }
}

/// What is searched, and how.
pub(super) struct Memory {
    pub(super) mappings: Vec<Mapping>,
    /// `/proc/self/pagemap`.
    pub(super) pages: File,
    /// Sorted.
    pub(super) skipped: Vec<Range<usize>>,
}

impl Memory {
    pub(super) fn readable(&self) -> impl Iterator<Item = &Mapping> {
        let kernels = ["[vvar]", "[vsyscall]"];
        let readable = move |mapping: &&Mapping| {
            mapping.is_readable && !kernels.contains(&mapping.name.as_str())
        };
        self.mappings.iter().filter(readable)
    }
}

pub(super) fn mappings() -> io::Result<Vec<Mapping>> {
    let text = std::fs::read("/proc/self/maps")?;
    let text = String::from_utf8_lossy(&text);
    let parse = |line: &str| {
        let mut fields = line.splitn(6, ' ');
        let (start, end) = fields.next()?.split_once('-')?;
        let hex = |text: &str| usize::from_str_radix(text, 16).ok();
        let rights = fields.next()?.as_bytes();
        Some(Mapping {
            range: hex(start)?..hex(end)?,
            is_readable: rights.first() == Some(&b'r'),
            is_writable: rights.get(1) == Some(&b'w'),
            is_shared: rights.get(3) == Some(&b's'),
            name: fields.nth(3).unwrap_or_default().trim_start().to_owned(),
        })
    };
    let unknown = || io::Error::other("/proc/self/maps is not as expected");
    let lines = text.lines();
    lines.map(|line| parse(line).ok_or_else(unknown)).collect()
}

/// What stands in pages of a part of a mapping that are not as their file has them.
pub(super) fn written(
    part: Range<usize>,
    mapping: &Mapping,
    pages: &File,
) -> io::Result<Vec<Range<usize>>> {
    const PRESENT: u64 = 1 << 63;
    const SWAPPED: u64 = 1 << 62;
    const OF_FILE_OR_SHARED: u64 = 1 << 61;
    let page = page_size();
    let counts_all = mapping.is_shared && mapping.is_writable;
    let mut runs: Vec<Range<usize>> = Vec::new();
    let mut entries = [0_u8; 8 * 512];
    let mut shared = [0_u8; 512];
    let mut at = part.start & !(page - 1);
    while at < part.end {
        let count = (part.end - at).div_ceil(page).min(512);
        let bytes = &mut entries[..8 * count];
        pages.read_exact_at(bytes, (at / page * 8) as u64)?;
        if counts_all {
            has_pages(at, &mut shared[..count]);
        }
        for (entry, shared) in bytes.chunks_exact(8).zip(shared) {
            let entry = entry.try_into().map_or(u64::MAX, u64::from_ne_bytes);
            let is_there = entry & (PRESENT | SWAPPED) != 0 || shared & 1 != 0;
            if is_there && (counts_all || entry & OF_FILE_OR_SHARED == 0) {
                match runs.last_mut().filter(|last| last.end == at) {
                    Some(last) => last.end += page,
                    None => runs.push(at..at + page),
                }
            }
            at += page;
        }
    }
    if let Some(first) = runs.first_mut() {
        first.start = first.start.max(part.start);
    }
    if let Some(last) = runs.last_mut() {
        last.end = last.end.min(part.end);
    }
    Ok(runs)
}

/// Which pages of shared memory there are, also such as others have made and this
/// process has not touched: the lowest bit of each.
fn has_pages(at: usize, pages: &mut [u8]) {
    let len = pages.len() * page_size();
    // SAFETY: there is a byte for each page.
    if unsafe { libc::mincore(at as *mut libc::c_void, len, pages.as_mut_ptr()) } != 0 {
        // Whoever reads them learns that they are gone.
        pages.fill(1);
    }
}

/// What is left of a stretch; `holes` are sorted.
pub(super) fn without(stretch: Range<usize>, holes: &[Range<usize>]) -> Vec<Range<usize>> {
    let mut left = Vec::new();
    let mut from = stretch.start;
    for hole in holes {
        if hole.end <= from || hole.start >= stretch.end {
            continue;
        }
        if hole.start > from {
            left.push(from..hole.start);
        }
        from = hole.end;
    }
    if from < stretch.end {
        left.push(from..stretch.end);
    }
    left
}
