//! Who points into an image: a conservative search of everything that the program
//! can write to.
//!
//! Suspended futures, trait objects, wakers, function pointers, `&'static str`s
//! and destructors of thread-locals in the heap may all lead into code that was
//! replaced long ago. So eight bytes anywhere in the program's memory count as a
//! pointer (packed structures are aligned to nothing), aligned ones also in the form
//! that glibc gives to function pointers that it keeps
//! (`__cxa_thread_atexit_impl`, `atexit`, `setjmp`), as do registers and the
//! kernel's handlers of signals. That an image is found too often only keeps it
//! loaded.
//!
//! That nothing was found is a proof only if nothing was moved during the search,
//! from where it had not been to where it was over. So the search counts if no
//! other thread has run meanwhile ([`Rest`]); else it is said who has.
//!
//! Not searched: pages that are as their file has them (nobody has written
//! there), pages that nobody may read, midair's own
//! memory (what leads on from there is asked of the patches and the generations),
//! and memory that this process has given to the kernel or to others to keep (a
//! pipe). More
//! than [`MOST`] is not searched at all. A register of a sleeper is seen where one of
//! its frames has saved it. What lies below the stack pointers of stacks of glibc's
//! counts where something else leads there ([`unused`]).

mod mappings;
mod unused;

use crate::memory::layout::{map_anywhere, unmap};
use crate::threads::own_memory;
use crate::threads::rest::{Rest, Restless, Sleeper};
use crate::threads::tasks::Tid;
use mappings::{Mapping, Memory, mappings, without, written};
use std::fs::File;
use std::io;
use std::ops::Range;
use unused::Unused;

/// More memory than this is not searched.
const MOST: usize = 1 << 30;
/// A longer mapping is not even asked which of its pages there are.
const LONGEST: usize = 64 << 30;
/// How much is read at once.
const CHUNK: usize = 256 << 10;

/// One in each byte of a word.
const BYTES: usize = usize::from_ne_bytes([1; 8]);
/// Which byte of an address all images have in common, or nearly so: in bits.
const MARK: u32 = 40;

/// What is searched for.
pub(super) struct Wanted {
    /// Where the image is: what is in here may point to itself.
    pub(super) all: Range<usize>,
    /// The parts of it that something can point to.
    pub(super) parts: Vec<Range<usize>>,
}

/// Somebody who points into an image.
#[derive(Clone, Debug)]
pub(super) enum Holder {
    /// A thread: on its stack, or in a register.
    Thread { tid: Tid, to: usize },
    /// A word of memory, in this mapping.
    Memory { at: usize, of: String, to: usize },
    /// The kernel, which calls a handler of this signal.
    Signal { number: i32, to: usize },
}

/// What came of a search.
pub(super) struct Searched {
    /// For each image, who was found first.
    pub(super) holders: Vec<Option<Holder>>,
    /// Why the images without a holder may have one all the same.
    pub(super) doubt: Option<Doubt>,
}

/// Why a search proves nothing.
#[derive(Clone, Debug)]
pub(super) enum Doubt {
    /// A thread ran.
    Ran(Restless),
    /// There is too much memory.
    TooMuch { of: String, bytes: usize },
    /// Memory went away while it was read.
    Changed,
    /// By what glibc hides function pointers is not known.
    Guarded,
}

/// Looks for pointers into the images, but not in `own` memory.
pub(super) fn search(wanted: &[Wanted], own: &[Range<usize>]) -> io::Result<Searched> {
    let mut search = Search::new(wanted)?;
    if search.guard.is_none() {
        return Ok(search.done(Some(Doubt::Guarded)));
    }
    let rest = match Rest::begin()? {
        Ok(rest) => rest,
        Err(restless) => return Ok(search.done(Some(Doubt::Ran(restless)))),
    };
    for sleeper in &rest.sleepers {
        search.thread(sleeper);
    }
    search.signals();
    let doubt = search.memory(&rest, own)?;
    let doubt = match doubt {
        None => rest.lasted()?.err().map(Doubt::Ran),
        some => some,
    };
    Ok(search.done(doubt))
}

struct Search<'a> {
    wanted: &'a [Wanted],
    /// All parts, sorted, and whose they are.
    parts: Vec<(Range<usize>, usize)>,
    /// From the first part to the last.
    span: Range<usize>,
    /// A byte that all addresses in there have, in each place of a word, if there is one.
    mark: Option<usize>,
    holders: Vec<Option<Holder>>,
    guard: Option<usize>,
    bytes: usize,
    buffer: Buffer,
}

impl<'a> Search<'a> {
    fn new(wanted: &'a [Wanted]) -> io::Result<Self> {
        let all = wanted.iter().enumerate();
        let parts = all.flat_map(|(n, one)| one.parts.iter().map(move |part| (part.clone(), n)));
        let mut parts: Vec<_> = parts.collect();
        parts.sort_unstable_by_key(|(part, _)| part.start);
        let start = parts.first().map_or(0, |(part, _)| part.start);
        let end = parts.last().map_or(0, |(part, _)| part.end);
        Ok(Self {
            wanted,
            parts,
            span: start..end,
            mark: (start >> MARK == end >> MARK).then(|| BYTES * (start >> MARK & 0xff)),
            holders: vec![None; wanted.len()],
            guard: pointer_guard(),
            bytes: 0,
            buffer: Buffer::new()?,
        })
    }

