//! Where functions are entered from elsewhere, past their start.
//!
//! Hand-written assembly does it: glibc's `mempcpy` ends with a jump to three
//! bytes behind the start of `memcpy`. Such a place must not be covered by a
//! jump unawares, so all code of an image is swept once for direct branches that
//! lead to the first bytes of another function.
//!
//! Code between functions that no symbol and no unwind range tells of is swept
//! as well. Indirect branches are not seen. Code of more than [`MOST_CODE`] bytes is not
//! swept, since that would take longer than a patch should: it is said to be
//! unknown then.

use super::address::FileAddress;
use super::image::{Image, Machine};
use midair_arch::{TargetAddress, aarch64, x86_64};

/// How many bytes of code are swept.
const MOST_CODE: u64 = 6 << 20;
/// How many bytes behind a function's start are of interest: a landing pad, a
/// jump, and the instruction that it cuts.
const FIRST_BYTES: u64 = 24;

/// The places, sorted, or none if the code was not swept.
pub(super) fn places(image: &Image) -> Option<Box<[FileAddress]>> {
    let functions = image.functions();
    let range = image.load_range();
    let whole = FileAddress(range.start.0.saturating_sub(1))..range.end;
    let starts: Vec<FileAddress> = functions.entries_between(whole).collect();
    let chunk = |index: usize| {
        let start = *starts.get(index)?;
        let section_end = image.code_end(start)?;
        let next = starts.get(index + 1).copied().unwrap_or(section_end);
        Some((start, next.min(section_end)))
    };
    let chunks = || (0..starts.len()).filter_map(chunk);
    if chunks().map(|(start, end)| end.0 - start.0).sum::<u64>() > MOST_CODE {
        return None;
    }
    let mut found = Vec::new();
    for (start, end) in chunks() {
        let Some(code) = image.code(start, (end.0 - start.0) as usize) else {
            continue;
        };
        let each = |from: TargetAddress, to: TargetAddress| {
            let to = FileAddress(to.get());
            if (start..end).contains(&to) {
                return;
            }
            let behind = starts.partition_point(|known| *known <= to);
            let enters = starts[..behind]
                .iter()
                .rev()
                .take_while(|known| to.0 - known.0 < FIRST_BYTES)
                .filter(|known| **known < to)
                .filter_map(|known| functions.extent(*known))
                .any(|extent| !extent.contains(FileAddress(from.get())));
            // Between functions there may be tables, which decode to anything;
            // what leads into the middle of an instruction is no branch.
            let is_code = functions.containing(FileAddress(from.get())).is_some();
            if enters && (is_code || begins_an_instruction(image, to)) {
                found.push(to);
            }
        };
        let at = TargetAddress::new(start.0);
        match image.machine() {
            Machine::X86_64 => x86_64::near_branches(code, at, each),
            Machine::Aarch64 => aarch64::near_branches(code, at, each),
        }
    }
    found.sort_unstable();
    found.dedup();
    Some(found.into_boxed_slice())
}

/// Whether an instruction of the function around `at` begins there.
fn begins_an_instruction(image: &Image, at: FileAddress) -> bool {
    let Some(function) = image.functions().containing(at) else {
        return false;
    };
    if image.machine() == Machine::Aarch64 {
        return at.0.is_multiple_of(aarch64::WORD as u64);
    }
    let len = (at.0 - function.start.0) as usize;
    let Some(code) = image.code(function.start, len) else {
        return false;
    };
    let from = TargetAddress::new(function.start.0);
    let instructions = x86_64::Displaced::decode(code, from, len);
    instructions.last().is_some_and(|last| last.end() == at.0)
}
