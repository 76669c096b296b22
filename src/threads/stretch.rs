//! A stack, or what is in use of it, copied.
//!
//! Where a stack ends is not where its mapping does: the kernel joins mappings
//! that touch, and megabytes of something else may follow. Two things tell: a
//! signal frame has the bounds of the alternate stack that it is on, and behind
//! the stack of a thread stands glibc's description of that thread. Where
//! neither is found, all that is mapped is taken: words too many can keep memory
//! from being freed, words too few would be a wrong proof.

use super::machine::{RED_ZONE, THREAD_BLOCK, is_thread_block};
use super::own_memory::read_words;
use super::tasks::Tid;
use super::view::signal_frames_in;
use std::mem::offset_of;

/// What one read of a stack begins with; most are not deeper.
const FIRST: usize = 8 << 10;

/// The lowest address below `sp` that a function may use: the red zone's.
pub(crate) fn lowest(sp: usize) -> usize {
    sp.saturating_sub(RED_ZONE) & !7
}

/// A stretch of a stack, copied.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stretch {
    /// Where the first word was.
    pub(crate) start: usize,
    pub(crate) words: Vec<usize>,
}

impl Stretch {
    pub(crate) fn end(&self) -> usize {
        self.start + 8 * self.words.len()
    }

    pub(crate) fn contains(&self, at: usize) -> bool {
        self.start <= at && at < self.end()
    }

    /// The word at an address, which need not be aligned.
    pub(crate) fn word(&self, at: usize) -> Option<usize> {
        let offset = at.checked_sub(self.start)?;
        let low = *self.words.get(offset / 8)?;
        let shift = 8 * (offset % 8);
        if shift == 0 {
            return Some(low);
        }
        let high = *self.words.get(offset / 8 + 1)?;
        Some(low >> shift | high << (64 - shift))
    }

    /// Everything from the red zone below `sp` to the end of what is mapped, or
    /// none if that is more than `deepest` bytes.
    pub(crate) fn of_stack(sp: usize, deepest: usize, tid: Tid) -> Option<Stretch> {
        let mut stretch = Stretch::from(lowest(sp), deepest, tid)?;
        if stretch.words.is_empty() {
            // The red zone may be in the guard page.
            stretch = Stretch::from(sp & !7, deepest, tid)?;
        }
        Some(stretch)
    }

    /// Drops what is behind the end of the stack; gives whether that is known.
    pub(super) fn cut(&mut self, tid: Tid) -> bool {
        let Some(end) = self.known_end(tid) else {
            return false;
        };
        self.words.truncate((end - self.start) / 8);
        true
    }

    /// Where the stack ends, if that can be told and is not behind the last
    /// word.
    pub(super) fn known_end(&self, tid: Tid) -> Option<usize> {
        self.first_end(&self.ends_told_from(0, tid))
    }

    /// The first of these that is in here.
    fn first_end(&self, ends: &[usize]) -> Option<usize> {
        let here = self.start..self.end() + 1;
        ends.iter().copied().filter(|end| here.contains(end)).min()
    }

    /// What the words from this one on tell of where the stack ends.
    fn ends_told_from(&self, word: usize, tid: Tid) -> Vec<usize> {
        let alternate = self.ends_of_alternate_stack(word);
        alternate.chain(self.thread_block(word, tid)).collect()
    }

    /// Where glibc's description of the thread stands, if it is in here.
    pub(super) fn known_block(&self, tid: Tid) -> Option<usize> {
        self.thread_block(0, tid).or_else(|| {
            // Cut off where it begins.
            let mut words = [0; THREAD_BLOCK];
            let whole = read_words(self.end(), &mut words) == words.len();
            (whole && is_thread_block(self.end(), &words, tid)).then(|| self.end())
        })
    }

    /// By signal frames, which say what the alternate stack was.
    fn ends_of_alternate_stack(&self, from: usize) -> impl Iterator<Item = usize> + '_ {
        let stack = offset_of!(libc::ucontext_t, uc_stack);
        let field = move |at: usize, offset: usize| self.word(at + stack + offset);
        signal_frames_in(self, from).filter_map(move |at| {
            let start = field(at, offset_of!(libc::stack_t, ss_sp))?;
            let end = start.checked_add(field(at, offset_of!(libc::stack_t, ss_size))?)?;
            (start..end)
                .contains(&(self.start + RED_ZONE))
                .then_some(end)
        })
    }

    /// By glibc's `struct pthread`, which stands behind the stack of a thread.
    fn thread_block(&self, from: usize, tid: Tid) -> Option<usize> {
        let mut windows = self.words.windows(THREAD_BLOCK).enumerate().skip(from);
        windows.find_map(|(place, words)| {
            let at = self.start + 8 * place;
            is_thread_block(at, words, tid).then_some(at)
        })
    }

    /// Each word is looked at once or twice, for there may be millions.
    fn from(start: usize, deepest: usize, tid: Tid) -> Option<Stretch> {
        let mut words: Vec<usize> = Vec::new();
        let mut step = FIRST;
        let mut ends = Vec::new();
        loop {
            let had = words.len();
            words.resize(had + step / 8, 0);
            let got = read_words(start + 8 * had, &mut words[had..]);
            words.truncate(had + got);
            let mut stretch = Stretch { start, words };
            // What began in the words before may end in these.
            let new = had.saturating_sub(THREAD_BLOCK.max(size_of::<libc::ucontext_t>() / 8));
            ends.extend(stretch.ends_told_from(new, tid));
            let end = stretch.first_end(&ends);
            if let Some(end) = end {
                stretch.words.truncate((end - start) / 8);
            }
            if end.is_some() || got < step / 8 {
                return Some(stretch);
            }
            words = stretch.words;
            if words.len() * 8 >= deepest {
                return None;
            }
            step = (step * 4).min(1 << 20);
        }
    }
}
