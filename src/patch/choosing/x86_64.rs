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
/// was; also vector registers of any width, of which libc's `memcpy` uses many.
#[unsafe(naked)]
#[unsafe(link_section = "midair_choice")]
pub(in super::super) extern "C" fn dispatch() {
    core::arch::naked_asm!(
        // To an unwinder this is called by the patched function's caller: what
        // the choice has pushed will be the destination, and is no frame.
        ".cfi_startproc",
        ".cfi_def_cfa_offset {red_zone} + 16",
        "pushfq", ".cfi_adjust_cfa_offset 8",
        "push rax", ".cfi_adjust_cfa_offset 8", "push rcx", ".cfi_adjust_cfa_offset 8",
        "push rdx", ".cfi_adjust_cfa_offset 8",
        "push rbx", ".cfi_adjust_cfa_offset 8", ".cfi_rel_offset rbx, 0",
        "push rsi", ".cfi_adjust_cfa_offset 8", "push rdi", ".cfi_adjust_cfa_offset 8",
        "push r8", ".cfi_adjust_cfa_offset 8", "push r9", ".cfi_adjust_cfa_offset 8",
        "push r10", ".cfi_adjust_cfa_offset 8", "push r11", ".cfi_adjust_cfa_offset 8",
        "push r12", ".cfi_adjust_cfa_offset 8", ".cfi_rel_offset r12, 0",
        "push r13", ".cfi_adjust_cfa_offset 8", ".cfi_rel_offset r13, 0",
        "push r14", ".cfi_adjust_cfa_offset 8", ".cfi_rel_offset r14, 0",
        "push r15", ".cfi_adjust_cfa_offset 8", ".cfi_rel_offset r15, 0",
        "push rbp", ".cfi_adjust_cfa_offset 8", ".cfi_rel_offset rbp, 0",
        "mov rbp, rsp", ".cfi_def_cfa_register rbp",
        "cld",
        "mov rcx, [rip + {bytes}]",
        "test rcx, rcx",
        "jz 2f",
        "sub rsp, rcx",
        "and rsp, -64",
        // The header says what is saved, and starts from zero.
        "xor eax, eax",
        "mov [rsp+512], rax", "mov [rsp+520], rax", "mov [rsp+528], rax",
        "mov [rsp+536], rax", "mov [rsp+544], rax", "mov [rsp+552], rax",
        "mov [rsp+560], rax", "mov [rsp+568], rax",
        "mov eax, [rip + {components}]",
        "xor edx, edx",
        "xsave64 [rsp]",
        "mov rdi, rbp",
        "call {choose}",
        "mov eax, [rip + {components}]",
        "xor edx, edx",
        "xrstor64 [rsp]",
        "jmp 3f",
        "2:",
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
        "3:",
        "mov rsp, rbp", ".cfi_def_cfa_register rsp",
        "pop rbp", ".cfi_adjust_cfa_offset -8", ".cfi_restore rbp",
        "pop r15", ".cfi_adjust_cfa_offset -8", ".cfi_restore r15",
        "pop r14", ".cfi_adjust_cfa_offset -8", ".cfi_restore r14",
        "pop r13", ".cfi_adjust_cfa_offset -8", ".cfi_restore r13",
        "pop r12", ".cfi_adjust_cfa_offset -8", ".cfi_restore r12",
        "pop r11", ".cfi_adjust_cfa_offset -8", "pop r10", ".cfi_adjust_cfa_offset -8",
        "pop r9", ".cfi_adjust_cfa_offset -8", "pop r8", ".cfi_adjust_cfa_offset -8",
        "pop rdi", ".cfi_adjust_cfa_offset -8", "pop rsi", ".cfi_adjust_cfa_offset -8",
        "pop rbx", ".cfi_adjust_cfa_offset -8", ".cfi_restore rbx",
        "pop rdx", ".cfi_adjust_cfa_offset -8", "pop rcx", ".cfi_adjust_cfa_offset -8",
        "pop rax", ".cfi_adjust_cfa_offset -8",
        "popfq", ".cfi_adjust_cfa_offset -8",
        "ret {red_zone}",
        ".cfi_endproc",
        choose = sym choose,
        bytes = sym vectors::BYTES,
        components = sym vectors::COMPONENTS,
        red_zone = const RED_ZONE,
    )
}

/// What [`dispatch`] saves of the vector registers.
pub(super) mod vectors {
    use std::arch::x86_64::{__cpuid, __cpuid_count, _xgetbv};
    use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

    /// Bytes of an XSAVE area for them; 0 where there is no XSAVE, and so
    /// nothing wider than 128 bits.
    pub(super) static BYTES: AtomicUsize = AtomicUsize::new(0);
    /// Which state components they are: SSE, AVX, and the three of AVX-512.
    pub(super) static COMPONENTS: AtomicU32 = AtomicU32::new(0);

    const VECTORS: u64 = 0b1110_0110;
    const OSXSAVE: u32 = 1 << 27;
    /// Of the area that every processor has: the legacy part and the header.
    const LEAST: usize = 576;

    /// Asks the processor, once.
    pub(in super::super) fn measure() {
        if BYTES.load(Ordering::Acquire) != 0 || __cpuid(1).ecx & OSXSAVE == 0 {
            return;
        }
        // SAFETY: the system uses XSAVE.
        let components = unsafe { enabled() } & VECTORS;
        // Each says how long it is and where it is.
        let end = |n: u32| {
            let leaf = __cpuid_count(0xd, n);
            (leaf.eax + leaf.ebx) as usize
        };
        let ends = (2..8).filter(|n| components & 1 << n != 0).map(end);
        let bytes = ends.fold(LEAST, usize::max);
        COMPONENTS.store(components as u32, Ordering::Release);
        BYTES.store(bytes, Ordering::Release);
    }

    #[target_feature(enable = "xsave")]
    unsafe fn enabled() -> u64 {
        // SAFETY: register 0 is there where XSAVE is.
        unsafe { _xgetbv(0) }
    }
}
