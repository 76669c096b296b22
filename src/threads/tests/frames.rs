//! Walks over frames of every kind.

use super::{functions_on, points_into, sleeps, start_of, tables, thread_that, view_of, walk};
use crate::threads::frames::{End, Gap, OwnStack};
use crate::threads::registers::{PC, Registers, SP};
use std::arch::{asm, naked_asm};
use std::hint::black_box;
use std::time::{Duration, Instant};

fn nap() {
    std::thread::sleep(Duration::from_millis(300));
}

/// The register by which a frame is kept.
#[cfg(target_arch = "x86_64")]
const FRAME: usize = 6;
#[cfg(target_arch = "aarch64")]
const FRAME: usize = 29;

/// Keeps its frame by rbp, as with alloca: `sub rsp, <n>` of unknown n.
#[cfg(target_arch = "x86_64")]
#[unsafe(naked)]
extern "C" fn with_frame_pointer(_bytes: usize, _call: extern "C" fn()) {
    naked_asm!(
        ".cfi_startproc",
        "push rbp",
        ".cfi_def_cfa_offset 16",
        ".cfi_offset rbp, -16",
        "mov rbp, rsp",
        ".cfi_def_cfa_register rbp",
        "sub rsp, rdi",
        "and rsp, -16",
        "call rsi",
        "leave",
        ".cfi_def_cfa rsp, 8",
        "ret",
        ".cfi_endproc",
    )
}

/// Keeps its frame by x29, as with alloca.
#[cfg(target_arch = "aarch64")]
#[unsafe(naked)]
extern "C" fn with_frame_pointer(_bytes: usize, _call: extern "C" fn()) {
    naked_asm!(
        ".cfi_startproc",
        "stp x29, x30, [sp, #-16]!",
        ".cfi_def_cfa_offset 16",
        ".cfi_offset x29, -16",
        ".cfi_offset x30, -8",
        "mov x29, sp",
        ".cfi_def_cfa_register x29",
        "sub x9, x29, x0",
        "and sp, x9, #-16",
        "blr x1",
        "mov sp, x29",
        "ldp x29, x30, [sp], #16",
        ".cfi_def_cfa sp, 0",
        ".cfi_restore x29",
        ".cfi_restore x30",
        "ret",
        ".cfi_endproc",
    )
}

/// Has no call frame information.
#[cfg(target_arch = "x86_64")]
#[unsafe(naked)]
extern "C" fn without_information(_unused: usize, _call: extern "C" fn()) {
    naked_asm!("sub rsp, 8", "call rsi", "add rsp, 8", "ret")
}

/// Has no call frame information.
#[cfg(target_arch = "aarch64")]
#[unsafe(naked)]
extern "C" fn without_information(_unused: usize, _call: extern "C" fn()) {
    naked_asm!(
        "stp x29, x30, [sp, #-16]!",
        "blr x1",
        "ldp x29, x30, [sp], #16",
        "ret"
    )
}

extern "C" fn naps() {
    nap();
    black_box(());
}

type Through = extern "C" fn(usize, extern "C" fn());

fn asleep_through(through: Through) -> (Vec<usize>, End, Box<crate::threads::view::View>) {
    let (tid, thread) = thread_that(move || through(black_box(1000), naps));
    super::wait_until("it sleeps", || {
        let code = through as usize..through as usize + 32;
        sleeps(tid) && points_into(&view_of(tid), code)
    });
    let view = view_of(tid);
    let (functions, end) = functions_on(&view, &tables());
    thread.join().expect("it does not panic");
    (functions, end, view)
}

#[test]
fn a_frame_pointer_is_known_where_a_frame_saved_it() {
    let (functions, end, _) = asleep_through(with_frame_pointer);
    // glibc's and Rust's frames below may or may not have restored rbp: what
    // matters is that the walk is right or says where it ends.
    assert!(
        functions.contains(&(with_frame_pointer as *const () as usize)),
        "{functions:x?} {end:?}"
    );
    match end {
        End::Complete | End::Stopped => {}
        End::UnknownFrom { gap, .. } => assert_eq!(gap, Gap::Register(FRAME)),
    }
    println!("{end:?}");
}

#[test]
fn code_without_information_ends_the_proof_where_it_is() {
    let (functions, end, view) = asleep_through(without_information);
    let code = without_information as *const () as usize;
    assert!(
        functions.contains(&(naps as *const () as usize)),
        "{functions:x?} {end:?}"
    );
    let End::UnknownFrom { pc, sp, gap } = end else {
        panic!("nothing tells how to go on: {functions:x?}");
    };
    assert_eq!(gap, Gap::NoInformation);
    assert!((code..code + 32).contains(&pc));
    // From there on, what may be return addresses is found.
    let caller = asleep_through as *const () as usize;
    let mut found = Vec::new();
    let module = crate::symbols::module_at(caller).unwrap();
    let ranges = module.code_ranges();
    view.possible_returns(
        sp,
        ranges,
        crate::threads::view::is_after_call,
        |_, place| {
            found.push(place);
        },
    );
    assert!(!found.is_empty());
}

/// The registers here that the caller's frames may need.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn own_registers() -> Registers {
    let (pc, sp): (usize, usize);
    // SAFETY: reads two registers.
    unsafe { asm!("lea {}, [rip]", "mov {}, rsp", out(reg) pc, out(reg) sp) };
    let mut registers = Registers::of_sleeper(pc, sp);
    let rbp: usize;
    // SAFETY: reads a register.
    unsafe { asm!("mov {}, rbp", out(reg) rbp) };
    registers.set(FRAME, rbp);
    let rbx: usize;
    // SAFETY: reads a register.
    unsafe { asm!("mov {}, rbx", out(reg) rbx) };
    registers.set(3, rbx);
    registers
}

/// The registers here that the caller's frames may need.
#[cfg(target_arch = "aarch64")]
#[inline(always)]
fn own_registers() -> Registers {
    let (pc, sp, frame): (usize, usize, usize);
    // SAFETY: reads three registers.
    unsafe {
        asm!("adr {}, .", "mov {}, sp", "mov {}, x29", out(reg) pc, out(reg) sp, out(reg) frame);
    }
    let mut registers = Registers::of_sleeper(pc, sp);
    registers.set(FRAME, frame);
    registers
}

#[test]
fn a_thread_walks_its_own_stack_without_allocating() {
    let tables = tables();
    let registers = own_registers();
    let mut pcs = [0; 128];
    let mut frames = 0;
    let started = Instant::now();
    let mut end = None;
    for _ in 0..100 {
        frames = 0;
        end = Some(walk(&tables, &OwnStack::new(), registers, |frame| {
            if let Some(place) = pcs.get_mut(frames) {
                *place = frame.pc - usize::from(frame.after_call);
            }
            frames += 1;
        }));
    }
    let each = started.elapsed() / 100 / frames as u32;
    assert_eq!(end, Some(End::Complete));
    let here = a_thread_walks_its_own_stack_without_allocating as *const () as usize;
    assert_eq!(start_of(pcs[0]), Some(here));
    println!("{frames} frames, {each:?} each");
    assert!([PC, SP].map(|known| registers.get(known).unwrap()) != [0, 0]);
}
