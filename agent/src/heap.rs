//! The agent's own heap.
//!
//! The agent searches the program's memory for pointers into code that was
//! replaced. Its own notes are full of them: lists of modules, copies of stacks,
//! messages, and what is left of all these where they were freed. So they are kept
//! apart, in one stretch of address space that is not searched.
//!
//! `dlmalloc` does the work; this gives it memory from the stretch, which grows and
//! shrinks at its end. It is not meant to be fast for many threads: the agent has
//! one. Where the program's address space is limited, the stretch takes an eighth of
//! it; when it is full, or there is none, memory comes from elsewhere, where it is
//! searched, so that some old code may stay.

use dlmalloc::{Allocator, Dlmalloc};
use std::alloc::{GlobalAlloc, Layout};
use std::cell::UnsafeCell;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// The length of the stretch at most. What is not used of it is address space only.
const LEN: usize = 1 << 30;
const PAGE: usize = 4096;

/// Where the stretch begins, once there is one, how long it is, and how much of it is
/// in use.
static START: AtomicUsize = AtomicUsize::new(0);
static WHOLE: AtomicUsize = AtomicUsize::new(0);
static USED: AtomicUsize = AtomicUsize::new(0);

/// Memory for everything that this library allocates.
pub(crate) struct Heap {
    is_locked: AtomicBool,
    inner: UnsafeCell<Dlmalloc<Stretch>>,
}

// SAFETY: whoever touches what is inside holds the lock.
unsafe impl Sync for Heap {}

impl Heap {
    pub(crate) const fn new() -> Self {
        Self {
            is_locked: AtomicBool::new(false),
            inner: UnsafeCell::new(Dlmalloc::new_with_allocator(Stretch)),
        }
    }

    /// Where all that was ever allocated is.
    pub(crate) fn range(&self) -> Range<usize> {
        let start = START.load(Ordering::Acquire);
        start..start + WHOLE.load(Ordering::Relaxed)
    }

    /// Takes the lock; nobody keeps it for long.
    pub(crate) fn lock(&self) {
        let (free, taken) = (Ordering::Relaxed, Ordering::Acquire);
        while self
            .is_locked
            .compare_exchange_weak(false, true, taken, free)
            .is_err()
        {
            // SAFETY: takes nothing.
            unsafe { libc::sched_yield() };
        }
    }

    pub(crate) fn unlock(&self) {
        self.is_locked.store(false, Ordering::Release);
    }

    fn with<T>(&self, act: impl FnOnce(&mut Dlmalloc<Stretch>) -> T) -> T {
        self.lock();
        // SAFETY: nobody else has the lock.
        let done = act(unsafe { &mut *self.inner.get() });
        self.unlock();
        done
    }
}

// SAFETY: dlmalloc's functions keep this contract, one caller at a time.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: any size and alignment will do.
        self.with(|inner| unsafe { inner.malloc(layout.size(), layout.align()) })
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        self.with(|inner| unsafe { inner.calloc(layout.size(), layout.align()) })
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise: allocated here with this layout.
        self.with(|inner| unsafe { inner.free(at, layout.size(), layout.align()) })
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let (old, align) = (layout.size(), layout.align());
        // SAFETY: as above.
        self.with(|inner| unsafe { inner.realloc(at, old, align, size) })
    }
}

/// The stretch, for dlmalloc, which calls this under the lock.
struct Stretch;

impl Stretch {
    /// Where it begins; none if the kernel gives none.
    fn start() -> Option<usize> {
        let known = START.load(Ordering::Relaxed);
        if known != 0 {
            return Some(known);
        }
        let len = LEN.min(midair::reload::address_space() / 8 / PAGE * PAGE);
        let at = map(len, libc::PROT_NONE)?;
        WHOLE.store(len, Ordering::Relaxed);
        START.store(at, Ordering::Release);
        Some(at)
    }

    /// The next piece of it, if there is room.
    fn grow(size: usize) -> Option<usize> {
        let start = Self::start()?;
        let used = USED.load(Ordering::Relaxed);
        if size > WHOLE.load(Ordering::Relaxed) - used {
            return None;
        }
        let at = start + used;
        let rights = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: pages of the stretch that nobody uses yet.
        if unsafe { libc::mprotect(at as *mut _, size, rights) } != 0 {
            return None;
        }
        USED.store(used + size, Ordering::Relaxed);
        Some(at)
    }

    fn holds(at: usize) -> bool {
        let start = START.load(Ordering::Relaxed);
        (start..start + WHOLE.load(Ordering::Relaxed)).contains(&at)
    }

