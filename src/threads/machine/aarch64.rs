//! aarch64, as Linux shows it.

use crate::threads::own_memory;
use midair_arch::aarch64::BREAKPOINT;
use std::mem::offset_of;

/// How many general registers there are, numbered as DWARF does it: x0 to x30,
/// the stack pointer, and the program counter.
pub(crate) const COUNT: usize = 33;
/// The link register: the return address, until a function keeps it.
pub(crate) const LR: usize = 30;
/// The stack pointer.
pub(crate) const SP: usize = 31;
/// The program counter.
pub(crate) const PC: usize = 32;
/// What a function keeps for its caller: x19 to x29 (AAPCS64 6.1.1).
pub(crate) const CALLEE_SAVED: u64 = 0x7ff << 19;
/// Nothing below the stack pointer is anybody's (AAPCS64 6.2.2).
pub(crate) const RED_ZONE: usize = 0;

/// How many words of glibc's `struct pthread` are looked at.
pub(crate) const THREAD_BLOCK: usize = 29;

/// Whether glibc's `struct pthread` of that thread begins at `at` with these words. It
/// begins with 24 words of room and the links of a list; then come the thread's id and
/// its list of robust mutexes, which leads to itself from both ends as long as the
/// thread has locked none.
pub(crate) fn is_thread_block(at: usize, words: &[usize], tid: i32) -> bool {
    let robust = at + 28 * 8;
    words[26] as u32 == tid as u32 && words[27] == robust && words[28] == robust
}

/// Where in a `ucontext_t` the register is: `regs`, `sp` and `pc` follow each
/// other.
pub(crate) const fn offset_in_context(register: usize) -> usize {
    offset_of!(libc::ucontext_t, uc_mcontext) + offset_of!(libc::mcontext_t, regs) + 8 * register
}

/// `si_code` of a `brk`: TRAP_BRKPT.
pub(crate) const BREAKPOINT_CODE: i32 = 1;

/// Where the breakpoint is that has trapped: the saved PC is at it.
pub(crate) fn trapped_at(context: &libc::ucontext_t) -> usize {
    context.uc_mcontext.pc as usize
}

/// The thread goes on at `pc` when the handler returns.
pub(crate) fn go_on(context: &mut libc::ucontext_t, pc: usize) {
    context.uc_mcontext.pc = pc as u64;
}

/// Whether midair's breakpoint stands at `at`.
///
/// # Safety
///
/// The word is mapped, and aligned as instructions are.
pub(crate) unsafe fn is_breakpoint(at: usize) -> bool {
    // SAFETY: the caller's promise.
    unsafe { (at as *const u32).read_volatile() == BREAKPOINT }
}

/// Where in a signal frame, from the stack pointer that the handler's return
/// finds, the `ucontext_t` is: behind the `siginfo_t`.
pub(crate) const CONTEXT_IN_FRAME: usize = size_of::<libc::siginfo_t>();

/// Where in a `ucontext_t` a word is that is the same in all of them: the head
/// of what was saved of the vector registers, which comes first. Fault address,
/// 31 registers, sp, pc and flags are before it, aligned to 16.
pub(crate) const MARK_IN_CONTEXT: usize = offset_of!(libc::ucontext_t, uc_mcontext) + 288;

/// Whether a word is FPSIMD_MAGIC and the size of such a record.
pub(crate) fn is_mark(word: usize) -> bool {
    word == 0x0210_4650_8001
}

/// Whether a context may begin behind this word of a stack. The return address
/// of a handler is in a register.
pub(crate) fn may_begin_behind(_: Option<usize>) -> bool {
    true
}

/// Whether code that was or was not left by a call has something on the stack: a
/// function that calls nobody need not.
pub(crate) fn has_frame(after_call: bool) -> bool {
    after_call
}

/// There is none; `clone` has a flag.
pub(crate) const VFORK: Option<libc::c_long> = None;

/// Whether the instruction before `at` is a call. Not so where a displaced call
/// was: a patched entry has another instruction there now, so that whoever
/// patches has to know.
pub(crate) fn is_after_call(at: usize) -> bool {
    let Some([word]) = words(at.wrapping_sub(4)) else {
        return true; // not to be told
    };
    let is_bl = word & 0xfc00_0000 == 0x9400_0000;
    // blr, blraaz, blrabz; blraa, blrab.
    let is_blr = word & 0xfeff_f000 == 0xd63f_0000;
    is_bl || is_blr
}

/// Whether the code at `pc` is `mov x8, #139; svc #0`: what a signal handler
/// returns to.
pub(crate) fn is_signal_return(pc: usize) -> bool {
    words(pc) == Some([0xd280_1168, 0xd400_0001])
}

/// Instructions, if all of them are readable.
fn words<const COUNT: usize>(at: usize) -> Option<[u32; COUNT]> {
    let mut bytes = [[0; 4]; COUNT];
    let flat = bytes.as_flattened_mut();
    let is_read = at.is_multiple_of(4) && own_memory::read(at, flat) == flat.len();
    is_read.then(|| bytes.map(u32::from_le_bytes))
}

/// A return address without the signature that `paciasp` puts into its upper
/// bits.
pub(crate) fn without_signature(address: usize) -> usize {
    let stripped: usize;
    // xpaclri, of x30; a processor without signatures takes it for a nop.
    // SAFETY: changes one register.
    unsafe {
        std::arch::asm!(
            "hint #7",
            inlateout("x30") address => stripped,
            options(nomem, nostack, preserves_flags),
        );
    }
    stripped
}

/// Whose extensions call frame information has.
pub(crate) const VENDOR: gimli::Vendor = gimli::Vendor::AArch64;

/// Whether a function that says nothing of its return address has it in a
/// register.
pub(crate) const RETURN_IN_REGISTER: bool = true;
