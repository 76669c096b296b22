//! The processor's trap flag stops the thread after each instruction.

use super::{STEPPING, note, place};
use midair_libraries::shapes::{Shape, probe};
use std::arch::asm;
use std::ffi::c_void;
use std::sync::atomic::Ordering;

/// The DWARF numbers of what a call keeps: rbx, rbp, r12 to r15.
pub(crate) const KEPT: [i32; 6] = [3, 6, 12, 13, 14, 15];

pub(crate) const GATE_LEN: usize = 6;
pub(crate) const CLOSURE_LEN: usize = 32;
pub(crate) const CHOICE_LEN: usize = 32;

/// The shape that is called through a closure and a choice as well.
pub(crate) const EXAMPLE: &str = "shape_push_all";
pub(crate) const DISPATCHER: &str = "midair::patch::arrival::x86_64::dispatch";
pub(crate) const CHOOSER: &str = "midair::patch::choosing::x86_64::dispatch";

/// `lea rax, [rdi+rsi]; nop; nop; ret`
pub(crate) const ADDS: [u8; 7] = [0x48, 0x8d, 0x04, 0x37, 0x90, 0x90, 0xc3];

/// Where nothing is stopped at.
pub(crate) const NOT_STOPPED: &[&str] = &[];

/// Where the caller cannot be said: nowhere.
pub(crate) fn may_be_cut(_: &str, _: &str) -> bool {
    false
}

pub(crate) fn is_fit(_: &Shape) -> bool {
    true
}

pub(crate) extern "C" fn step(_: i32, _: *mut libc::siginfo_t, context: *mut c_void) {
    // SAFETY: the kernel passes a ucontext_t.
    let registers = unsafe { &mut (*context.cast::<libc::ucontext_t>()).uc_mcontext.gregs };
    if !STEPPING.load(Ordering::Relaxed) {
        registers[libc::REG_EFL as usize] &= !0x100;
        return;
    }
    let pc = registers[libc::REG_RIP as usize] as usize;
    if place(pc).is_some() {
        // SAFETY: the stack pointer is that of the interrupted code.
        let top = unsafe { *(registers[libc::REG_RSP as usize] as *const usize) };
        note(pc, top);
    }
}

/// Calls `entry` with every instruction stopped at.
#[inline(never)]
pub(crate) fn stepped(entry: *const (), a: u64, b: u64) -> u64 {
    STEPPING.store(true, Ordering::SeqCst);
    // SAFETY: sets the trap flag; the handler above takes what comes.
    unsafe { asm!("pushfq", "or qword ptr [rsp], 0x100", "popfq") };
    // SAFETY: a shape or its driver takes two integers.
    let got = unsafe { probe(entry, a, b) };
    STEPPING.store(false, Ordering::SeqCst);
    // SAFETY: clears the trap flag.
    unsafe { asm!("pushfq", "and qword ptr [rsp], -257", "popfq") };
    got.unwrap()
}

/// How long the part of the entry is that is stopped at.
pub(crate) fn entry_len(_target: usize, _place: usize) -> usize {
    1
}

/// Where the gate of the function that is left at `place` is, if it has one, and
/// where that leads.
pub(crate) fn gate(place: usize) -> Option<(usize, usize)> {
    // SAFETY: the first bytes of a function.
    let jump = unsafe { (place as *const [u8; 5]).read() };
    let leads_to = |jump: &[u8], end: usize| {
        end.wrapping_add_signed(i32::from_le_bytes(jump.try_into().unwrap()) as isize)
    };
    (jump[0] == 0xe9).then(|| {
        let gate = leads_to(&jump[1..], place + 5);
        // SAFETY: a gate is `jmp [rip+…]`, and its slot is there as long.
        let destination = unsafe {
            let code = (gate as *const [u8; GATE_LEN]).read();
            *(leads_to(&code[2..], gate + GATE_LEN) as *const usize)
        };
        (gate, destination)
    })
}
