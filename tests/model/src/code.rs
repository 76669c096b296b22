//! The bytes of one function's entry, and what a core makes of them.
//!
//! Bytes are not numbers here: each knows what it is a part of, so that a
//! mixture is recognised when it is executed.

pub(crate) const JUMP: usize = 5;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Byte {
    /// The `nth` byte of a displaced instruction.
    Old { instruction: usize, nth: usize },
    /// One byte that traps; also a byte of a punned distance.
    Int3,
    /// The opcode of the jump to the gate of a generation.
    Opcode(usize),
    /// The `nth` byte of that jump, where no old instruction begins.
    Distance(usize, usize),
}

/// What a core does at an offset of the entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fetched {
    Instruction(usize),
    Trap,
    /// The jump to the gate of a generation.
    Jump(usize),
    /// Bytes of several instructions, or the middle of one.
    Mixture,
}

/// A function by its prologue.
#[derive(Clone, Debug)]
pub(crate) struct Function {
    /// How long the displaced instructions are.
    pub(crate) lengths: &'static [usize],
    /// Whether the five bytes lie in one aligned word.
    pub(crate) in_a_word: bool,
    /// Which displaced instruction is a call.
    pub(crate) call: Option<usize>,
    /// No jump fits: the entry becomes an `int3` for good.
    pub(crate) breakpoint: bool,
}

impl Function {
    /// Where the displaced instructions begin, and where the rest does.
    pub(crate) fn offset(&self, instruction: usize) -> usize {
        self.lengths[..instruction].iter().sum()
    }

    /// Which displaced instruction begins there.
    pub(crate) fn instruction_at(&self, offset: usize) -> Option<usize> {
        (0..self.lengths.len()).find(|&n| self.offset(n) == offset)
    }

    /// Offsets, other than the head, at which a thread may be.
    pub(crate) fn boundaries(&self) -> Vec<usize> {
        (1..self.lengths.len()).map(|n| self.offset(n)).collect()
    }

    pub(crate) fn written(&self) -> usize {
        if self.breakpoint { 1 } else { JUMP }
    }

    pub(crate) fn old(&self) -> Vec<Byte> {
        let instructions = self.lengths.iter().enumerate();
        instructions
            .flat_map(|(instruction, &len)| (0..len).map(move |nth| Byte::Old { instruction, nth }))
            .collect()
    }

    /// The bytes while patched: a trap wherever an old instruction began.
    pub(crate) fn patched(&self, generation: usize) -> Vec<Byte> {
        let mut bytes = self.patched_without_traps(generation);
        for boundary in self.boundaries() {
            bytes[boundary] = Byte::Int3;
        }
        bytes
    }

    /// The bytes that one thread alone writes: any gate will do.
    pub(crate) fn patched_without_traps(&self, generation: usize) -> Vec<Byte> {
        if self.breakpoint {
            return vec![Byte::Int3];
        }
        let distance = (1..JUMP).map(|nth| Byte::Distance(generation, nth));
        [Byte::Opcode(generation)]
            .into_iter()
            .chain(distance)
            .collect()
    }

    /// What these bytes are at `offset`.
    pub(crate) fn decode(&self, bytes: &[Byte], offset: usize) -> Fetched {
        match bytes[offset] {
            Byte::Int3 => Fetched::Trap,
            Byte::Old {
                instruction,
                nth: 0,
            } if self.offset(instruction) == offset => {
                let len = self.lengths[instruction];
                let is_whole =
                    (0..len).all(|nth| bytes[offset + nth] == Byte::Old { instruction, nth });
                if is_whole {
                    Fetched::Instruction(instruction)
                } else {
                    Fetched::Mixture
                }
            }
            Byte::Opcode(generation) if offset == 0 => {
                let now = &bytes[..JUMP];
                let is_whole = now == self.patched(generation)
                    || now == self.patched_without_traps(generation);
                if is_whole {
                    Fetched::Jump(generation)
                } else {
                    Fetched::Mixture
                }
            }
            _ => Fetched::Mixture,
        }
    }
}

/// Code as cores may see it: what all of them see, and what was stored since
/// they were last synchronised. Until then each fetch may see each of these
/// stores or not, whatever it has seen before. An instruction that was fetched
/// early and is executed late is such a fetch.
#[derive(Clone, Debug)]
pub(crate) struct Code {
    synchronised: Vec<Byte>,
    /// Where, and what: each is seen whole or not at all.
    pending: Vec<(usize, Vec<Byte>)>,
}

impl Code {
    pub(crate) fn new(bytes: Vec<Byte>) -> Self {
        Self {
            synchronised: bytes,
            pending: Vec::new(),
        }
    }

    pub(crate) fn store(&mut self, at: usize, bytes: Vec<Byte>) {
        self.pending.push((at, bytes));
    }

    pub(crate) fn synchronise(&mut self) {
        for (at, bytes) in std::mem::take(&mut self.pending) {
            self.synchronised[at..at + bytes.len()].copy_from_slice(&bytes);
        }
    }

    /// What a load reads: loads of data are never late.
    pub(crate) fn newest(&self) -> Vec<Byte> {
        let mut code = self.clone();
        code.synchronise();
        code.synchronised
    }

    /// Everything that a fetch at `offset` may come to.
    pub(crate) fn fetches(&self, function: &Function, offset: usize) -> Vec<Fetched> {
        let mut all = Vec::new();
        for seen in 0..1_u32 << self.pending.len() {
            let mut bytes = self.synchronised.clone();
            for (n, (at, stored)) in self.pending.iter().enumerate() {
                if seen & 1 << n != 0 {
                    bytes[*at..*at + stored.len()].copy_from_slice(stored);
                }
            }
            let fetched = function.decode(&bytes, offset);
            if !all.contains(&fetched) {
                all.push(fetched);
            }
        }
        all
    }
}
