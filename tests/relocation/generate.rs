//! Random sequences of instructions, of every class that relocation knows.

use crate::machine::Layout;

/// SplitMix64: a case is told by its number alone.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    fn byte(&mut self) -> u8 {
        self.next() as u8
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }

    /// A register that is not the stack pointer.
    fn register(&mut self) -> u8 {
        loop {
            let register = self.below(16) as u8;
            if register != 4 {
                return register;
            }
        }
    }
}

pub(crate) struct Sequence {
    pub(crate) bytes: Vec<u8>,
    /// How often it moves the stack pointer up by eight.
    pub(crate) pops: u64,
}

/// A branch to a place of the sequence that is not known yet.
struct Forward {
    /// Where the displacement stands.
    field: usize,
    width: usize,
}

struct Builder<'a> {
    random: &'a mut Random,
    layout: &'a Layout,
    bytes: Vec<u8>,
    forward: Vec<Forward>,
    starts: Vec<usize>,
    pops: u64,
}

impl Sequence {
    pub(crate) fn random(random: &mut Random, layout: &Layout) -> Self {
        let mut builder = Builder {
            random,
            layout,
            bytes: Vec::new(),
            forward: Vec::new(),
            starts: Vec::new(),
            pops: 0,
        };
        if builder.random.below(8) == 0 {
            builder.bytes.extend([0xf3, 0x0f, 0x1e, 0xfa]);
        }
        let at_least = 5 + builder.random.below(12) as usize;
        while builder.bytes.len() < at_least {
            builder.starts.push(builder.bytes.len());
            builder.instruction();
        }
        builder.resolve();
        Self {
            bytes: builder.bytes,
            pops: builder.pops,
        }
    }
}

