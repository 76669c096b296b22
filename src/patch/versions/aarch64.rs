//! aarch64: x16 and x17 are nobody's at the entry of a function.

use super::{Version, Words};
use std::io;
use std::ptr::from_ref;

/// `br x16`
const BR: u32 = 0xd61f_0200;

/// How long it is at most.
pub(super) fn len(versions: usize) -> usize {
    let lines: usize = 4 + 2 + 5 * (versions - 1) + 2;
    4 * lines.next_multiple_of(2) + 8 * 2 * versions
}

/// `mrs x16, tpidr_el0; add x16, x16, #high, lsl #12; ldr x16, [x16, #low]; cbnz
/// x16, compare; ldr x16, all; ldar x16, [x16]; compare: ldr x17, since; cmp x16,
/// x17; b.lo next; ldr x16, version; br x16; next: …; ldr x16, oldest; br x16`, and
/// the data behind it. Without a word of the thread's own, the first four are left
/// out.
pub(super) fn code(_: usize, words: Words, versions: &[Version]) -> io::Result<Vec<u8>> {
    // The two immediates reach 16 MB beyond the thread pointer, where all
    // thread-local storage of a program is.
    let own = match words.own.map(u32::try_from) {
        Some(Ok(own)) if own % 8 == 0 && own < 1 << 24 => Some(own),
        Some(_) => return Err(io::Error::other("the thread's word is out of reach")),
        None => None,
    };
    let mut code: Vec<u32> = match own {
        Some(own) => vec![
            0xd53b_d050,                             // mrs x16, tpidr_el0
            0x9140_0210 | (own >> 12) << 10,         // add x16, x16, #high, lsl #12
            0xf940_0210 | ((own & 0xfff) / 8) << 10, // ldr x16, [x16, #low]
            0xb500_0070,                             // cbnz x16, +12
        ],
        None => Vec::new(),
    };
    let lines = code.len() + 2 + 5 * (versions.len() - 1) + 2;
    // Data are aligned to eight bytes: blocks of the arena are to sixteen.
    let data_at = lines.next_multiple_of(2);
    let mut data = vec![from_ref(words.all) as u64];
    code.push(literal(16, code.len(), data_at)); // ldr x16, all
    code.push(0xc8df_fe10); // ldar x16, [x16]
    let mut newest_first = versions.iter().rev().peekable();
    while let Some(version) = newest_first.next() {
        if newest_first.peek().is_some() {
            code.push(literal(17, code.len(), data_at + 2 * data.len()));
            data.push(version.since);
            code.push(0xeb11_021f); // cmp x16, x17
            code.push(0x5400_0063); // b.lo +12
        }
        code.push(literal(16, code.len(), data_at + 2 * data.len()));
        data.push(version.at as u64);
        code.push(BR);
    }
    debug_assert_eq!(code.len(), lines);
    code.resize(data_at, 0xd420_0020); // brk #1
    let code = code.into_iter().flat_map(u32::to_le_bytes);
    let data = data.into_iter().flat_map(u64::to_le_bytes);
    Ok(code.chain(data).collect())
}

/// `ldr x, data`, both counted in words from the beginning.
fn literal(register: u32, at: usize, data: usize) -> u32 {
    0x5800_0000 | ((data - at) as u32) << 5 | register
}
