//! A `brk` stands at each instruction that is looked at; the handler puts the
//! instruction back, so that each is stopped at once.

use super::{PLACES, STEPPING, note};
use midair_libraries::shapes::{Shape, probe};
use std::arch::asm;
use std::ffi::c_void;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

/// The DWARF numbers of what a call keeps: x19 to x29.
pub(crate) const KEPT: [i32; 11] = [19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29];

pub(crate) const GATE_LEN: usize = 16;
/// Data stand behind the code.
pub(crate) const CLOSURE_LEN: usize = 44;
pub(crate) const CHOICE_LEN: usize = 12;

/// The shape that is called through a closure and a choice as well.
pub(crate) const EXAMPLE: &str = "shape_bti_frame";
pub(crate) const DISPATCHER: &str = "midair::patch::arrival::aarch64::dispatch";
pub(crate) const CHOOSER: &str = "midair::patch::choosing::aarch64::dispatch";

/// `add x0, x0, x1; ret`
pub(crate) const ADDS: [u8; 8] = [0x00, 0x00, 0x01, 0x8b, 0xc0, 0x03, 0x5f, 0xd6];

/// Where nothing is stopped at: data may stand there.
pub(crate) const NOT_STOPPED: &[&str] = &["rest"];

/// Where the caller cannot be said: a call that is displaced has put its own return
/// address into x30; about key B only an entry with that augmentation could speak.
pub(crate) fn may_be_cut(shape: &str, place: &str) -> bool {
    let is = |names: &[&str]| names.iter().any(|name| shape.starts_with(name));
    match place {
        "copy" => is(&["shape_bl ", "shape_blr ", "shape_pacibsp "]),
        "gate" => is(&["shape_pacibsp "]),
        _ => false,
    }
}

/// By x30, `shape_blr_x30` is called by the function that it calls.
pub(crate) fn is_fit(shape: &Shape) -> bool {
    shape.name != "shape_blr_x30"
}

/// What stood where a `brk` is.
static STOPS: [(AtomicUsize, AtomicU32); 1024] =
    [const { (AtomicUsize::new(0), AtomicU32::new(0)) }; 1024];

/// `brk #0`
const BRK: u32 = 0xd420_0000;

fn write(at: usize, word: u32) {
    // SAFETY: the page is writable, and one thread executes it.
    unsafe {
        (at as *mut u32).write_volatile(word);
        asm!(
            "dc cvau, {at}", "dsb ish", "ic ivau, {at}", "dsb ish", "isb",
            at = in(reg) at, options(nostack),
        );
    }
}

pub(crate) extern "C" fn step(_: i32, _: *mut libc::siginfo_t, context: *mut c_void) {
    // SAFETY: the kernel passes a ucontext_t.
    let registers = unsafe { &(*context.cast::<libc::ucontext_t>()).uc_mcontext };
    let pc = registers.pc as usize;
    let Some((_, word)) = STOPS.iter().find(|s| s.0.load(Ordering::Relaxed) == pc) else {
        eprintln!("stopped at {pc:#x}, where nothing was written");
        for (name, start, len) in &PLACES {
            eprintln!("{name}: {start:x?}, {len:?} bytes");
        }
        std::process::abort();
    };
    if STEPPING.load(Ordering::Relaxed) {
        let mut link = registers.regs[30];
        // SAFETY: `xpaclri`, which takes a signature off x30.
        unsafe { asm!("hint #7", inout("x30") link) };
        note(pc, link as usize);
    }
    write(pc, word.load(Ordering::Relaxed));
}

/// That its page stays writable disturbs nobody.
fn make_writable(at: usize) {
    let all = region::Protection::READ_WRITE_EXECUTE;
    // SAFETY: one thread, and no right is taken away.
    unsafe { region::protect(at as *const u8, size_of::<u32>(), all) }.unwrap();
}

/// Calls `entry` with every instruction that is looked at stopped at once.
#[inline(never)]
pub(crate) fn stepped(entry: *const (), a: u64, b: u64) -> u64 {
    let mut places: Vec<usize> = Vec::new();
    for (name, start, len) in &PLACES {
        let (start, len) = (start.load(Ordering::SeqCst), len.load(Ordering::SeqCst));
        if !NOT_STOPPED.contains(name) {
            places.extend((start..start + len).step_by(4));
        }
    }
    places.sort_unstable();
    places.dedup();
    assert!(places.len() <= STOPS.len());
    STEPPING.store(true, Ordering::SeqCst);
    for (&at, stop) in places.iter().zip(&STOPS) {
        // SAFETY: code that is mapped.
        let word = unsafe { (at as *const u32).read() };
        stop.0.store(at, Ordering::SeqCst);
        stop.1.store(word, Ordering::SeqCst);
        make_writable(at);
        write(at, BRK);
    }
    // SAFETY: a shape or its driver takes two integers.
    let got = unsafe { probe(entry, a, b) };
    STEPPING.store(false, Ordering::SeqCst);
    for (at, word) in &STOPS {
        let at = at.swap(0, Ordering::SeqCst);
        if at != 0 {
            write(at, word.load(Ordering::SeqCst));
        }
    }
    got.unwrap()
}

/// How long the part of the entry is that is stopped at: a landing pad before the
/// jump as well.
pub(crate) fn entry_len(target: usize, place: usize) -> usize {
    place + 4 - target
}

/// Where the gate of the function that is left at `place` is, if it has one, and
/// where that leads.
pub(crate) fn gate(place: usize) -> Option<(usize, usize)> {
    let word = |at: usize| {
        // SAFETY: code of this process.
        unsafe { (at as *const u32).read() }
    };
    let signed = |value: u32, bits: u32| ((value << (32 - bits)) as i32 >> (32 - bits)) as isize;
    let jump = word(place);
    (jump >> 26 == 0b101).then(|| {
        let gate = place.wrapping_add_signed(4 * signed(jump & 0x3ff_ffff, 26));
        // `adrp x16, slot; ldr x16, [x16, slot]`, maybe behind an `autiasp`.
        let at = (gate..gate + GATE_LEN).step_by(4);
        let at = at
            .into_iter()
            .find(|&at| word(at) >> 24 & 0x9f == 0x90)
            .unwrap();
        let pages = signed(word(at) >> 5 & 0x7_ffff, 19) << 2 | (word(at) >> 29 & 3) as isize;
        let page = (at & !0xfff).wrapping_add_signed(pages << 12);
        let slot = page + 8 * (word(at + 4) >> 10 & 0xfff) as usize;
        // SAFETY: the slot is there as long as the gate.
        (gate, unsafe { *(slot as *const usize) })
    })
}
