//! What an unwinder sees at every single instruction of a patched call.
//!
//! Each instruction is stopped at, in a signal handler that unwinds as a profiler
//! does (how is the business of the machine's file). It notes where the thread is
//! (entry, gate, copy, the rest of the function) and whether the frame behind
//! it is the true caller. The table is printed.
//!
//! Not run by the test harness: it is for one thread.

#[cfg(target_arch = "aarch64")]
mod aarch64;
#[cfg(target_arch = "x86_64")]
mod x86_64;

#[cfg(target_arch = "aarch64")]
use aarch64 as machine;
#[cfg(target_arch = "x86_64")]
use x86_64 as machine;

use machine::{CHOICE_LEN, CLOSURE_LEN, GATE_LEN, KEPT};
use midair_libraries::shapes::{Caution, Fixtures, Needs, SHAPES, Shape};
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

/// Where a frame goes on, and its values of [`KEPT`].
#[derive(Clone, Copy, PartialEq)]
struct Frame {
    pc: usize,
    kept: [usize; KEPT.len()],
}

const NONE: Frame = Frame {
    pc: 0,
    kept: [0; KEPT.len()],
};

#[derive(Clone, Copy)]
struct Step {
    pc: usize,
    frames: [Frame; FRAMES],
    count: usize,
    /// The return address, at the entry.
    top: usize,
}

static mut SEEN: [Step; MOST] = [Step {
    pc: 0,
    frames: [NONE; FRAMES],
    count: 0,
    top: 0,
}; MOST];

/// What is looked at on the way: where it is, and how long.
static PLACES: [(&str, AtomicUsize, AtomicUsize); 9] = [
    ("entry", AtomicUsize::new(0), AtomicUsize::new(0)),
    ("rest", AtomicUsize::new(0), AtomicUsize::new(0)),
    ("gate", AtomicUsize::new(0), AtomicUsize::new(0)),
    ("copy", AtomicUsize::new(0), AtomicUsize::new(0)),
    ("stub", AtomicUsize::new(0), AtomicUsize::new(0)),
    ("closure", AtomicUsize::new(0), AtomicUsize::new(0)),
    ("dispatcher", AtomicUsize::new(0), AtomicUsize::new(0)),
    ("choice", AtomicUsize::new(0), AtomicUsize::new(0)),
    ("chooser", AtomicUsize::new(0), AtomicUsize::new(0)),
];

unsafe extern "C" {
    fn _Unwind_Backtrace(
        trace: extern "C" fn(*mut c_void, *mut c_void) -> i32,
        argument: *mut c_void,
    ) -> i32;
    fn _Unwind_GetIP(context: *mut c_void) -> usize;
    fn _Unwind_GetGR(context: *mut c_void, register: i32) -> usize;
}

extern "C" fn note_frame(context: *mut c_void, step: *mut c_void) -> i32 {
    // SAFETY: the step that `step` below passes; the context is the unwinder's.
    unsafe {
        let step = &mut *step.cast::<Step>();
        if step.count < FRAMES {
            step.frames[step.count] = Frame {
                pc: _Unwind_GetIP(context),
                kept: KEPT.map(|register| _Unwind_GetGR(context, register)),
            };
            step.count += 1;
        }
        // What is wrong may go round in circles.
        i32::from(step.count == FRAMES)
    }
}

fn look_at(name: &str, at: usize, len: usize) {
    let (_, start, length) = PLACES.iter().find(|p| p.0 == name).unwrap();
    start.store(at, Ordering::SeqCst);
    length.store(len, Ordering::SeqCst);
}

fn place(pc: usize) -> Option<&'static str> {
    let found = PLACES.iter().find(|(_, start, len)| {
        pc.wrapping_sub(start.load(Ordering::Relaxed)) < len.load(Ordering::Relaxed)
    });
    found.map(|(name, ..)| *name)
}

/// Unwinds from the handler of a signal that has interrupted the instruction at
/// `pc`; `top` is the return address if that is the entry's.
fn note(pc: usize, top: usize) {
    let n = STEPS.load(Ordering::Relaxed);
    if n == MOST {
        return;
    }
    // SAFETY: one thread, and the handler does not meet itself.
    unsafe {
        let seen = &raw mut SEEN[n];
        (*seen).pc = pc;
        (*seen).count = 0;
        (*seen).top = top;
        _Unwind_Backtrace(note_frame, seen.cast());
    }
    STEPS.store(n + 1, Ordering::Relaxed);
}

