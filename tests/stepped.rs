//! What an unwinder sees at every single instruction of a patched call.
//!
//! The processor's trap flag stops the thread after each instruction, in a
//! signal handler that unwinds as a profiler does. It notes where the thread is
//! (entry, gate, copy, the rest of the function) and whether the frame behind
//! it is the true caller. The table is printed.
//!
//! Not run by the test harness: the trap flag is for one thread.
#![cfg(target_arch = "x86_64")]

use midair_libraries::shapes::{Caution, Fixtures, Needs, SHAPES, Shape, probe};
use std::arch::asm;
use std::collections::BTreeMap;
use std::ffi::c_void;
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Steps that are kept.
const MOST: usize = 4096;
/// Frames that are kept of each.
const FRAMES: usize = 24;

static STEPPING: AtomicBool = AtomicBool::new(false);
static STEPS: AtomicUsize = AtomicUsize::new(0);

#[derive(Clone, Copy)]
struct Step {
    pc: usize,
    frames: [usize; FRAMES],
    count: usize,
    /// What the stack pointer led to.
    top: usize,
}

static mut SEEN: [Step; MOST] = [Step {
    pc: 0,
    frames: [0; FRAMES],
    count: 0,
    top: 0,
}; MOST];

/// What is stepped through: target, and its end.
static TARGET: AtomicUsize = AtomicUsize::new(0);
static TARGET_END: AtomicUsize = AtomicUsize::new(0);
static COPY: AtomicUsize = AtomicUsize::new(0);
static GATE: AtomicUsize = AtomicUsize::new(0);

const COPY_LEN: usize = 128;
const GATE_LEN: usize = 6;

unsafe extern "C" {
    fn _Unwind_Backtrace(
        trace: extern "C" fn(*mut c_void, *mut c_void) -> i32,
        argument: *mut c_void,
    ) -> i32;
    fn _Unwind_GetIP(context: *mut c_void) -> usize;
}

extern "C" fn note_frame(context: *mut c_void, step: *mut c_void) -> i32 {
    // SAFETY: the step that `step` below passes; the context is the unwinder's.
    unsafe {
        let step = &mut *step.cast::<Step>();
        if step.count < FRAMES {
            step.frames[step.count] = _Unwind_GetIP(context);
            step.count += 1;
        }
    }
    0
}

fn place(pc: usize) -> Option<&'static str> {
    let within = |start: &AtomicUsize, len| {
        let start = start.load(Ordering::Relaxed);
        start != 0 && (start..start + len).contains(&pc)
    };
    let target = TARGET.load(Ordering::Relaxed);
    if pc == target {
        Some("entry")
    } else if (target..TARGET_END.load(Ordering::Relaxed)).contains(&pc) {
        Some("rest")
    } else if within(&GATE, GATE_LEN) {
        Some("gate")
    } else if within(&COPY, COPY_LEN) {
        Some("copy")
    } else {
        None
    }
}

extern "C" fn step(_: i32, _: *mut libc::siginfo_t, context: *mut c_void) {
    // SAFETY: the kernel passes a ucontext_t.
    let registers = unsafe { &mut (*context.cast::<libc::ucontext_t>()).uc_mcontext.gregs };
    if !STEPPING.load(Ordering::Relaxed) {
        registers[libc::REG_EFL as usize] &= !0x100;
        return;
    }
    let pc = registers[libc::REG_RIP as usize] as usize;
    if place(pc).is_none() {
        return;
    }
    let n = STEPS.load(Ordering::Relaxed);
    if n == MOST {
        return;
    }
    // SAFETY: one thread, and this handler does not meet itself; the stack
    // pointer is that of the interrupted code.
    unsafe {
        let seen = &raw mut SEEN[n];
        (*seen).pc = pc;
        (*seen).count = 0;
        (*seen).top = *(registers[libc::REG_RSP as usize] as *const usize);
        _Unwind_Backtrace(note_frame, seen.cast());
    }
    STEPS.store(n + 1, Ordering::Relaxed);
}

fn install() {
    // SAFETY: zeros are a valid sigaction; the handler is safe for one thread.
    unsafe {
        let mut action: libc::sigaction = MaybeUninit::zeroed().assume_init();
        action.sa_sigaction = step as extern "C" fn(_, _, _) as usize;
        action.sa_flags = libc::SA_SIGINFO;
        let done = libc::sigaction(libc::SIGTRAP, &action, std::ptr::null_mut());
        assert_eq!(done, 0);
    }
}

