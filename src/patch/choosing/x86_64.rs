//! x86-64: the dispatcher, which keeps every register.

use super::{Choice, choose};
use crate::threads::registers::{COUNT, PC, Registers, SP};
use midair_arch::x86_64::choice::{CONTEXT_BEHIND, RED_ZONE};

/// What [`dispatch`] has put on the stack, from its top.
#[repr(C)]
pub(super) struct Saved {
    rbp: usize,
    r15: usize,
    r14: usize,
    r13: usize,
    r12: usize,
    r11: usize,
    r10: usize,
    r9: usize,
    r8: usize,
    rdi: usize,
    rsi: usize,
    rbx: usize,
    rdx: usize,
    rcx: usize,
    rax: usize,
    flags: usize,
    /// Behind the choice's call; replaced by where to go.
    return_address: usize,
}

impl Saved {
    /// The registers in the caller of the function that was called.
    pub(super) fn caller(&self) -> Registers {
        let sp = &raw const self.return_address as usize + size_of::<usize>() + RED_ZONE;
        // SAFETY: at the entry of a function its return address is on top of
        // the stack.
        let pc = unsafe { (sp as *const usize).read() };
        let values: [usize; COUNT] = [
            self.rax,
            self.rdx,
            self.rcx,
            self.rbx,
            self.rsi,
            self.rdi,
            self.rbp,
            sp + size_of::<usize>(),
            self.r8,
            self.r9,
            self.r10,
            self.r11,
            self.r12,
            self.r13,
            self.r14,
            self.r15,
            pc,
        ];
        let mut registers = Registers::all(values).callee_saved();
        registers.set(PC, pc);
        registers.set(SP, sp + size_of::<usize>());
        registers
    }

    /// What the choice that called has behind its code.
    pub(super) fn context(&self) -> *const Choice {
        let context = (self.return_address + CONTEXT_BEHIND) as *const *const Choice;
        // SAFETY: so choices are made.
        unsafe { *context }
    }

    /// Puts the destination of the call into the place of the return address.
    pub(super) fn go_on(&mut self, destination: usize) {
        self.return_address = destination;
    }
}

/// Asks [`choose`] and goes where it says, with every register and flag as it
/// was. (Of vector registers the lower 128 bits: no code here is compiled to
/// touch more.)
#[unsafe(naked)]
#[unsafe(link_section = "midair_choice")]
pub(in super::super) extern "C" fn dispatch() {
    core::arch::naked_asm!(
        "pushfq",
        "push rax", "push rcx", "push rdx", "push rbx", "push rsi", "push rdi",
        "push r8", "push r9", "push r10", "push r11",
        "push r12", "push r13", "push r14", "push r15", "push rbp",
        "mov rbp, rsp",
        "cld",
        "and rsp, -16",
        "sub rsp, 256",
        "movups [rsp], xmm0", "movups [rsp+16], xmm1",
        "movups [rsp+32], xmm2", "movups [rsp+48], xmm3",
        "movups [rsp+64], xmm4", "movups [rsp+80], xmm5",
        "movups [rsp+96], xmm6", "movups [rsp+112], xmm7",
        "movups [rsp+128], xmm8", "movups [rsp+144], xmm9",
        "movups [rsp+160], xmm10", "movups [rsp+176], xmm11",
        "movups [rsp+192], xmm12", "movups [rsp+208], xmm13",
        "movups [rsp+224], xmm14", "movups [rsp+240], xmm15",
        "mov rdi, rbp",
        "call {choose}",
        "movups xmm0, [rsp]", "movups xmm1, [rsp+16]",
        "movups xmm2, [rsp+32]", "movups xmm3, [rsp+48]",
        "movups xmm4, [rsp+64]", "movups xmm5, [rsp+80]",
        "movups xmm6, [rsp+96]", "movups xmm7, [rsp+112]",
        "movups xmm8, [rsp+128]", "movups xmm9, [rsp+144]",
        "movups xmm10, [rsp+160]", "movups xmm11, [rsp+176]",
        "movups xmm12, [rsp+192]", "movups xmm13, [rsp+208]",
        "movups xmm14, [rsp+224]", "movups xmm15, [rsp+240]",
        "mov rsp, rbp",
        "pop rbp", "pop r15", "pop r14", "pop r13", "pop r12",
        "pop r11", "pop r10", "pop r9", "pop r8",
        "pop rdi", "pop rsi", "pop rbx", "pop rdx", "pop rcx", "pop rax",
        "popfq",
        "ret {red_zone}",
        choose = sym choose,
        red_zone = const RED_ZONE,
    )
}