fn install() {
    // SAFETY: zeros are a valid sigaction; the handler is safe for one thread.
    unsafe {
        let mut action: libc::sigaction = MaybeUninit::zeroed().assume_init();
        action.sa_sigaction = machine::step as extern "C" fn(_, _, _) as usize;
        action.sa_flags = libc::SA_SIGINFO;
        let done = libc::sigaction(libc::SIGTRAP, &action, std::ptr::null_mut());
        assert_eq!(done, 0);
    }
}

/// How the frames behind a step are: `right`; `disturbed` if the caller's
/// registers are not its own; `wrong`; `cut`; or `lost` if not even the
/// interrupted instruction is there.
fn judge(step: &Step, callers: &[Frame]) -> &'static str {
    let frames = &step.frames[..step.count];
    let Some(at) = frames.iter().position(|frame| frame.pc == step.pc) else {
        return "lost";
    };
    match frames.get(at + 1) {
        None | Some(Frame { pc: 0, .. }) => "cut",
        Some(next) if callers.contains(next) => "right",
        Some(next) if callers.iter().any(|caller| caller.pc == next.pc) => "disturbed",
        Some(_) => "wrong",
    }
}

type Table = BTreeMap<(String, &'static str, &'static str), usize>;

/// Has the pieces of the patched function looked at; says how it is patched, and
/// where its gate leads.
fn look_at_pieces(name: &str, target: *const (), original: *const ()) -> (&'static str, usize) {
    let size = midair::symbol(name).unwrap().size;
    look_at_all(target, size, original)
}

fn look_at_all(target: *const (), size: usize, original: *const ()) -> (&'static str, usize) {
    let plan = midair::can_patch(target).unwrap();
    let entry = machine::entry_len(target as usize, plan.place as usize);
    look_at("entry", target as usize, entry);
    look_at("rest", target as usize + entry, size - entry);
    look_at("copy", plan.copy as usize, plan.copied.len());
    look_at("stub", original as usize, GATE_LEN);
    let (gate, destination) = machine::gate(plan.place as usize).unwrap_or_default();
    look_at("gate", gate, if gate == 0 { 0 } else { GATE_LEN });
    (plan.strategy.name(), destination)
}

/// Notes how each step of a call of `entry` is, which leads to `target`.
fn step_through(name: &str, entry: *const (), target: *const (), table: &mut Table) -> u64 {
    STEPS.store(0, Ordering::SeqCst);
    let got = machine::stepped(entry, 6, 3);
    let count = STEPS.load(Ordering::SeqCst);
    // SAFETY: the handler has ended, and these were written.
    let steps: Vec<Step> = (0..count).map(|n| unsafe { SEEN[n] }).collect();
    // The return addresses that were on top of the stack at the entry, and the
    // registers: several if it is called several times.
    let entries = steps.iter().filter(|s| s.pc == target as usize);
    let callers: Vec<Frame> = entries
        .map(|s| {
            let mut frames = s.frames[..s.count].iter();
            let interrupted = frames.find(|frame| frame.pc == s.pc).unwrap_or(&NONE);
            Frame {
                pc: s.top,
                kept: interrupted.kept,
            }
        })
        .collect();
    for step in &steps {
        let place = place(step.pc).unwrap();
        let judged = judge(step, &callers);
        *table.entry((name.to_owned(), place, judged)).or_default() += 1;
    }
    assert!(count > 0, "{name}: never stopped at");
    got
}

fn run(fixtures: &Fixtures, shape: &Shape, table: &mut Table) {
    let target = fixtures.address(shape.name).unwrap();
    let entry = fixtures.address(shape.entry()).unwrap();
    // SAFETY: a pass-through.
    let patch = unsafe { midair::patch_raw(target, |original| original) }.unwrap();
    // Twice changed: it goes through its gate for good.
    patch.disable().unwrap();
    patch.enable().unwrap();
    let name = format!("libmidair_fixtures.so::{}", shape.name);
    let (strategy, _) = look_at_pieces(&name, target, patch.original());
    let name = format!("{} ({strategy})", shape.name);
    let got = step_through(&name, entry, target, table);
    assert_eq!(got, (shape.expected)(6, 3), "{}", shape.name);
    drop(patch);
}