    /// Gives what is behind `keep` bytes of a piece back to the kernel: of the last
    /// piece, in the stretch.
    fn shrink(at: usize, len: usize, keep: usize) -> bool {
        let gone = (at + keep) as *mut libc::c_void;
        if !Self::holds(at) {
            // dlmalloc joins pieces that touch.
            if Self::holds(at + len - 1) {
                return false;
            }
            // SAFETY: mapped by `alloc`, and dlmalloc does not use it.
            return unsafe { libc::munmap(gone, len - keep) } == 0;
        }
        let (start, used) = (START.load(Ordering::Relaxed), USED.load(Ordering::Relaxed));
        if at + len != start + used {
            return false;
        }
        // SAFETY: pages of the stretch that dlmalloc does not use any more.
        unsafe { libc::madvise(gone, len - keep, libc::MADV_DONTNEED) };
        USED.store(used - (len - keep), Ordering::Relaxed);
        true
    }
}

/// Fresh memory, wherever the kernel puts it.
fn map(len: usize, rights: i32) -> Option<usize> {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
    // SAFETY: replaces nothing.
    let at = unsafe { libc::mmap(std::ptr::null_mut(), len, rights, flags, -1, 0) };
    (at != libc::MAP_FAILED).then_some(at as usize)
}

// SAFETY: each piece is given out once, and is mapped.
unsafe impl Allocator for Stretch {
    fn alloc(&self, size: usize) -> (*mut u8, usize, u32) {
        let elsewhere = || map(size, libc::PROT_READ | libc::PROT_WRITE);
        match Self::grow(size).or_else(elsewhere) {
            Some(at) => (at as *mut u8, size, 0),
            None => (std::ptr::null_mut(), 0, 0),
        }
    }

    fn remap(&self, _: *mut u8, _: usize, _: usize, _: bool) -> *mut u8 {
        std::ptr::null_mut()
    }

    fn free_part(&self, at: *mut u8, len: usize, keep: usize) -> bool {
        Self::shrink(at as usize, len, keep)
    }

    fn free(&self, at: *mut u8, len: usize) -> bool {
        Self::shrink(at as usize, len, 0)
    }

    fn can_release_part(&self, _: u32) -> bool {
        true
    }

    fn allocates_zeros(&self) -> bool {
        true
    }

    fn page_size(&self) -> usize {
        PAGE
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::HEAP;

    fn alloc(size: usize, align: usize) -> (*mut u8, Layout) {
        let layout = Layout::from_size_align(size, align).unwrap();
        // SAFETY: the size is not zero.
        let at = unsafe { HEAP.alloc(layout) };
        assert!(!at.is_null() && (at as usize).is_multiple_of(align));
        // SAFETY: this long, and nobody else's.
        unsafe { at.write_bytes(1, size.min(PAGE)) };
        // SAFETY: as above.
        unsafe { at.add(size - 1).write(2) };
        (at, layout)
    }

    #[test]
    fn what_the_stretch_has_no_room_for_comes_from_elsewhere_and_goes_back() {
        let large: Vec<_> = (0..6).map(|_| alloc(200 << 20, 16)).collect();
        let inside = |at: &*mut u8| HEAP.range().contains(&(*at as usize));
        assert!(large.iter().any(|(at, _)| inside(at)));
        assert!(large.iter().any(|(at, _)| !inside(at)));
        for (at, layout) in large {
            // SAFETY: allocated above.
            unsafe { HEAP.dealloc(at, layout) };
        }
        let (at, layout) = alloc(3, 1 << 17);
        assert!(inside(&at));
        // SAFETY: allocated above.
        let at = unsafe { HEAP.realloc(at, layout, 1 << 20) };
        assert!((at as usize).is_multiple_of(1 << 17));
        // SAFETY: as long as that.
        assert_eq!(unsafe { [at.read(), at.add(2).read()] }, [1, 2]);
        let layout = Layout::from_size_align(1 << 20, 1 << 17).unwrap();
        // SAFETY: allocated above.
        unsafe { HEAP.dealloc(at, layout) };
        // SAFETY: the size is not zero.
        let zeroed = unsafe { HEAP.alloc_zeroed(layout) };
        // SAFETY: this long.
        let bytes = unsafe { std::slice::from_raw_parts(zeroed, 1 << 20) };
        assert!(bytes.iter().all(|byte| *byte == 0));
    }

    #[test]
    fn a_piece_from_elsewhere_that_was_joined_with_the_stretch_takes_nothing_of_it_away() {
        let start = Stretch::start().unwrap();
        assert!(!Stretch::shrink(start - PAGE, 2 * PAGE, PAGE));
    }
}
