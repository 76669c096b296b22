//! Walking the frames of a stack, with proof.
//!
//! Each step from a frame to its caller is made by call frame information, and
//! each register is known or it is not: a sleeper's rbp is unknown until a frame
//! restores it. Where a step needs what is unknown, or there is no information,
//! the walk ends and says where. It never guesses by frame pointers, as
//! unwinders for profilers do (framehop among them): what is said to be on a
//! stack, and what is said not to be, is a proof on which memory is freed.
//!
//! Nothing is allocated and nothing is locked here, so that a thread can walk
//! its own stack from wherever it is.

use super::machine::{CONTEXT_IN_FRAME, MARK_IN_CONTEXT, has_frame, is_mark, is_signal_return};
#[cfg(target_arch = "aarch64")]
use super::machine::{LR, without_signature};
use super::own_memory;
use super::registers::{PC, Registers, SP};
use std::cell::RefCell;
use std::ops::ControlFlow;

/// Where a walk reads a stack.
pub(crate) trait Memory {
    /// The word at `at`, or none if it cannot be read.
    fn word(&self, at: usize) -> Option<usize>;
}

/// Who knows how a frame leads to its caller.
pub(crate) trait CallFrames {
    /// The step from the frame with these registers to its caller.
    ///
    /// `after_call` says that the program counter is a return address, so that
    /// the instruction before it counts.
    fn caller(&self, frame: &Registers, after_call: bool, memory: &dyn Memory) -> Step;
}

/// One step of a walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// The registers as they are in the caller, as far as they are known.
    Caller(Registers),
    /// There is no caller: a thread begins here.
    Outermost,
    /// Nobody knows.
    Unknown(Gap),
}

/// Why a step cannot be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gap {
    /// No call frame information is about this code.
    NoInformation,
    /// It is damaged, or of a kind that is not understood.
    NotUnderstood,
    /// A rule needs this register, which is unknown.
    Register(usize),
    /// A rule reads memory that could not be read.
    Memory(usize),
    /// The caller's frame would not be above this one.
    Backwards,
    /// There are more frames than a walk takes.
    TooMany,
}

/// A function that is on the stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    /// Where it is or will go on.
    pub(crate) pc: usize,
    /// Its stack pointer.
    pub(crate) sp: usize,
    /// `pc` is a return address: the function is the one that the byte before
    /// it belongs to.
    pub(crate) after_call: bool,
}

/// How a walk ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// All frames were seen.
    Complete,
    /// Whoever was shown them had seen enough.
    Stopped,
    /// The frames seen are right; what is above `sp` is unknown.
    UnknownFrom {
        /// Where the code of the last frame is.
        pc: usize,
        /// Its stack pointer.
        sp: usize,
        /// Why it leads no further.
        gap: Gap,
    },
}

/// How many frames a walk takes.
const FRAMES: usize = 1 << 20;

/// Calls `each` for every frame, from the innermost on, whose program counter may
/// be a return address; ends early if `each` says so.
pub(crate) fn walk_from(
    call_frames: &dyn CallFrames,
    memory: &dyn Memory,
    start: Registers,
    mut after_call: bool,
    mut each: impl FnMut(&Frame) -> ControlFlow<()>,
) -> End {
    let mut registers = start;
    for _ in 0..FRAMES {
        let (pc, sp) = (registers.pc(), registers.sp());
        if each(&Frame { pc, sp, after_call }).is_break() {
            return End::Stopped;
        }
        let gap = match call_frames.caller(&registers, after_call, memory) {
            Step::Outermost => return End::Complete,
            Step::Caller(caller)
                if caller.sp() > sp || caller.sp() == sp && !has_frame(after_call) =>
            {
                registers = caller;
                after_call = true;
                if !is_signal_frame(&registers, memory) {
                    continue;
                }
                // The saved context is all there is to know; the return of the
                // handler is no function.
                match interrupted(&registers, memory) {
                    Ok(context) => {
                        registers = context;
                        after_call = false;
                        continue;
                    }
                    Err(gap) => gap,
                }
            }
            Step::Caller(_) => Gap::Backwards,
            Step::Unknown(gap) => gap,
        };
        return End::UnknownFrom {
            pc: registers.pc(),
            sp: registers.sp(),
            gap,
        };
    }
    End::UnknownFrom {
        pc: registers.pc(),
        sp: registers.sp(),
        gap: Gap::TooMany,
    }
}

/// Whether the frame is the one that the kernel makes for a signal: its code is
/// the return from the handler.
fn is_signal_frame(frame: &Registers, memory: &dyn Memory) -> bool {
    let here = frame.sp().checked_add(CONTEXT_IN_FRAME + MARK_IN_CONTEXT);
    here.and_then(|at| memory.word(at)).is_some_and(is_mark) && is_signal_return(frame.pc())
}

fn interrupted(frame: &Registers, memory: &dyn Memory) -> Result<Registers, Gap> {
    let at = frame.sp().wrapping_add(CONTEXT_IN_FRAME);
    let context = Registers::saved_at(at, |at| memory.word(at));
    context.ok_or(Gap::Memory(frame.sp()))
}

/// The step of code that has not touched the stack since it was called: the
/// return address is in the link register.
#[cfg(target_arch = "aarch64")]
pub(crate) fn return_on_top(frame: &Registers, _: &dyn Memory) -> Step {
    match frame.get(LR).map(without_signature) {
        None => Step::Unknown(Gap::Register(LR)),
        Some(0) => Step::Outermost,
        Some(pc) => {
            let mut caller = frame.callee_saved();
            caller.set(PC, pc);
            caller.set(SP, frame.sp());
            Step::Caller(caller)
        }
    }
}

/// The step of code that has not touched the stack since it was called: the
/// return address is on top of it.
#[cfg(target_arch = "x86_64")]
pub(crate) fn return_on_top(frame: &Registers, memory: &dyn Memory) -> Step {
    let sp = frame.sp();
    match memory.word(sp) {
        None => Step::Unknown(Gap::Memory(sp)),
        Some(0) => Step::Outermost,
        Some(pc) => {
            let mut caller = frame.callee_saved();
            caller.set(PC, pc);
            caller.set(SP, sp + 8);
            Step::Caller(caller)
        }
    }
}

/// The stack of the calling thread, read without being copied.
///
/// A window of it is kept here; nothing is allocated. Only frames above the
/// caller's own are at rest.
pub(crate) struct OwnStack(RefCell<Window>);

struct Window {
    start: usize,
    length: usize,
    words: [usize; WINDOW],
}

/// In words. One read costs about as much for 8 bytes as for 1024.
const WINDOW: usize = 128;

impl OwnStack {
    pub(crate) const fn new() -> Self {
        Self(RefCell::new(Window {
            start: 0,
            length: 0,
            words: [0; WINDOW],
        }))
    }
}

impl Memory for OwnStack {
    fn word(&self, at: usize) -> Option<usize> {
        if !at.is_multiple_of(8) {
            return own_memory::word(at);
        }
        let mut window = self.0.try_borrow_mut().ok()?;
        if at < window.start || at >= window.start + 8 * window.length {
            window.length = own_memory::read_words(at, &mut window.words);
            window.start = at;
        }
        let place = (at - window.start) / 8;
        window.words[..window.length].get(place).copied()
    }
}
