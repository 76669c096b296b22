//! General registers, each known or not.
//!
//! Numbered as DWARF does it, so that call frame
//! information can name them. What is not known stays so until a frame restores
//! it from the stack: a walk never guesses.

use super::machine::{CALLEE_SAVED, offset_in_context};

pub(crate) use super::machine::{COUNT, PC, SP};

/// The registers of a thread or of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Registers {
    values: [usize; COUNT],
    known: u64,
}

impl Registers {
    /// Nothing but where the code and the stack are.
    pub(crate) fn of_sleeper(pc: usize, sp: usize) -> Self {
        let mut registers = Self {
            values: [0; COUNT],
            known: 0,
        };
        registers.set(PC, pc);
        registers.set(SP, sp);
        registers
    }

    /// All of them, by their DWARF numbers.
    pub(crate) fn all(values: [usize; COUNT]) -> Self {
        Self {
            values,
            known: (1 << COUNT) - 1,
        }
    }

    /// From the `ucontext_t` at `context`, as `word` reads it.
    pub(crate) fn saved_at(
        context: usize,
        word: impl Fn(usize) -> Option<usize>,
    ) -> Option<Registers> {
        let mut values = [0; COUNT];
        for (register, value) in values.iter_mut().enumerate() {
            *value = word(context.checked_add(offset_in_context(register))?)?;
        }
        Some(Self::all(values))
    }

    pub(crate) fn pc(&self) -> usize {
        self.values[PC]
    }

    pub(crate) fn sp(&self) -> usize {
        self.values[SP]
    }

    /// The value of a register, if it is known.
    pub(crate) fn get(&self, register: usize) -> Option<usize> {
        let known = register < COUNT && self.known & (1 << register) != 0;
        known.then(|| self.values[register])
    }

    pub(crate) fn set(&mut self, register: usize, value: usize) {
        if let Some(place) = self.values.get_mut(register) {
            *place = value;
            self.known |= 1 << register;
        }
    }

    pub(crate) fn forget(&mut self, register: usize) {
        if register < COUNT {
            self.known &= !(1 << register);
        }
    }

    /// What a caller can rely on after a call, by the ABI: the rest is unknown.
    pub(crate) fn callee_saved(mut self) -> Self {
        self.known &= CALLEE_SAVED;
        self
    }

    /// Every value that is known.
    pub(crate) fn known(&self) -> impl Iterator<Item = usize> + '_ {
        (0..COUNT).filter_map(|register| self.get(register))
    }
}
