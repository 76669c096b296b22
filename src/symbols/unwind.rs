//! Function ranges from `.eh_frame`.
//!
//! Compilers describe how to unwind nearly every function, stripped file or
//! not, so this is the best list of functions there is. gimli reads the
//! entries; they are stepped through here, so that one unreadable entry does
//! not hide those behind it and a zero terminator in the middle (left by
//! linkers that join sections) does not end the list.

use std::collections::HashMap;

use gimli::{BaseAddresses, EhFrame, EhFrameHdr, EhFrameOffset, LittleEndian, UnwindSection};
use goblin::elf::program_header::PT_GNU_EH_FRAME;

use super::address::FileAddress;
use super::fields;
use super::image::Image;
use super::problem::Problem;

/// Calls `found` with the start and the length of every function that has
/// unwind information; gives what could not be read.
pub(super) fn ranges(image: &Image, mut found: impl FnMut(u64, u64)) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (address, bytes) in sections(image) {
        problems.extend(section_ranges(image, address, bytes, &mut found));
    }
    problems
}

/// `.eh_frame`, and the one that BOLT leaves for functions it did not move.
fn sections(image: &Image) -> Vec<(u64, &[u8])> {
    let headers = image.headers();
    let named: Vec<_> = [".eh_frame", ".bolt.org.eh_frame"]
        .into_iter()
        .filter_map(|name| headers.section(name))
        .filter_map(|section| Some((section.address, section.bytes(image.data())?)))
        .collect();
    if named.is_empty() {
        return through_segment(image).into_iter().collect();
    }
    named
}

/// Without section headers: `PT_GNU_EH_FRAME` knows where `.eh_frame` begins.
/// Where it ends nobody says, so a zero terminator ends it.
fn through_segment(image: &Image) -> Option<(u64, &[u8])> {
    let mut segments = image.headers().segments.iter();
    let segment = segments.find(|segment| segment.kind == PT_GNU_EH_FRAME)?;
    let header = fields::slice(image.data(), segment.offset, segment.file_size)?;
    let bases = BaseAddresses::default().set_eh_frame_hdr(segment.address);
    let header = EhFrameHdr::new(header, LittleEndian);
    let header = header.parse(&bases, 8).ok()?;
    let address = header.eh_frame_ptr().direct().ok()?;
    let bytes = image.rest_of_segment(FileAddress(address))?;
    Some((address, bytes.get(..terminator(bytes))?))
}

/// The offset of the terminator of `.eh_frame`, or of what is no record.
fn terminator(bytes: &[u8]) -> usize {
    let mut at = 0;
    while let Some(record) = Record::at(bytes, at).filter(|record| !record.is_terminator()) {
        at = record.end;
    }
    at
}

/// An entry of `.eh_frame`, not read yet.
struct Record {
    /// Where its first field after the length is.
    id: usize,
    end: usize,
}

impl Record {
    fn at(bytes: &[u8], at: usize) -> Option<Record> {
        let (id, length) = match fields::u32_at(bytes, at)? {
            u32::MAX => {
                let id = at.checked_add(12)?;
                (id, fields::u64_at(bytes, at.checked_add(4)?)?)
            }
            length => (at.checked_add(4)?, u64::from(length)),
        };
        let end = id.checked_add(usize::try_from(length).ok()?)?;
        (end <= bytes.len()).then_some(Record { id, end })
    }

    fn is_terminator(&self) -> bool {
        self.id == self.end
    }

    /// A CIE has zero where an FDE says how far back its CIE is.
    fn is_fde(&self, bytes: &[u8]) -> bool {
        !self.is_terminator() && fields::u32_at(bytes, self.id).is_some_and(|id| id != 0)
    }
}

fn section_ranges(
    image: &Image,
    address: u64,
    bytes: &[u8],
    found: &mut impl FnMut(u64, u64),
) -> Option<Problem> {
    let bases = BaseAddresses::default().set_eh_frame(address);
    let section = EhFrame::new(bytes, LittleEndian);
    let mut cies = HashMap::new();
    let mut problem = None;
    let mut failed = |at: usize, source: gimli::Error| {
        let (first, count, source) = problem.take().unwrap_or((at as u64, 0usize, source));
        problem = Some((first, count.saturating_add(1), source));
    };
    let mut at = 0usize;
    while at < bytes.len() {
        let Some(record) = Record::at(bytes, at) else {
            failed(
                at,
                gimli::Error::UnexpectedEof(gimli::ReaderOffsetId(at as u64)),
            );
            break;
        };
        if record.is_fde(bytes) {
            let fde = section.fde_from_offset(&bases, EhFrameOffset(at), |section, bases, cie| {
                if let Some(known) = cies.get(&cie.0) {
                    return Clone::clone(known);
                }
                let read = section.cie_from_offset(bases, cie);
                cies.insert(cie.0, read.clone());
                read
            });
            match fde {
                Ok(fde) if image.regions().containing(fde.initial_address()).is_some() => {
                    // Unwinders look up the byte before a return address, so
                    // that of a signal handler's frame begins one byte early.
                    let early = u64::from(fde.cie().is_signal_trampoline());
                    let start = fde.initial_address().saturating_add(early);
                    found(start, fde.len().saturating_sub(early));
                }
                // Of a function that the linker dropped, or that BOLT moved.
                Ok(_) => {}
                Err(source) => failed(at, source),
            }
        }
        at = record.end;
    }
    problem.map(|(first, count, source)| Problem::Unwind {
        section: FileAddress(address),
        first,
        count,
        source,
    })
}
