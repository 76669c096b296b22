//! Where a stack ends in what is mapped behind it.

use crate::memory::layout::page_size;
use crate::threads::stretch::Stretch;
use std::time::Instant;

/// Memory of so many words, at its own addresses, with a page behind it that cannot be
/// read.
struct Mapped {
    start: usize,
    words: usize,
}

impl Mapped {
    fn of(words: usize) -> Self {
        let len = (words * 8).next_multiple_of(page_size());
        // SAFETY: new memory.
        let start = unsafe {
            let rights = libc::PROT_READ | libc::PROT_WRITE;
            let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
            let at = libc::mmap(
                std::ptr::null_mut(),
                len + page_size(),
                rights,
                flags,
                -1,
                0,
            );
            assert_ne!(at, libc::MAP_FAILED);
            let last = at.byte_add(len);
            assert_eq!(libc::mprotect(last, page_size(), libc::PROT_NONE), 0);
            at as usize
        };
        Self {
            start,
            words: len / 8,
        }
    }

    fn write(&self, word: usize, value: usize) {
        assert!(word < self.words);
        // SAFETY: in the mapping, and nobody else knows it.
        unsafe { ((self.start + 8 * word) as *mut usize).write(value) };
    }
}

impl Drop for Mapped {
    fn drop(&mut self) {
        let len = 8 * self.words + page_size();
        // SAFETY: mapped by `of`.
        unsafe { libc::munmap(self.start as *mut _, len) };
    }
}

const DEEPEST: usize = 64 << 20;
const THREAD: i32 = 4711;

/// What `struct pthread` begins with, as far as it is looked at.
#[cfg(target_arch = "x86_64")]
fn put_block(mapped: &Mapped, word: usize) {
    let at = mapped.start + 8 * word;
    mapped.write(word, at);
    mapped.write(word + 2, at);
    mapped.write(word + 90, THREAD as usize);
}

#[cfg(target_arch = "aarch64")]
fn put_block(mapped: &Mapped, word: usize) {
    let at = mapped.start + 8 * word;
    mapped.write(word + 26, THREAD as usize);
    mapped.write(word + 27, at + 28 * 8);
    mapped.write(word + 28, at + 28 * 8);
}

/// It is read piece by piece: 8, 32, 128 kB and so on.
#[test]
fn a_stack_ends_before_the_description_of_its_thread_wherever_that_is() {
    let pieces = [1 << 10, 5 << 10, 21 << 10];
    let places = pieces.iter().flat_map(|end| end - 140..end + 4);
    for word in places.step_by(3) {
        let mapped = Mapped::of(64 << 10);
        put_block(&mapped, word);
        let sp = mapped.start + 128;
        let stretch = Stretch::of_stack(sp, DEEPEST, THREAD).unwrap();
        assert_eq!(stretch.end(), mapped.start + 8 * word, "word {word}");
        assert_eq!(stretch.known_block(THREAD), Some(stretch.end()));
    }
}

#[test]
fn without_a_description_all_that_is_mapped_is_taken() {
    let mapped = Mapped::of(64 << 10);
    let sp = mapped.start + 128;
    let stretch = Stretch::of_stack(sp, DEEPEST, THREAD).unwrap();
    assert_eq!(stretch.end(), mapped.start + 8 * mapped.words);
    assert!(Stretch::of_stack(sp, 64 << 10, THREAD).is_none());
}

/// Of a thread that ends nothing tells where its stack ended, and those of others
/// may follow.
#[test]
fn fifteen_times_as_much_memory_takes_about_fifteen_times_as_long() {
    let time = |megabytes: usize| {
        let mapped = Mapped::of(megabytes << 17);
        let once = || {
            let start = Instant::now();
            let stretch = Stretch::of_stack(mapped.start + 128, DEEPEST, THREAD).unwrap();
            assert!(stretch.words.len() > mapped.words - 100);
            start.elapsed()
        };
        (0..3).map(|_| once()).min().unwrap()
    };
    let (few, many) = (time(4), time(60));
    println!("4 MB: {few:?}, 60 MB: {many:?}");
    assert!(many < few * 35, "{few:?} {many:?}");
}