/// Calls `entry` with every instruction stopped at.
#[inline(never)]
fn stepped(entry: *const (), a: u64, b: u64) -> u64 {
    STEPS.store(0, Ordering::SeqCst);
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

/// How the frames behind a step are: `right`, `wrong` or `cut`.
fn judge(step: &Step, callers: &[usize]) -> &'static str {
    let frames = &step.frames[..step.count];
    let Some(at) = frames.iter().position(|ip| *ip == step.pc) else {
        return "lost"; // not even the interrupted instruction itself
    };
    match frames.get(at + 1) {
        None => "cut",
        Some(next) if callers.contains(next) => "right",
        Some(_) => "wrong",
    }
}

fn run(fixtures: &Fixtures, shape: &Shape, table: &mut BTreeMap<(String, &str, &str), usize>) {
    let target = fixtures.address(shape.name).unwrap();
    let entry = fixtures.address(shape.entry()).unwrap();
    // SAFETY: a pass-through.
    let patch = unsafe { midair::patch_raw(target, |original| original) }.unwrap();
    // Twice changed: it goes through its gate for good.
    patch.disable().unwrap();
    patch.enable().unwrap();
    let strategy = midair::can_patch(target).map_or("?", |p| p.strategy.name());
    let bytes = |at: *const ()| {
        // SAFETY: the first bytes of a function.
        unsafe { at.cast::<[u8; 5]>().read() }
    };
    let jump = bytes(target);
    let distance = i32::from_le_bytes(jump[1..].try_into().unwrap());
    let gate = (target as usize + 5).wrapping_add_signed(distance as isize);
    TARGET.store(target as usize, Ordering::SeqCst);
    let name = format!("libmidair_fixtures.so::{}", shape.name);
    let size = midair::symbol(&name).unwrap().size;
    TARGET_END.store(target as usize + size, Ordering::SeqCst);
    COPY.store(
        midair::can_patch(target).unwrap().copy as usize,
        Ordering::SeqCst,
    );
    GATE.store(if jump[0] == 0xe9 { gate } else { 0 }, Ordering::SeqCst);
    let got = stepped(entry, 6, 3);
    assert_eq!(got, (shape.expected)(6, 3), "{}", shape.name);
    let count = STEPS.load(Ordering::SeqCst);
    // SAFETY: the handler has ended, and these were written.
    let steps: Vec<Step> = (0..count).map(|n| unsafe { SEEN[n] }).collect();
    // The return addresses that were on top of the stack at the entry: several
    // if it is called several times.
    let entries = steps.iter().filter(|s| s.pc == target as usize);
    let callers: Vec<usize> = entries.map(|s| s.top).collect();
    for step in &steps {
        let place = place(step.pc).unwrap();
        let judged = judge(step, &callers);
        *table
            .entry((format!("{} ({strategy})", shape.name), place, judged))
            .or_default() += 1;
    }
    assert!(count > 0, "{}: never stopped at", shape.name);
    drop(patch);
}

fn main() {
    install();
    let fixtures = Fixtures::load().unwrap();
    let mut table = BTreeMap::new();
    let shapes = SHAPES
        .iter()
        .filter(|s| s.needs == Needs::Nothing && s.caution != Caution::ReentersEntry);
    for shape in shapes {
        run(&fixtures, shape, &mut table);
    }
    let mut totals: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    let mut last = String::new();
    for ((shape, place, judged), count) in &table {
        *totals.entry((place, judged)).or_default() += count;
        if *shape != last {
            print!("\n{shape}:");
            last.clone_from(shape);
        }
        print!(" {place} {judged} {count};");
    }
    println!("\n");
    for ((place, judged), count) in &totals {
        println!("{place}: {count} steps {judged}");
        // What has no unwind information ends the backtrace; nothing may
        // continue it with a frame that is not there.
        let known = matches!(*place, "gate" | "copy") && *judged == "cut";
        assert!(*judged == "right" || known, "{place}: {judged}");
    }
    println!("\n1 passed, 0 failed");
}
