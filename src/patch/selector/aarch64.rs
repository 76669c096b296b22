//! aarch64: x16 and x17 are nobody's at the entry of a function.

use crate::patch::arrival::dispatch;

/// The part of a selector that goes to the thunk.
pub(super) const ALWAYS: usize = 32;

/// The part that goes to the original.
pub(super) const ORIGINAL: usize = 24;

/// Reads, counts and tests the cell; `ldr x16, original; br x16; always: ldr x17,
/// arrival; ldr x16, dispatch; br x16`. Without a cell, the first is `b always`.
pub(super) fn code(original: usize, cell: Option<i32>, arrival: usize) -> Vec<u8> {
    // The two immediates reach 16 MB beyond the thread pointer, where all
    // thread-local storage of a program is.
    let cell = cell
        .and_then(|c| u32::try_from(c).ok())
        .filter(|c| c % 4 == 0 && *c < 1 << 24);
    let words: [u32; 12] = [
        cell.map_or(0x1400_0008, |_| 0xd53b_d050), // mrs x16, tpidr_el0; or b always
        0x9140_0210 | (cell.unwrap_or(0) >> 12) << 10, // add x16, x16, #high, lsl #12
        0xb940_0211 | ((cell.unwrap_or(0) & 0xfff) / 4) << 10, // ldr w17, [x16, #low]
        0x1100_0631,                               // add w17, w17, #1
        0xb900_0211 | ((cell.unwrap_or(0) & 0xfff) / 4) << 10, // str w17, [x16, #low]
        0x37f8_0071,                               // tbnz w17, #31, always
        0x5800_00d0,                               // ldr x16, original (+24)
        0xd61f_0200,                               // br x16
        0x5800_00d1,                               // always: ldr x17, arrival (+24)
        0x5800_00f0,                               // ldr x16, dispatch (+28)
        0xd61f_0200,                               // br x16
        0xd503_201f,                               // nop
    ];
    let dispatch: extern "C" fn() = dispatch;
    let mut code: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    for value in [original, arrival, dispatch as usize] {
        code.extend((value as u64).to_le_bytes());
    }
    code
}

/// What `tpidr_el0` is for the calling thread.
pub(crate) fn thread_pointer() -> usize {
    let pointer: usize;
    // SAFETY: reading it is always allowed.
    unsafe { core::arch::asm!("mrs {}, tpidr_el0", out(reg) pointer, options(nostack, nomem)) };
    pointer
}
