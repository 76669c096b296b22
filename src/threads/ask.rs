//! Asking a running thread: the asker's half of [`super::answer`].
//!
//! Slots are taken and given back by one atomic each: there is no lock that a
//! fork could leave locked. What a question maps stays with its slot for the
//! next one.

use super::answer::{Page, SLOTS, Slot, TICKETS, Wish, phase, slots, value};
use super::front;
use super::registers::{COUNT, Registers};
use super::stretch::Stretch;
use super::system_call::{error, process_id};
use super::tasks::Tid;
use super::view::STACKS;
use std::io;
use std::ptr;
use std::sync::atomic::Ordering;

/// What most stacks fit in.
pub(super) const USUAL: usize = 64 << 10;

/// Slots whose memory stays resident between questions.
const RESIDENT: usize = 8;

/// A question on its way.
pub(super) struct Asked {
    tid: Tid,
    number: usize,
    ticket: u64,
}

/// What came back.
pub(super) enum Answer {
    /// Not yet.
    Pending,
    /// It is done.
    Unblocked,
    /// The registers and the stacks.
    Copied(Registers, Vec<Stretch>),
    /// The stack is deeper than that.
    Deeper,
}

/// Why a thread cannot be asked now.
pub(super) enum Refused {
    /// All slots are in use, or the kernel's queue is full: later.
    Busy,
    /// There is no such thread.
    Gone,
    /// The kernel refuses.
    Failed(io::Error),
}

/// Asks a thread; `capacity` is how many bytes of stack it may copy, `others`
/// are stacks to copy besides, and `end` is where its own is known to end, or 0.
pub(super) fn ask(
    tid: Tid,
    wish: Wish,
    capacity: usize,
    others: &[usize],
    end: usize,
) -> Result<Asked, Refused> {
    let signal = front::ensure().map_err(Refused::Failed)?;
    let asked = Asked::claim(tid).ok_or(Refused::Busy)?;
    let page = asked.page(capacity).map_err(Refused::Failed)?;
    let process = process_id();
    // SAFETY: claimed by us; nobody else touches the page until it is asked.
    unsafe {
        (*page).wish = wish;
        (*page).end = end;
        (*page).process = process;
        (*page).others = [0; STACKS - 1];
        for (place, other) in (*page).others.iter_mut().zip(others) {
            *place = *other;
        }
    }
    let state = asked.in_phase(phase::ASKED);
    asked.slot().state.store(state, Ordering::Release);
    // Dropped on an error, it takes the question back.
    match front::send(signal, process, tid, value(asked.number, asked.ticket)) {
        Ok(()) => Ok(asked),
        Err(libc::EAGAIN) => Err(Refused::Busy),
        Err(libc::ESRCH) => Err(Refused::Gone),
        Err(number) => Err(Refused::Failed(error(number))),
    }
}