    fn done(self, doubt: Option<Doubt>) -> Searched {
        Searched {
            holders: self.holders,
            doubt,
        }
    }

    /// The image that a word points into, and the address.
    fn image(&self, word: usize) -> Option<(usize, usize)> {
        let plain = self.image_at(word).map(|n| (n, word));
        plain.or_else(|| {
            let shown = demangled(word, self.guard?);
            self.image_at(shown).map(|n| (n, shown))
        })
    }

    /// The same of a word that begins in one and ends in the next: the image, the
    /// address, and how many bytes into the first one it begins.
    fn across(&self, first: usize, next: usize) -> Option<(usize, usize, usize)> {
        if self
            .mark
            .is_some_and(|mark| !has_zero(first ^ mark) && !has_zero(next ^ mark))
        {
            return None;
        }
        (1..8).find_map(|bytes| {
            let word = first >> (8 * bytes) | next << (64 - 8 * bytes);
            self.image_at(word).map(|n| (n, word, bytes))
        })
    }

    fn image_at(&self, word: usize) -> Option<usize> {
        if !self.span.contains(&word) {
            return None;
        }
        let after = self.parts.partition_point(|(part, _)| part.start <= word);
        let (part, n) = &self.parts[after.checked_sub(1)?];
        part.contains(&word).then_some(*n)
    }

    fn thread(&mut self, sleeper: &Sleeper) {
        let tid = sleeper.tid;
        for word in sleeper.arguments.iter().chain([&sleeper.pc]) {
            if let Some((n, to)) = self.image(*word) {
                self.holders[n].get_or_insert(Holder::Thread { tid, to });
            }
        }
    }

    fn signals(&mut self) {
        for number in 1..=64 {
            let handler = handler_of(number);
            if let Some((n, to)) = handler.and_then(|at| self.image(at)) {
                self.holders[n].get_or_insert(Holder::Signal { number, to });
            }
        }
    }

    /// All that may have been written to; says what stands in the way.
    fn memory(&mut self, rest: &Rest, own: &[Range<usize>]) -> io::Result<Option<Doubt>> {
        let mut memory = Memory {
            mappings: mappings()?,
            pages: File::open("/proc/self/pagemap")?,
            skipped: vec![own_stack()?, self.buffer.range()],
        };
        let mut unused = Unused::new(rest, &memory.mappings);
        memory.skipped.extend_from_slice(own);
        memory.skipped.extend(unused.ranges());
        memory.skipped.sort_unstable_by_key(|range| range.start);
        let all = self.all(
            &memory,
            &memory.skipped,
            |search, mapping, at, last, word| {
                for (n, to, at) in search.images(at, last, word).into_iter().flatten() {
                    search.found(n, to, at, mapping, rest);
                }
            },
        )?;
        match all {
            None => unused.search(self, &memory, rest),
            doubt => Ok(doubt),
        }
    }

    /// Goes through all words of memory that may have been written to, without what is
    /// skipped: their mapping, where they are, and the words before them. Says what
    /// stands in the way.
    fn all(
        &mut self,
        memory: &Memory,
        skipped: &[Range<usize>],
        mut each: impl FnMut(&mut Self, &Mapping, usize, usize, usize),
    ) -> io::Result<Option<Doubt>> {
        self.bytes = 0;
        for mapping in memory.readable() {
            let whole = mapping.range.clone();
            if without(whole.clone(), skipped).is_empty() {
                continue;
            }
            if whole.len() > LONGEST {
                return Ok(Some(mapping.is_too_much(whole.len())));
            }
            let each = |search: &mut Self, at, last, word| each(search, mapping, at, last, word);
            let doubt = self.part(whole, mapping, memory, skipped, each)?;
            if doubt.is_some() {
                return Ok(doubt);
            }
        }
        Ok(None)
    }

    /// The same of a part of one mapping, without these `holes`.
    fn part(
        &mut self,
        part: Range<usize>,
        mapping: &Mapping,
        memory: &Memory,
        holes: &[Range<usize>],
        mut each: impl FnMut(&mut Self, usize, usize, usize),
    ) -> io::Result<Option<Doubt>> {
        for run in written(part, mapping, &memory.pages)? {
            for piece in without(run, holes) {
                self.bytes += piece.len();
                if self.bytes > MOST {
                    return Ok(Some(mapping.is_too_much(self.bytes)));
                }
                if !self.piece(piece, &mut each) {
                    return Ok(Some(Doubt::Changed));
                }
            }
        }
        Ok(None)
    }

