//! General registers of x86-64, each known or not.
//!
//! Numbered as DWARF does it (System V ABI, figure 3.36), so that call frame
//! information can name them. What is not known stays so until a frame restores
//! it from the stack: a walk never guesses.

#![allow(dead_code, reason = "quiescence and reclaim, which come next, use it")]

use std::mem::offset_of;

/// How many there are, the program counter included.
pub(crate) const COUNT: usize = 17;
/// The frame pointer, in functions that have one.
pub(crate) const BP: usize = 6;
/// The stack pointer.
pub(crate) const SP: usize = 7;
/// The program counter, where DWARF has the return address.
pub(crate) const PC: usize = 16;

/// What a function keeps for its caller: rbx, rbp, r12 to r15.
const CALLEE_SAVED: u32 = 1 << 3 | 1 << 6 | 0b1111 << 12;

/// For each register, where a `ucontext_t` has it (an index of `gregs`).
pub(super) const IN_CONTEXT: [libc::c_int; COUNT] = [
    libc::REG_RAX,
    libc::REG_RDX,
    libc::REG_RCX,
    libc::REG_RBX,
    libc::REG_RSI,
    libc::REG_RDI,
    libc::REG_RBP,
    libc::REG_RSP,
    libc::REG_R8,
    libc::REG_R9,
    libc::REG_R10,
    libc::REG_R11,
    libc::REG_R12,
    libc::REG_R13,
    libc::REG_R14,
    libc::REG_R15,
    libc::REG_RIP,
];

/// The registers of a thread or of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Registers {
    values: [usize; COUNT],
    known: u32,
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
        let first = context + offset_of!(libc::ucontext_t, uc_mcontext);
        let mut values = [0; COUNT];
        for (value, place) in values.iter_mut().zip(IN_CONTEXT) {
            *value = word(first.checked_add(8 * place as usize)?)?;
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

    /// Whether nothing is missing.
    pub(crate) fn are_all_known(&self) -> bool {
        self.known == (1 << COUNT) - 1
    }
}