impl Asked {
    fn slot(&self) -> &'static Slot {
        &slots()[self.number]
    }

    fn in_phase(&self, phase: u64) -> u64 {
        self.ticket << phase::BITS | phase
    }

    fn claim(tid: Tid) -> Option<Asked> {
        (0..SLOTS).find_map(|number| {
            let slot = &slots()[number];
            let state = slot.state.load(Ordering::Relaxed);
            let ticket = state >> phase::BITS;
            let asked = Asked {
                tid,
                number,
                ticket,
            };
            let (free, claimed) = (asked.in_phase(phase::FREE), asked.in_phase(phase::CLAIMED));
            let taken = state == free
                && slot
                    .state
                    .compare_exchange(free, claimed, Ordering::AcqRel, Ordering::Relaxed)
                    .is_ok();
            if taken {
                return Some(asked);
            }
            // It was never ours to give back.
            std::mem::forget(asked);
            None
        })
    }

    /// The slot's mapping, replaced by a larger one if need be.
    fn page(&self, capacity: usize) -> io::Result<*mut Page> {
        let slot = self.slot();
        let page = slot.page.load(Ordering::Relaxed);
        if !page.is_null() {
            // SAFETY: claimed by us; mapped by this function.
            let has = unsafe { (*page).capacity };
            if has >= capacity {
                return Ok(page);
            }
            slot.page.store(ptr::null_mut(), Ordering::Relaxed);
            // SAFETY: nobody uses it in this phase.
            unsafe { libc::munmap(page.cast(), size_of::<Page>() + has) };
        }
        let rights = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        let length = size_of::<Page>() + capacity;
        // SAFETY: fresh memory, wherever the kernel puts it.
        let at = unsafe { libc::mmap(ptr::null_mut(), length, rights, flags, -1, 0) };
        if at == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let page = at.cast::<Page>();
        // SAFETY: mapped just now; zeros are valid for the rest.
        unsafe { (*page).capacity = capacity };
        slot.page.store(page, Ordering::Relaxed);
        Ok(page)
    }

    /// What has come back so far.
    pub(super) fn answer(&self) -> Answer {
        let state = self.slot().state.load(Ordering::Acquire);
        if state != self.in_phase(phase::DONE) {
            return Answer::Pending;
        }
        let page = self.slot().page.load(Ordering::Relaxed);
        // SAFETY: filled, and the handler has left it.
        let head = unsafe { &*page };
        if head.wish == Wish::UnblockTrap {
            return Answer::Unblocked;
        }
        let mut stacks = Vec::new();
        let mut used = 0;
        for (number, (start, length)) in head.copies.into_iter().enumerate() {
            if number > 0 && head.others[number - 1] == 0 {
                continue;
            }
            let words = length / 8;
            let first = page.wrapping_add(1).cast::<usize>().wrapping_add(used / 8);
            // SAFETY: the handler has written that many bytes there.
            let words = unsafe { std::slice::from_raw_parts_mut(first, words) };
            let copied = words.to_vec();
            // Nothing of a stack stays behind, where it would be taken for one.
            words.fill(0);
            let words = copied;
            let mut stretch = Stretch { start, words };
            used += length & !7;
            let is_last = number == STACKS - 1 || head.others[number] == 0;
            let is_full = used >= head.capacity & !7;
            let is_limited = number == 0 && start + length == head.end;
            let is_whole = stretch.cut(self.tid);
            if is_full && !(is_whole && is_last) || is_limited && !is_whole {
                return Answer::Deeper;
            }
            if length > 0 {
                stacks.push(stretch);
            }
        }
        let registers = Registers::all(head.registers);
        // Nor of registers.
        // SAFETY: as above: the page is ours until it is given back.
        unsafe { (*page).registers = [0; COUNT] };
        Answer::Copied(registers, stacks)
    }
}

impl Drop for Asked {
    /// Takes the question back, or frees the slot of an answered one.
    fn drop(&mut self) {
        let slot = self.slot();
        let next = ((self.ticket + 1) & TICKETS) << phase::BITS | phase::FREE;
        loop {
            let state = slot.state.load(Ordering::Acquire);
            let to = if state == self.in_phase(phase::WRITING) {
                // The handler is at it, and frees the slot when it is done.
                self.in_phase(phase::ABANDONED)
            } else {
                if state != self.in_phase(phase::ASKED) {
                    self.shrink();
                }
                next
            };
            let swapped =
                slot.state
                    .compare_exchange(state, to, Ordering::AcqRel, Ordering::Relaxed);
            if swapped.is_ok() {
                return;
            }
        }
    }
}

impl Asked {
    /// Gives back memory that the next question need not find.
    fn shrink(&self) {
        let slot = self.slot();
        let page = slot.page.load(Ordering::Relaxed);
        if page.is_null() {
            return;
        }
        // SAFETY: claimed or done: the page is ours.
        let capacity = unsafe { (*page).capacity };
        if capacity > USUAL || self.number >= RESIDENT {
            slot.page.store(ptr::null_mut(), Ordering::Relaxed);
            // SAFETY: as above; nobody knows of it any more.
            unsafe { libc::munmap(page.cast(), size_of::<Page>() + capacity) };
        }
    }
}
