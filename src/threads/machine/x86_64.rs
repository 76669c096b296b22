//! x86-64, as Linux shows it.

use crate::threads::own_memory;
use midair_arch::x86_64::INT3;
use std::mem::offset_of;

/// How many general registers there are, the program counter included, numbered
/// as DWARF does it (System V ABI, figure 3.36).
pub(crate) const COUNT: usize = 17;
/// The frame pointer, in functions that have one.
pub(crate) const BP: usize = 6;
/// The stack pointer.
pub(crate) const SP: usize = 7;
/// The program counter, where DWARF has the return address.
pub(crate) const PC: usize = 16;
/// What a function keeps for its caller: rbx, rbp, r12 to r15.
pub(crate) const CALLEE_SAVED: u64 = 1 << 3 | 1 << 6 | 0b1111 << 12;
/// Bytes below the stack pointer that a function may use (System V ABI).
pub(crate) const RED_ZONE: usize = 128;

/// How many words of glibc's `struct pthread` are looked at.
pub(crate) const THREAD_BLOCK: usize = 128;

/// Whether glibc's `struct pthread` of that thread begins at `at` with these words: with
/// its own address, which is in its third word again, and the thread's id not far
/// behind.
pub(crate) fn is_thread_block(at: usize, words: &[usize], tid: i32) -> bool {
    words[0] == at && words[2] == at && words.iter().any(|word| *word as u32 == tid as u32)
}

/// For each register, where a `ucontext_t` has it (an index of `gregs`).
const IN_CONTEXT: [libc::c_int; COUNT] = [
    libc::REG_RAX,
    libc::REG_RDX,
    libc::REG_RCX,
    libc::REG_RBX,
    libc::REG_RSI,
    libc::REG_RDI,
    libc::REG_RBP,
    libc::REG_RSP,
    libc::REG_R8,
    libc::REG_R9,
    libc::REG_R10,
    libc::REG_R11,
    libc::REG_R12,
    libc::REG_R13,
    libc::REG_R14,
    libc::REG_R15,
    libc::REG_RIP,
];

/// Where in a `ucontext_t` the register is.
pub(crate) const fn offset_in_context(register: usize) -> usize {
    offset_of!(libc::ucontext_t, uc_mcontext) + 8 * IN_CONTEXT[register] as usize
}

/// `si_code` of an `int3`: what the kernel itself raises (asm-generic/siginfo.h).
pub(crate) const BREAKPOINT_CODE: i32 = 0x80;

/// Where the breakpoint is that has trapped: the saved PC is behind its one byte.
pub(crate) fn trapped_at(context: &libc::ucontext_t) -> usize {
    (context.uc_mcontext.gregs[libc::REG_RIP as usize] as usize).wrapping_sub(1)
}

/// The thread goes on at `pc` when the handler returns.
pub(crate) fn go_on(context: &mut libc::ucontext_t, pc: usize) {
    context.uc_mcontext.gregs[libc::REG_RIP as usize] = pc as i64;
}

/// Whether an `int3` stands at `at`.
///
/// # Safety
///
/// The byte is mapped.
pub(crate) unsafe fn is_breakpoint(at: usize) -> bool {
    // SAFETY: the caller's promise.
    unsafe { (at as *const u8).read_volatile() == INT3 }
}

/// Where in a signal frame, from the stack pointer that the handler's return
/// finds, the `ucontext_t` is.
pub(crate) const CONTEXT_IN_FRAME: usize = 0;

/// Where in a `ucontext_t` a word is that is the same in all of them: the one
/// with the code segment.
pub(crate) const MARK_IN_CONTEXT: usize =
    offset_of!(libc::ucontext_t, uc_mcontext) + 8 * libc::REG_CSGSFS as usize;

/// Whether a word has the code segment of 64-bit programs.
pub(crate) fn is_mark(word: usize) -> bool {
    const USER_CS: usize = 0x33;
    word & 0xffff == USER_CS
}

/// Whether a context may begin behind this word of a stack: the return address
/// of a handler.
pub(crate) fn may_begin_behind(word: Option<usize>) -> bool {
    word.is_some_and(is_signal_return)
}

/// Whether code that was or was not left by a call has something on the stack:
/// the return address at least.
pub(crate) fn has_frame(_after_call: bool) -> bool {
    true
}

/// The call that suspends its caller until the child has another memory.
pub(crate) const VFORK: Option<libc::c_long> = Some(libc::SYS_vfork);

/// Whether the bytes before `at` are a call instruction, as far as bytes can
/// say. Not so where a displaced call was: a patched entry has other bytes
/// there now, so that whoever patches has to know.
pub(crate) fn is_after_call(at: usize) -> bool {
    let mut before = [0; 7];
    let have = own_memory::read(at.wrapping_sub(7), &mut before);
    if have < before.len() {
        return true; // not to be told
    }
    // e8 rel32
    if before[2] == 0xe8 {
        return true;
    }
    // ff /2, ff /3: two to seven bytes.
    (2..=7).any(|length| {
        let bytes = &before[7 - length..];
        bytes[0] == 0xff && matches!(bytes[1] >> 3 & 7, 2 | 3)
    })
}

/// Whether the code at `pc` is `mov $15,%eax; syscall`: what a signal handler
/// returns to.
pub(crate) fn is_signal_return(pc: usize) -> bool {
    const LONG: [u8; 9] = [0x48, 0xc7, 0xc0, 0x0f, 0, 0, 0, 0x0f, 0x05];
    const SHORT: [u8; 7] = [0xb8, 0x0f, 0, 0, 0, 0x0f, 0x05];
    let mut code = [0; LONG.len()];
    let have = own_memory::read(pc, &mut code);
    code[..have].starts_with(&LONG) || code[..have].starts_with(&SHORT)
}

/// Whose extensions call frame information has.
pub(crate) const VENDOR: gimli::Vendor = gimli::Vendor::Default;

/// Whether a function that says nothing of its return address has it in a
/// register.
pub(crate) const RETURN_IN_REGISTER: bool = false;

/// Return addresses are not signed.
pub(crate) fn without_signature(address: usize) -> usize {
    address
}
