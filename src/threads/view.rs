//! What was seen of one thread at one moment, and what it points to.
//!
//! The conservative question (does any word point into these ranges?) needs no
//! knowledge of frames. It takes every word from the red zone up to the end of
//! the stack's mapping, and goes on where a signal frame leads to another
//! stack. What it cannot see: registers of a sleeper, stacks that the thread
//! has left for another one (fibers), contexts kept in the heap.

use super::frames::Memory;
use super::machine::{MARK_IN_CONTEXT, is_mark, may_begin_behind};
use super::registers::{PC, Registers, SP};
use super::stretch::Stretch;
use std::ops::Range;

/// How a thread was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// It was asleep in this system call, the whole time, and was not woken.
    /// Its general registers are unknown.
    Asleep {
        /// Number of the system call.
        call: usize,
        /// It waits for a child that shares this memory and is in no list.
        vfork: bool,
    },
    /// It was asleep or stopped, but not in a system call: a page fault, a
    /// tracer. Its general registers are unknown, and may hold anything.
    Halted,
    /// It ran and copied all of its registers itself.
    Running,
}

/// A thread at one moment.
#[derive(Clone, Debug)]
pub(crate) struct View {
    pub(crate) seen: Seen,
    pub(crate) registers: Registers,
    /// The arguments of a sleeper's system call.
    pub(crate) arguments: Vec<usize>,
    /// The stack in use first, then those that signal frames lead to.
    pub(crate) stacks: Vec<Stretch>,
}

/// Stacks that one thread is followed over.
pub(super) const STACKS: usize = 4;

/// Where a word was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// In a register, or as an argument of a system call.
    Register,
    /// It is the program counter.
    Pc,
    /// On a stack, at this address.
    Stack(usize),
}

impl View {
    /// Calls `found` for each word that points into one of the ranges, with
    /// the range's number. The ranges are sorted and do not overlap.
    pub(crate) fn points_into(&self, ranges: &[Range<usize>], mut found: impl FnMut(usize, Place)) {
        let mut check = |word: usize, place: Place| {
            if let Some(number) = number_of(ranges, word) {
                found(number, place);
            }
        };
        check(self.registers.pc(), Place::Pc);
        for register in (0..PC).filter(|register| *register != SP) {
            if let Some(word) = self.registers.get(register) {
                check(word, Place::Register);
            }
        }
        for word in &self.arguments {
            check(*word, Place::Register);
        }
        for stretch in &self.stacks {
            for (place, word) in stretch.words.iter().enumerate() {
                check(*word, Place::Stack(stretch.start + 8 * place));
            }
        }
    }

    /// The words from `sp` upwards that may be return addresses: they are in
    /// `ranges` or just behind the last byte of one, and `is_after_call` says
    /// so. Goes on over the stacks that signal frames lead to.
    pub(crate) fn possible_returns(
        &self,
        sp: usize,
        ranges: &[Range<usize>],
        is_after_call: impl Fn(usize) -> bool,
        mut found: impl FnMut(usize, Place),
    ) {
        let first = self.stacks.iter().position(|stack| stack.contains(sp));
        for (number, stretch) in self.stacks.iter().enumerate().skip(first.unwrap_or(0)) {
            let from = if Some(number) == first { sp } else { 0 };
            for (place, word) in stretch.words.iter().enumerate() {
                let at = stretch.start + 8 * place;
                let behind = word.wrapping_sub(1);
                let Some(range) = number_of(ranges, behind).filter(|_| at >= from) else {
                    continue;
                };
                if is_after_call(*word) {
                    found(range, Place::Stack(at));
                }
            }
        }
        // Contexts saved by signals are no return addresses.
        for context in self.signal_contexts() {
            if let Some(range) = number_of(ranges, context.pc()) {
                found(range, Place::Pc);
            }
        }
    }

    /// All registers that signal frames on these stacks have saved.
    pub(crate) fn signal_contexts(&self) -> Vec<Registers> {
        self.stacks.iter().flat_map(contexts_in).collect()
    }
}

impl Memory for View {
    fn word(&self, at: usize) -> Option<usize> {
        self.stacks.iter().find_map(|stretch| stretch.word(at))
    }
}

/// The number of the range that the word points into.
pub(crate) fn number_of(ranges: &[Range<usize>], word: usize) -> Option<usize> {
    let after = ranges.partition_point(|range| range.start <= word);
    let number = after.checked_sub(1)?;
    ranges[number].contains(&word).then_some(number)
}

/// The contexts that signal frames in this stretch have saved.
///
/// They are known by a word that the kernel writes into each
/// ([`is_mark`](super::machine::is_mark)).
pub(super) fn contexts_in(stretch: &Stretch) -> Vec<Registers> {
    let saved = |at| Registers::saved_at(at, |at| stretch.word(at));
    signal_frames_in(stretch, 0).filter_map(saved).collect()
}

pub(crate) use super::machine::is_after_call;

/// Where the `ucontext_t` of each signal frame is that begins at this word or behind.
pub(super) fn signal_frames_in(stretch: &Stretch, from: usize) -> impl Iterator<Item = usize> + '_ {
    let words = stretch.words.iter().enumerate();
    words
        .skip(from + MARK_IN_CONTEXT / 8)
        .filter_map(|(place, word)| {
            let context = place - MARK_IN_CONTEXT / 8;
            let before = context.checked_sub(1).map(|n| stretch.words[n]);
            (is_mark(*word) && may_begin_behind(before)).then(|| stretch.start + 8 * context)
        })
}

/// Stack pointers that signal frames on `stacks` lead to and that are on none
/// of them.
pub(super) fn stacks_missing(stacks: &[Stretch]) -> Vec<usize> {
    let mut missing: Vec<usize> = Vec::new();
    for context in stacks.iter().flat_map(contexts_in) {
        let sp = context.sp();
        // The end itself is an empty stack: there is nothing to see.
        let is_seen = |stack: &Stretch| stack.contains(sp) || stack.end() == sp;
        if !stacks.iter().any(is_seen) && !missing.contains(&sp) {
            missing.push(sp);
        }
    }
    missing
}