/// Through a closure's stub, and what finds the closure for it.
fn run_closure(fixtures: &Fixtures, shape: &Shape, table: &mut Table) {
    type Pair = extern "C" fn(u64, u64) -> u64;
    let target = fixtures.address(shape.name).unwrap();
    // SAFETY: a shape without a driver takes two integers.
    let function = unsafe { std::mem::transmute::<*const (), Pair>(target) };
    // SAFETY: a pass-through.
    let patch = unsafe { midair::patch_closure(function, |original| move |a, b| original(a, b)) };
    let patch = patch.unwrap();
    patch.disable().unwrap();
    patch.enable().unwrap();
    let name = format!("libmidair_fixtures.so::{}", shape.name);
    let (_, stub) = look_at_pieces(&name, target, patch.original() as *const ());
    assert_ne!(stub, 0, "it has no gate");
    // The closure calls the original: that has another caller.
    for place in ["rest", "copy", "stub"] {
        look_at(place, 0, 0);
    }
    look_at("closure", stub, CLOSURE_LEN);
    let dispatcher = midair::symbol(machine::DISPATCHER).unwrap();
    look_at("dispatcher", dispatcher.address as usize, dispatcher.size);
    let name = format!("{} (closure)", shape.name);
    let got = step_through(&name, target, target, table);
    assert_eq!(got, (shape.expected)(6, 3), "{}", shape.name);
    look_at("closure", 0, 0);
    look_at("dispatcher", 0, 0);
    drop(patch);
}

/// Through the choice that each thread makes for itself.
fn run_choice(fixtures: &Fixtures, shape: &Shape, table: &mut Table) {
    let target = fixtures.address(shape.name).unwrap();
    let mut transaction = midair::Transaction::new();
    transaction.patch_raw(target, |original| original);
    // SAFETY: a pass-through.
    let committed = unsafe { transaction.commit(midair::Consistency::PerThread) }.unwrap();
    let name = format!("libmidair_fixtures.so::{}", shape.name);
    let original = committed.patches[0].original();
    let (_, choice) = look_at_pieces(&name, target, original);
    look_at("choice", choice, CHOICE_LEN);
    let chooser = midair::symbol(machine::CHOOSER).unwrap();
    look_at("chooser", chooser.address as usize, chooser.size);
    let name = format!("{} (choice)", shape.name);
    let got = step_through(&name, target, target, table);
    assert_eq!(got, (shape.expected)(6, 3), "{}", shape.name);
    look_at("choice", 0, 0);
    look_at("chooser", 0, 0);
    drop(committed);
}

/// Code of no file, about which nothing is known but that it was called.
fn run_anonymous(table: &mut Table) {
    let all = region::Protection::READ_WRITE_EXECUTE;
    let mut page = region::alloc(1, all).unwrap();
    let code = machine::ADDS;
    // SAFETY: the page is ours, and not executed yet.
    unsafe { page.as_mut_ptr::<u8>().copy_from(code.as_ptr(), code.len()) };
    let target = page.as_ptr();
    // SAFETY: a pass-through.
    let patch = unsafe { midair::patch_raw(target, |original| original) }.unwrap();
    patch.disable().unwrap();
    patch.enable().unwrap();
    look_at_all(target, code.len(), patch.original());
    assert_eq!(step_through(ANONYMOUS, target, target, table), 9);
    drop(patch);
}

const ANONYMOUS: &str = "code of no file";

fn main() {
    install();
    let fixtures = Fixtures::load().unwrap();
    let mut table = BTreeMap::new();
    let shapes = SHAPES
        .iter()
        .filter(|s| s.needs == Needs::Nothing && s.caution != Caution::ReentersEntry)
        .filter(|s| machine::is_fit(s));
    for shape in shapes {
        run(&fixtures, shape, &mut table);
        if shape.name == machine::EXAMPLE {
            run_closure(&fixtures, shape, &mut table);
            run_choice(&fixtures, shape, &mut table);
        }
    }
    run_anonymous(&mut table);
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
    }
    let stopped = |name| !machine::NOT_STOPPED.contains(name);
    for (name, ..) in PLACES.iter().filter(|(name, ..)| stopped(name)) {
        assert!(
            totals.contains_key(&(*name, "right")),
            "{name}: never there"
        );
    }
    let cut = (ANONYMOUS.to_owned(), "copy", "cut");
    assert!(table.contains_key(&cut), "{table:?}");
    for (shape, place, judged) in table.keys() {
        let is_unknown = shape == ANONYMOUS && matches!(*place, "entry" | "copy" | "rest");
        let is_cut = *judged == "cut" && (is_unknown || machine::may_be_cut(shape, place));
        assert!(*judged == "right" || is_cut, "{shape}: {place} {judged}");
    }
    println!("\n1 passed, 0 failed");
}