impl Builder<'_> {
    fn instruction(&mut self) {
        match self.random.below(14) {
            0..=2 => self.plain(),
            3..=7 => self.rip_operand(),
            8 | 9 => self.conditional(),
            10 => self.counted(),
            11 => self.jump(),
            12 => self.call(),
            _ => self.through_pointer(),
        }
    }

    fn here(&self) -> u64 {
        self.layout.code + self.bytes.len() as u64
    }

    fn put(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    fn rex(&mut self, wide: bool, reg: u8, base: u8) -> u8 {
        0x40 | (u8::from(wide) << 3) | ((reg >> 3) << 2) | (base >> 3)
    }

    /// Instructions that name no address.
    fn plain(&mut self) {
        let (a, b) = (self.random.register(), self.random.register());
        let wide = self.random.below(2) == 0;
        let rex = self.rex(wide, a, b);
        let modrm = 0xc0 | ((a & 7) << 3) | (b & 7);
        match self.random.below(8) {
            0 | 1 => {
                let opcode = self
                    .random
                    .pick(&[0x01, 0x29, 0x31, 0x39, 0x11, 0x85, 0x89, 0x87]);
                self.put(&[rex, opcode, modrm]);
            }
            2 => {
                let rex = self.rex(wide, 0, b);
                let imm = self.random.byte();
                let op = self.random.below(8) as u8;
                self.put(&[rex, 0x83, 0xc0 | (op << 3) | (b & 7), imm]);
            }
            3 => {
                let rex = self.rex(true, a, 0);
                let disp = self.random.byte();
                self.put(&[rex, 0x8d, 0x44 | ((a & 7) << 3), 0x24, disp]); // lea a,[rsp+disp]
            }
            4 => {
                let rex = self.rex(false, 0, b);
                self.put(&[rex, 0x50 | (b & 7)]); // push b
            }
            5 => {
                let rex = self.rex(false, 0, b);
                self.put(&[rex, 0x58 | (b & 7)]); // pop b
                self.pops += 1;
            }
            6 => {
                let rex = self.rex(true, a, 0);
                // Pushes uncover bytes that are anybody's: none is read.
                let (op, words) = self.random.pick(&[(0x89, 16), (0x8b, 8)]);
                let disp = -8 * (1 + self.random.below(words) as i8);
                self.put(&[rex, op, 0x44 | ((a & 7) << 3), 0x24, disp as u8]); // red zone
            }
            _ => {
                let nop: &[u8] = self.random.pick(&[
                    &[0x90],
                    &[0x66, 0x90],
                    &[0x0f, 0x1f, 0x00],
                    &[0x0f, 0x1f, 0x40, 0x00],
                    &[0xf5], // cmc
                    &[0x99], // cdq
                ]);
                self.put(nop);
            }
        }
    }

    /// Instructions with an operand relative to RIP, somewhere in the data.
    fn rip_operand(&mut self) {
        let reg = self.random.register();
        let wide = self.random.below(2) == 0;
        // REX.B has no meaning here, and must not get one in the copy.
        let ignored = self.random.below(2) as u8;
        let rex = self.rex(wide, reg, ignored << 3);
        let field = (reg & 7) << 3 | 5;
        let condition = self.random.below(16) as u8;
        let imm8 = self.random.byte();
        let imm32 = (self.random.next() as u32).to_le_bytes();
        let group = (self.random.below(8) as u8) << 3 | 5;
        match self.random.below(22) {
            0 => self.rip(&[rex, 0x8b, field], &[]),
            1 => self.rip(&[rex, 0x89, field], &[]),
            2 => {
                let opcode = self.pick_alu();
                self.rip(&[rex, opcode, field], &[]);
            }
            3 => self.rip(&[rex, 0x83, group], &[imm8]),
            4 => self.rip(&[rex, 0x81, group], &imm32),
            5 => self.rip(&[0x66, 0x81, group], &imm32[..2]),
            6 => self.rip(&[rex, 0xf7, 0x05], &imm32), // test
            7 => self.rip(&[0xff, 0x35], &[]),         // push
            8 => self.rip(&[rex, 0x8d, field], &[]),   // lea
            9 => self.rip(&[rex, 0x0f, 0xb6, field], &[]), // movzx
            10 => self.rip(&[rex, 0x0f, 0xb1, field], &[]), // cmpxchg
            11 => self.rip(&[0xf0, rex, 0x0f, 0xc1, field], &[]), // lock xadd
            12 => self.rip(&[rex, 0x69, field], &imm32), // imul r,m,imm32
            13 => self.rip(&[0x0f, 0x10, field & 0x3f], &[]), // movups xmm,m
            14 => self.rip(&[0x0f, 0x11, field & 0x3f], &[]), // movups m,xmm
            15 => self.rip(&[0x0f, 0x90 | condition, 0x05], &[]), // setcc
            16 => self.rip(&[rex, 0x0f, 0x40 | condition, field], &[]), // cmovcc
            17 => self.rip(&[rex, 0x0f, 0xba, 0x2d], &[imm8]), // bts m,imm8
            18 => self.rip(&[rex, 0xc7, 0x05], &imm32), // mov m,imm32
            19 if is_x86_feature_detected!("avx") => {
                // vpxor xmm1,xmm2,[rip] and vmovups ymm
                let vex: &[u8] = self
                    .random
                    .pick(&[&[0xc5, 0xe9, 0xef, 0x0d], &[0xc4, 0xe1, 0x69, 0xef, 0x0d]]);
                let vex = vex.to_vec();
                self.rip(&vex, &[]);
            }
            20 if is_x86_feature_detected!("avx512vl") => {
                // vpaddd xmm1,xmm2,[rip] with EVEX
                self.rip(&[0x62, 0xf1, 0x6d, 0x08, 0xfe, 0x0d], &[]);
            }
            20 => self.rip(&[rex, 0x8b, field], &[]),
            19 => self.rip(&[rex, 0x39, field], &[]),
            _ => {
                self.rip(&[0x8f, 0x05], &[]); // pop
                self.pops += 1;
            }
        }
    }

    fn pick_alu(&mut self) -> u8 {
        self.random.pick(&[
            0x01, 0x03, 0x09, 0x11, 0x1b, 0x29, 0x31, 0x39, 0x3b, 0x85, 0x87,
        ])
    }

    fn rip(&mut self, opcode: &[u8], immediate: &[u8]) {
        let operand = self.layout.data + 16 * self.random.below(16);
        self.put(opcode);
        let end = self.here() + 4 + immediate.len() as u64;
        self.put(&(operand.wrapping_sub(end) as u32).to_le_bytes());
        self.put(immediate);
    }

    /// The displacement of a branch: to a pad, or to a later instruction.
    fn target(&mut self, width: usize) {
        if self.random.below(3) == 0 {
            self.forward.push(Forward {
                field: self.bytes.len(),
                width,
            });
            self.put(&[0; 4][..width]);
            return;
        }
        let pads = if width == 1 {
            &self.layout.near_pads
        } else {
            &self.layout.pads
        };
        let pad = self.random.pick(pads);
        let distance = pad.wrapping_sub(self.here() + width as u64) as i64;
        self.put(&distance.to_le_bytes()[..width]);
    }

    fn conditional(&mut self) {
        if self.random.below(4) == 0 {
            let hint = self.random.pick(&[0x2e, 0x3e]);
            self.put(&[hint]);
        }
        let condition = self.random.below(16) as u8;
        if self.random.below(2) == 0 {
            self.put(&[0x70 | condition]);
            self.target(1);
        } else {
            self.put(&[0x0f, 0x80 | condition]);
            self.target(4);
        }
    }

    fn counted(&mut self) {
        if self.random.below(3) == 0 {
            self.put(&[0x67]);
        }
        let opcode = self.random.pick(&[0xe0, 0xe1, 0xe2, 0xe3]);
        self.put(&[opcode]);
        self.target(1);
    }

    fn jump(&mut self) {
        if self.random.below(2) == 0 {
            self.put(&[0xeb]);
            self.target(1);
        } else {
            self.put(&[0xe9]);
            self.target(4);
        }
    }

    fn call(&mut self) {
        self.put(&[0xe8]);
        self.target(4);
    }

    /// `call` or `jmp` through a pointer, in memory or in a register.
    fn through_pointer(&mut self) {
        let pointer = self.layout.pointers + 8 * self.random.below(8);
        let call = self.random.below(2) == 0;
        if self.random.below(2) == 0 {
            self.put(&[0xff, if call { 0x15 } else { 0x25 }]);
            let end = self.here() + 4;
            self.put(&(pointer.wrapping_sub(end) as u32).to_le_bytes());
        } else {
            let register = self.random.register();
            let rex = self.rex(true, register, 0);
            self.put(&[rex, 0x8b, (register & 7) << 3 | 5]); // mov r,[rip+pointer]
            let end = self.here() + 4;
            self.put(&(pointer.wrapping_sub(end) as u32).to_le_bytes());
            if self.random.below(2) == 0 {
                self.put(&[0x3e]); // notrack
            }
            let rex = self.rex(false, 0, register);
            self.put(&[rex, 0xff, if call { 0xd0 } else { 0xe0 } | (register & 7)]);
        }
    }

    /// Leads forward branches to a later instruction, or to the end.
    fn resolve(&mut self) {
        let starts = self.starts.clone();
        for Forward { field, width } in std::mem::take(&mut self.forward) {
            let later: Vec<usize> = starts
                .iter()
                .copied()
                .filter(|s| *s >= field + width)
                .chain([self.bytes.len()])
                .collect();
            let target = self.random.pick(&later);
            let distance = target as i64 - (field + width) as i64;
            self.bytes[field..field + width].copy_from_slice(&distance.to_le_bytes()[..width]);
        }
    }
}
