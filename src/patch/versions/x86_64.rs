//! x86-64: flags are nobody's at the entry of a function, and r11 is.

use super::{Version, Words};
use midair_arch::x86_64::jumps;
use std::io;
use std::ptr::from_ref;

/// How long it is at most.
pub(super) fn len(versions: usize) -> usize {
    27 + versions * (9 + jumps::ABSOLUTE)
}

/// `mov r11, fs:[own]; test r11, r11; jne compare; mov r11, all; mov r11, [r11];
/// compare: cmp r11, since; jb next; jmp version; next: …; jmp oldest`. Without a word
/// of the thread's own, the first three are left out. It is for `at`: jumps are direct
/// where they reach, as those need no predictor.
pub(super) fn code(at: usize, words: Words, versions: &[Version]) -> io::Result<Vec<u8>> {
    let mut code = Vec::with_capacity(len(versions.len()));
    if let Some(own) = words.own {
        code.extend([0x64, 0x4c, 0x8b, 0x1c, 0x25]);
        code.extend(own.to_le_bytes());
        code.extend([0x4d, 0x85, 0xdb, 0x75, 13]);
    }
    code.extend([0x49, 0xbb]);
    code.extend((from_ref(words.all) as u64).to_le_bytes());
    code.extend([0x4d, 0x8b, 0x1b]);
    let mut newest_first = versions.iter().rev().peekable();
    while let Some(version) = newest_first.next() {
        if newest_first.peek().is_some() {
            let since = i32::try_from(version.since).map_err(io::Error::other)?;
            code.extend([0x49, 0x81, 0xfb]);
            code.extend(since.to_le_bytes());
            code.push(0x72);
            let jump = jumps::any((at + code.len() + 1) as u64, version.at as u64);
            code.push(jump.len() as u8);
            code.extend(jump);
        } else {
            code.extend(jumps::any((at + code.len()) as u64, version.at as u64));
        }
    }
    Ok(code)
}
