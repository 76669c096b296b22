//! The agent's own heap.
//!
//! The agent searches the program's memory for pointers into code that was
//! replaced. Its own notes are full of them: lists of modules, copies of stacks,
//! messages, and what is left of all these where they were freed. So they are kept
//! apart, in one stretch of address space that is not searched.
//!
//! `dlmalloc` does the work; this gives it memory from the stretch, which grows and
//! shrinks at its end. It is not meant to be fast for many threads: the agent has
//! one.

use dlmalloc::{Allocator, Dlmalloc};
use std::alloc::{GlobalAlloc, Layout};
use std::cell::UnsafeCell;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// The length of the stretch. Without memory behind it, it costs nothing.
const LEN: usize = 1 << 30;
const PAGE: usize = 4096;

/// Where the stretch begins, once there is one, and how much of it is in use.
static START: AtomicUsize = AtomicUsize::new(0);
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
        start..start + if start == 0 { 0 } else { LEN }
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
    fn start() -> Option<usize> {
        let known = START.load(Ordering::Relaxed);
        if known != 0 {
            return Some(known);
        }
        let rights = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        // SAFETY: fresh memory, wherever the kernel puts it.
        let at = unsafe { libc::mmap(std::ptr::null_mut(), LEN, rights, flags, -1, 0) };
        if at == libc::MAP_FAILED {
            return None;
        }
        START.store(at as usize, Ordering::Release);
        Some(at as usize)
    }

    /// Gives what is behind `keep` bytes of the last piece back to the kernel.
    fn shrink(at: *mut u8, len: usize, keep: usize) -> bool {
        let (start, used) = (START.load(Ordering::Relaxed), USED.load(Ordering::Relaxed));
        if at as usize + len != start + used {
            return false;
        }
        let gone = at.wrapping_add(keep);
        // SAFETY: pages of the stretch that dlmalloc does not use any more.
        unsafe { libc::madvise(gone.cast(), len - keep, libc::MADV_DONTNEED) };
        USED.store(used - (len - keep), Ordering::Relaxed);
        true
    }
}

// SAFETY: each piece is given out once, and is mapped.
unsafe impl Allocator for Stretch {
    fn alloc(&self, size: usize) -> (*mut u8, usize, u32) {
        let used = USED.load(Ordering::Relaxed);
        let start = Self::start().filter(|_| size <= LEN - used);
        let Some(start) = start else {
            return (std::ptr::null_mut(), 0, 0);
        };
        USED.store(used + size, Ordering::Relaxed);
        ((start + used) as *mut u8, size, 0)
    }

    fn remap(&self, _: *mut u8, _: usize, _: usize, _: bool) -> *mut u8 {
        std::ptr::null_mut()
    }

    fn free_part(&self, at: *mut u8, len: usize, keep: usize) -> bool {
        Self::shrink(at, len, keep)
    }

    fn free(&self, at: *mut u8, len: usize) -> bool {
        Self::shrink(at, len, 0)
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
