//! aarch64: the dispatcher, which keeps every register but x16 and x17: these two
//! are nobody's between a call and its target. Of scalable vectors the lower 128 bits
//! are kept: the base standard has arguments in no more.

use super::{Choice, choose};
use crate::threads::machine::without_signature;
use crate::threads::registers::{COUNT, PC, Registers, SP};

/// What [`dispatch`] has put on the stack, from its top.
#[repr(C)]
pub(super) struct Saved {
    /// x0 to x30.
    registers: [usize; 31],
    flags: usize,
    /// Where to go.
    destination: usize,
    _aligns: usize,
}

/// x17: where a choice hands over the address of its context.
const CONTEXT: usize = 17;

impl Saved {
    /// The registers in the caller of the function that was called.
    pub(super) fn caller(&self) -> Registers {
        let mut values = [0; COUNT];
        values[..31].copy_from_slice(&self.registers);
        let mut registers = Registers::all(values).callee_saved();
        registers.set(PC, without_signature(self.registers[30]));
        registers.set(SP, &raw const *self as usize + size_of::<Self>());
        registers
    }

    /// What the choice that called has behind its code.
    pub(super) fn context(&self) -> *const Choice {
        let context = self.registers[CONTEXT] as *const *const Choice;
        // SAFETY: so choices are made.
        unsafe { *context }
    }

    pub(super) fn go_on(&mut self, destination: usize) {
        self.destination = destination;
    }
}

/// Asks [`choose`] and goes where it says.
#[unsafe(naked)]
#[unsafe(link_section = "midair_choice")]
pub(in super::super) extern "C" fn dispatch() {
    core::arch::naked_asm!(
        ".cfi_startproc",
        // A landing pad: choices get here by an indirect branch.
        "hint #34",
        "sub sp, sp, #272", ".cfi_def_cfa_offset 272",
        "stp x0, x1, [sp, #0]",
        "stp x2, x3, [sp, #16]",
        "stp x4, x5, [sp, #32]",
        "stp x6, x7, [sp, #48]",
        "stp x8, x9, [sp, #64]",
        "stp x10, x11, [sp, #80]",
        "stp x12, x13, [sp, #96]",
        "stp x14, x15, [sp, #112]",
        "stp x16, x17, [sp, #128]",
        "stp x18, x19, [sp, #144]",
        "stp x20, x21, [sp, #160]",
        "stp x22, x23, [sp, #176]",
        "stp x24, x25, [sp, #192]",
        "stp x26, x27, [sp, #208]",
        "stp x28, x29, [sp, #224]",
        "mrs x16, nzcv",
        "stp x30, x16, [sp, #240]",
        ".cfi_offset x29, -40", ".cfi_offset x30, -32",
        "mov x0, sp",
        "sub sp, sp, #512", ".cfi_adjust_cfa_offset 512",
        "stp q0, q1, [sp, #0]",
        "stp q2, q3, [sp, #32]",
        "stp q4, q5, [sp, #64]",
        "stp q6, q7, [sp, #96]",
        "stp q8, q9, [sp, #128]",
        "stp q10, q11, [sp, #160]",
        "stp q12, q13, [sp, #192]",
        "stp q14, q15, [sp, #224]",
        "stp q16, q17, [sp, #256]",
        "stp q18, q19, [sp, #288]",
        "stp q20, q21, [sp, #320]",
        "stp q22, q23, [sp, #352]",
        "stp q24, q25, [sp, #384]",
        "stp q26, q27, [sp, #416]",
        "stp q28, q29, [sp, #448]",
        "stp q30, q31, [sp, #480]",
        "bl {choose}",
        "ldp q0, q1, [sp, #0]",
        "ldp q2, q3, [sp, #32]",
        "ldp q4, q5, [sp, #64]",
        "ldp q6, q7, [sp, #96]",
        "ldp q8, q9, [sp, #128]",
        "ldp q10, q11, [sp, #160]",
        "ldp q12, q13, [sp, #192]",
        "ldp q14, q15, [sp, #224]",
        "ldp q16, q17, [sp, #256]",
        "ldp q18, q19, [sp, #288]",
        "ldp q20, q21, [sp, #320]",
        "ldp q22, q23, [sp, #352]",
        "ldp q24, q25, [sp, #384]",
        "ldp q26, q27, [sp, #416]",
        "ldp q28, q29, [sp, #448]",
        "ldp q30, q31, [sp, #480]",
        "add sp, sp, #512", ".cfi_adjust_cfa_offset -512",
        "ldp x30, x16, [sp, #240]",
        "msr nzcv, x16",
        "ldp x0, x1, [sp, #0]",
        "ldp x2, x3, [sp, #16]",
        "ldp x4, x5, [sp, #32]",
        "ldp x6, x7, [sp, #48]",
        "ldp x8, x9, [sp, #64]",
        "ldp x10, x11, [sp, #80]",
        "ldp x12, x13, [sp, #96]",
        "ldp x14, x15, [sp, #112]",
        "ldr x18, [sp, #144]",
        "ldr x29, [sp, #232]",
        "ldr x16, [sp, #256]",
        "add sp, sp, #272", ".cfi_def_cfa_offset 0",
        ".cfi_restore x29", ".cfi_restore x30",
        "br x16",
        ".cfi_endproc",
        choose = sym choose,
    )
}

/// What [`dispatch`] saves of the vector registers.
pub(super) mod vectors {
    /// All that is there without asking.
    pub(in super::super) fn measure() {}
}
