//! x86-64: flags are nobody's at the entry of a function, and r11 is.

use crate::patch::arrival::dispatch;
use midair_arch::x86_64::jumps;

/// The part of a selector that goes to the thunk.
pub(super) const ALWAYS: usize = 25;

/// The part that goes to the original. A C-variadic function is told in `al` how many
/// vector registers have arguments at most (System V ABI for x86-64, 3.5.7), and is
/// called by thunks that do not know that it is one.
pub(super) const ORIGINAL: usize = ALWAYS + 24;

/// `add dword ptr fs:[cell], 1; js always; jmp original; always: mov r11, arrival;
/// jmp dispatch; mov eax, 8; jmp original`. Without a cell, the first two are `jmp always`.
pub(super) fn code(original: usize, cell: Option<i32>, arrival: usize) -> Vec<u8> {
    let mut code = Vec::with_capacity(80);
    match cell {
        Some(cell) => {
            code.extend([0x64, 0x83, 0x04, 0x25]);
            code.extend(cell.to_le_bytes());
            code.push(1);
            code.extend([0x78, 0x0e]);
        }
        None => code.extend([
            0xeb, 0x17, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc,
        ]),
    }
    code.extend(jumps::absolute(original as u64));
    debug_assert_eq!(code.len(), ALWAYS);
    code.extend([0x49, 0xbb]);
    code.extend((arrival as u64).to_le_bytes());
    let dispatch: extern "C" fn() = dispatch;
    code.extend(jumps::absolute(dispatch as usize as u64));
    debug_assert_eq!(code.len(), ORIGINAL);
    code.extend([0xb8, 8, 0, 0, 0]);
    code.extend(jumps::absolute(original as u64));
    code
}

/// What `fs` is for the calling thread.
pub(crate) fn thread_pointer() -> usize {
    let pointer: usize;
    // SAFETY: the x86-64 ABI of thread-local storage: the word at fs:0 is its own
    // address.
    unsafe { core::arch::asm!("mov {}, fs:[0]", out(reg) pointer, options(nostack, readonly)) };
    pointer
}
