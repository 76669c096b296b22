//! The signal handler in which a running thread copies its own registers and
//! stack for whoever asks.
//!
//! It does that and returns: it parks nobody, allocates nothing, takes no lock,
//! touches no thread-local (`errno` is one) and calls nothing that might be
//! patched. The copy is made by the kernel (`process_vm_readv` of the process
//! itself, by a bare `syscall` instruction), which stops where the stack's
//! mapping ends instead of faulting.
//!
//! A question and its answer meet in a [`Slot`], which is never freed. Its state
//! carries a ticket, so that a signal that arrives after the asker has given up
//! finds another ticket and writes nothing.

use super::machine::offset_in_context;
use super::registers::{COUNT, SP};
use super::stretch::lowest;
use super::system_call::copy_readable;
use super::view::STACKS;
use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

/// How many threads can be asked at one time.
pub(super) const SLOTS: usize = 1024;

/// Marks our signals, in a field that is the sender's to fill: "mida".
pub(super) const MARK: u32 = 0x6d69_6461;

/// What a slot is in the middle of; in the low bits of its state.
pub(super) mod phase {
    /// Nobody uses it.
    pub(in super::super) const FREE: u64 = 0;
    /// An asker fills it.
    pub(in super::super) const CLAIMED: u64 = 1;
    /// The signal is on its way.
    pub(in super::super) const ASKED: u64 = 2;
    /// The handler fills it.
    pub(in super::super) const WRITING: u64 = 3;
    /// As above, and nobody waits for it.
    pub(in super::super) const ABANDONED: u64 = 4;
    /// It is filled.
    pub(in super::super) const DONE: u64 = 5;
    /// How far the ticket is shifted.
    pub(in super::super) const BITS: u32 = 3;
}

/// Where one question and its answer meet.
pub(super) struct Slot {
    /// A ticket and a phase.
    pub(super) state: AtomicU64,
    /// A mapping of the asker's, to be read and written only by whom the phase
    /// says.
    pub(super) page: AtomicPtr<Page>,
}

/// What is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub(super) enum Wish {
    /// Registers and stacks.
    Copy,
    /// SIGTRAP is let through from now on.
    UnblockTrap,
}

/// The head of a mapping; the copied stacks follow it.
#[repr(C)]
pub(super) struct Page {
    // By the asker:
    pub(super) wish: Wish,
    pub(super) process: usize,
    /// Bytes for stacks, after this head.
    pub(super) capacity: usize,
    /// Where the stack in use ends, if it is the one that the asker takes it
    /// for; 0 is not known.
    pub(super) end: usize,
    /// Other stacks to copy, from these addresses on; 0 is none.
    pub(super) others: [usize; STACKS - 1],
    // By the handler:
    pub(super) registers: [usize; COUNT],
    /// Where each copy begins, and how many bytes it has, one behind the other.
    pub(super) copies: [(usize, usize); STACKS],
}

static TABLE: [Slot; SLOTS] = [const {
    Slot {
        state: AtomicU64::new(phase::FREE),
        page: AtomicPtr::new(std::ptr::null_mut()),
    }
}; SLOTS];

/// All slots.
pub(super) fn slots() -> &'static [Slot; SLOTS] {
    &TABLE
}

/// What the signal carries: which slot, and for which question.
pub(super) fn value(slot: usize, ticket: u64) -> u64 {
    (ticket & TICKETS) << 16 | slot as u64
}

/// A ticket has 48 bits.
pub(super) const TICKETS: u64 = (1 << 48) - 1;

/// The part of `siginfo_t` that `rt_tgsigqueueinfo` passes on.
#[repr(C)]
pub(super) struct Info {
    pub(super) signal: i32,
    pub(super) error: i32,
    pub(super) code: i32,
    _pad: i32,
    pub(super) process: i32,
    pub(super) user: u32,
    pub(super) value: u64,
    _rest: [u64; 12],
}

impl Info {
    pub(super) fn new(mark: u32, signal: i32, process: i32, value: u64) -> Self {
        Self {
            signal,
            error: 0,
            code: libc::SI_QUEUE,
            _pad: 0,
            process,
            user: mark,
            value,
            _rest: [0; 12],
        }
    }
}

const _: () = assert!(size_of::<Info>() == size_of::<libc::siginfo_t>());

/// Answers, if the signal is ours: gives whether it is.
///
/// # Safety
///
/// Called by the kernel's signal delivery, with its `info` and `context`.
pub(super) unsafe fn answer(info: *const Info, context: *mut libc::ucontext_t) -> bool {
    // SAFETY: the kernel passes the signal's information.
    let info = unsafe { &*info };
    if info.code != libc::SI_QUEUE || info.user != MARK {
        return false;
    }
    let (number, ticket) = (info.value & 0xffff, info.value >> 16);
    let Some(slot) = TABLE.get(number as usize) else {
        return true;
    };
    let in_phase = |phase| ticket << phase::BITS | phase;
    let claimed = slot.state.compare_exchange(
        in_phase(phase::ASKED),
        in_phase(phase::WRITING),
        Ordering::AcqRel,
        Ordering::Relaxed,
    );
    if claimed.is_err() {
        return true;
    }
    // SAFETY: in this phase the page is mapped and nobody's but ours.
    let page = unsafe { &mut *slot.page.load(Ordering::Relaxed) };
    match page.wish {
        // SAFETY: the context is the kernel's.
        Wish::Copy => unsafe { copy(page, context) },
        // SAFETY: as above; the mask is taken when the handler returns.
        Wish::UnblockTrap => unsafe {
            let mask = (&raw mut (*context).uc_sigmask).cast::<u64>();
            *mask &= !(1 << (libc::SIGTRAP - 1));
        },
    }
    let done = slot.state.compare_exchange(
        in_phase(phase::WRITING),
        in_phase(phase::DONE),
        Ordering::AcqRel,
        Ordering::Relaxed,
    );
    if done.is_err() {
        // The asker has given up meanwhile: the slot is free for the next one.
        let next = ((ticket + 1) & TICKETS) << phase::BITS | phase::FREE;
        slot.state.store(next, Ordering::Release);
    }
    true
}

unsafe fn copy(page: &mut Page, context: *mut libc::ucontext_t) {
    let mut number = 0;
    while number < COUNT {
        let at = context.cast::<u8>().wrapping_add(offset_in_context(number));
        // SAFETY: the kernel passes a whole, valid context.
        page.registers[number] = unsafe { at.cast::<usize>().read() };
        number += 1;
    }
    let sp = page.registers[SP];
    let stacks = (page as *mut Page).wrapping_add(1) as usize;
    let mut used = 0;
    let mut number = 0;
    while number < STACKS {
        let from = match number {
            0 => sp,
            _ => page.others[number - 1],
        };
        let mut start = lowest(from);
        let mut got = 0;
        if from != 0 {
            // SAFETY: the room is the page's.
            got = unsafe { copied(page, number, start, stacks, used) };
            if got == 0 {
                // The red zone may be in the guard page.
                start = from & !7;
                // SAFETY: as above.
                got = unsafe { copied(page, number, start, stacks, used) };
            }
        }
        page.copies[number] = (start, got);
        used += got & !7;
        number += 1;
    }
}

unsafe fn copied(page: &Page, number: usize, from: usize, stacks: usize, used: usize) -> usize {
    let mut room = page.capacity - used;
    if number == 0 && page.end > from && page.end - from < room {
        room = page.end - from;
    }
    // SAFETY: the room is the page's.
    unsafe { copy_readable(page.process, from, stacks + used, room) }.unwrap_or_default()
}