    /// One stretch of memory; false if it is not there any more.
    fn piece(
        &mut self,
        piece: Range<usize>,
        each: &mut impl FnMut(&mut Self, usize, usize, usize),
    ) -> bool {
        let mut at = piece.start;
        let mut last = 0;
        while at < piece.end {
            let len = CHUNK.min(piece.end - at) / 8;
            let words = self.buffer.words();
            if own_memory::read_words(at, &mut words[..len]) != len {
                return false;
            }
            for place in 0..len {
                let word = self.buffer.words()[place];
                each(self, at + 8 * place, last, word);
                last = word;
            }
            at += 8 * len.max(1);
        }
        true
    }

    /// What a word, and one that begins in the word before it, point to: the image,
    /// the address, and where it stands.
    fn images(&self, at: usize, last: usize, word: usize) -> [Option<(usize, usize, usize)>; 2] {
        let whole = self.image(word).map(|(n, to)| (n, to, at));
        let across = self.across(last, word);
        [whole, across.map(|(n, to, bytes)| (n, to, at - 8 + bytes))]
    }

    fn found(&mut self, n: usize, to: usize, at: usize, mapping: &Mapping, rest: &Rest) {
        if self.holders[n].is_some() || self.wanted[n].all.contains(&at) {
            return;
        }
        let on_stack = |sleeper: &&Sleeper| {
            let own = sleeper.stack.as_ref().unwrap_or(&mapping.range);
            own.contains(&at) && own.contains(&sleeper.sp)
        };
        self.holders[n] = Some(match rest.sleepers.iter().find(on_stack) {
            Some(sleeper) => Holder::Thread {
                tid: sleeper.tid,
                to,
            },
            None => Holder::Memory {
                at,
                of: mapping.called(),
                to,
            },
        });
    }
}

/// Whether one of the bytes is zero.
fn has_zero(word: usize) -> bool {
    word.wrapping_sub(BYTES) & !word & (BYTES << 7) != 0
}

/// Memory that the search itself does not find.
struct Buffer(usize);

impl Buffer {
    fn new() -> io::Result<Self> {
        map_anywhere(CHUNK, libc::PROT_READ | libc::PROT_WRITE).map(Self)
    }

    fn range(&self) -> Range<usize> {
        self.0..self.0 + CHUNK
    }

    fn words(&mut self) -> &mut [usize] {
        // SAFETY: mapped by `new`, this long, and nobody else's.
        unsafe { std::slice::from_raw_parts_mut(self.0 as *mut usize, CHUNK / 8) }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        unmap(self.0, CHUNK);
    }
}

/// The calling thread's: whoever searches holds nothing.
fn own_stack() -> io::Result<Range<usize>> {
    let mut attributes = std::mem::MaybeUninit::<libc::pthread_attr_t>::uninit();
    let (mut start, mut len) = (std::ptr::null_mut(), 0);
    // SAFETY: the calling thread lives; `attributes` is filled by the first call and
    // given back by the last.
    let failed = unsafe {
        match libc::pthread_getattr_np(libc::pthread_self(), attributes.as_mut_ptr()) {
            0 => {
                let asked = libc::pthread_attr_getstack(attributes.as_ptr(), &mut start, &mut len);
                libc::pthread_attr_destroy(attributes.as_mut_ptr());
                asked
            }
            failed => failed,
        }
    };
    match failed {
        0 => Ok(start as usize..start as usize + len),
        failed => Err(io::Error::from_raw_os_error(failed)),
    }
}

/// The kernel's handler of a signal, if it is a function.
fn handler_of(number: i32) -> Option<usize> {
    // The kernel's own structure: the handler comes first. libc's function hides
    // the signals that it uses itself.
    let mut action = [0_usize; 8];
    let place = action.as_mut_ptr();
    let none = std::ptr::null::<usize>();
    // SAFETY: asks only; there is room for the kernel's structure.
    let asked = unsafe { libc::syscall(libc::SYS_rt_sigaction, number, none, place, 8_usize) };
    (asked == 0 && action[0] > 1).then_some(action[0])
}

/// By what glibc hides function pointers that it keeps.
#[cfg(target_arch = "x86_64")]
fn pointer_guard() -> Option<usize> {
    let guard: usize;
    // SAFETY: a field of the thread control block, part of glibc's ABI.
    unsafe {
        std::arch::asm!("mov {}, fs:0x30", out(reg) guard, options(nostack, readonly, preserves_flags));
    }
    Some(guard)
}

#[cfg(target_arch = "x86_64")]
fn demangled(word: usize, guard: usize) -> usize {
    word.rotate_right(17) ^ guard
}

/// By what glibc hides function pointers that it keeps: the dynamic linker knows.
#[cfg(target_arch = "aarch64")]
fn pointer_guard() -> Option<usize> {
    // SAFETY: looks a name up.
    let at = unsafe { libc::dlsym(libc::RTLD_DEFAULT, c"__pointer_chk_guard".as_ptr()) };
    own_memory::word(at as usize)
}

#[cfg(target_arch = "aarch64")]
fn demangled(word: usize, guard: usize) -> usize {
    word ^ guard
}

#[cfg(test)]
mod tests;
