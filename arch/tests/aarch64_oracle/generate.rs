//! Random sequences of instructions, with the addresses for them.

use crate::machine::State;
use crate::memory::{BASE, Distance, Memory};
use crate::random::Random;

/// What the instruction in question is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Class {
    B,
    Bl,
    Blr,
    BCond,
    Cbz,
    Tbz,
    Adr,
    Adrp,
    LoadW,
    LoadX,
    LoadSw,
    LoadS,
    LoadD,
    LoadQ,
    Prefetch,
    /// A branch to another displaced instruction.
    Inner,
    /// A loop of displaced instructions.
    Loop,
    Exclusive,
    Plain,
}

impl Class {
    pub(crate) const ALL: [Self; 19] = [
        Self::B,
        Self::Bl,
        Self::Blr,
        Self::BCond,
        Self::Cbz,
        Self::Tbz,
        Self::Adr,
        Self::Adrp,
        Self::LoadW,
        Self::LoadX,
        Self::LoadSw,
        Self::LoadS,
        Self::LoadD,
        Self::LoadQ,
        Self::Prefetch,
        Self::Inner,
        Self::Loop,
        Self::Exclusive,
        Self::Plain,
    ];

    /// The reach of its field, either way, in bytes.
    fn reach(self) -> u64 {
        match self {
            Self::B | Self::Bl => 128 << 20,
            Self::Tbz => 32 << 10,
            _ => 1 << 20,
        }
    }

    fn is_load(self) -> bool {
        matches!(
            self,
            Self::LoadW | Self::LoadX | Self::LoadSw | Self::LoadS | Self::LoadD | Self::LoadQ
        )
    }
}

/// Any bytes: what is filled in elsewhere has no sign.
fn literal(random: &mut Random) -> [u8; 16] {
    let [a, b] = [random.next(), random.next()];
    (u128::from(a) << 64 | u128::from(b)).to_le_bytes()
}

pub(crate) struct Case {
    pub(crate) class: Class,
    pub(crate) distance: Distance,
    pub(crate) at: u64,
    pub(crate) copy: u64,
    pub(crate) words: Vec<u32>,
    /// Which of them is the one in question.
    place: usize,
    /// What that one loads, and from where.
    pub(crate) literal: Option<(u64, [u8; 16])>,
}

/// What keeps a target off the code that is written.
const CODE: u64 = 64;

impl Case {
    pub(crate) fn new(class: Class, distance: Distance, random: &mut Random) -> Self {
        let at = BASE + 4 * random.below(0x4000);
        let mut words: Vec<u32> = (0..random.below(4)).map(|_| plain(random)).collect();
        let place = random.below(words.len() as u64 + 1);
        let here = at + 4 * place;
        let target = target(class, here, random);
        let inserted = instructions(class, here, target, words.len() as u64 - place, random);
        words.splice(place as usize..place as usize, inserted);
        let copy = copy_address(class, distance, at, target, random);
        Self {
            class,
            distance,
            at,
            copy,
            words,
            place: place as usize,
            literal: class.is_load().then(|| (target, literal(random))),
        }
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.words.iter().flat_map(|w| w.to_le_bytes()).collect()
    }

    /// Whether the branch in question reads the register, so that something may
    /// be in it.
    pub(crate) fn reads(&self, register: u32) -> bool {
        let word = self.words[self.place];
        match self.class {
            Class::Cbz | Class::Tbz => word & 31 == register,
            Class::Blr => (word >> 5) & 31 == register,
            _ => false,
        }
    }

    /// Whether the sequence names both registers that veneers may take.
    pub(crate) fn uses_both(&self) -> bool {
        [16, 17]
            .iter()
            .all(|register| self.words.iter().any(|word| names(*word, *register)))
    }

    pub(crate) fn state(&self, random: &mut Random, memory: &Memory) -> State {
        let mut x = [0; 31];
        for x in &mut x {
            *x = match random.below(4) {
                0 => 0,
                1 => random.below(3),
                2 => random.next() >> 32,
                _ => random.next(),
            };
        }
        match self.class {
            // The register that `blr` takes: somewhere that traps.
            Class::Blr => {
                let target = BASE + 0x2_0000 + 4 * random.below(0x1000);
                x.fill(target);
                for (n, x) in x.iter_mut().enumerate() {
                    *x += 4 * n as u64;
                }
            }
            Class::Loop => x[1] = 1 + random.below(5),
            Class::Exclusive => x[0] = memory.data(),
            _ => {}
        }
        State {
            x,
            sp: memory.data() - 16 * (1 + random.below(64)),
            pc: 0,
            flags: random.below(16) << 28,
            v: std::array::from_fn(|_| u128::from(random.next()) << 64 | u128::from(random.next())),
            data: random.next(),
        }
    }
}

/// Whether a field of `word` may name `register`.
fn names(word: u32, register: u32) -> bool {
    [0, 5, 10, 16]
        .iter()
        .any(|at| (word >> at) & 31 == register)
}

/// A register, often one of those that veneers take.
fn register(random: &mut Random) -> u32 {
    match random.below(8) {
        0 => 16,
        1 => 17,
        _ => random.below(29) as u32,
    }
}

/// A register of an instruction that does not change what the others rely on.
fn plain(random: &mut Random) -> u32 {
    let [d, n, m] = [2, 3, 4].map(|_| 2 + random.below(14) as u32);
    let d = if random.one_in(12) {
        random.pick(&[16, 17])
    } else {
        d
    };
    match random.below(7) {
        0 => 0x8b00_0000 | m << 16 | n << 5 | d, // add x
        1 => 0xca00_0000 | m << 16 | n << 5 | d, // eor x
        2 => 0x2b00_0000 | m << 16 | n << 5 | d, // adds w
        3 => 0xeb00_001f | m << 16 | n << 5,     // cmp x
        4 => 0xd280_0000 | (random.below(0x10000) as u32) << 5 | d, // movz
        5 => 0x9a80_0000 | m << 16 | (random.below(14) as u32) << 12 | n << 5 | d, // csel
        _ => 0x4ee0_8400 | m << 16 | n << 5 | d, // add v.2d
    }
}

/// What the instruction at `here` names: often at the limits of its field.
fn target(class: Class, here: u64, random: &mut Random) -> u64 {
    let reach = class.reach();
    let back = random.one_in(2);
    let distance = match random.below(3) {
        0 if back => reach,
        0 => reach - 16,
        1 => CODE + random.below(0x1000),
        _ => CODE + random.below(reach - CODE - 16),
    };
    let distance = distance & !3;
    let target = if back {
        here - distance
    } else {
        here + distance
    };
    match class {
        Class::Adr => target | random.below(4),
        Class::Adrp => {
            let pages = match random.below(3) {
                0 => random.pick(&[-(1_i64 << 20), (1 << 20) - 1, 0, 1, -1]),
                1 => random.below(1 << 21) as i64 - (1 << 20),
                _ => random.below(512) as i64 - 256,
            };
            (here & !0xfff).wrapping_add((pages << 12) as u64)
        }
        _ => target,
    }
}

fn field(distance: u64, bits: u32, shift: u32) -> u32 {
    (((distance as i64 >> 2) as u32) & ((1 << bits) - 1)) << shift
}

fn instructions(
    class: Class,
    here: u64,
    target: u64,
    behind: u64,
    random: &mut Random,
) -> Vec<u32> {
    let distance = target.wrapping_sub(here);
    let r = register(random);
    let condition = random.below(16) as u32;
    let literal = |opcode: u32| vec![opcode | field(distance, 19, 5) | r];
    match class {
        Class::B => vec![0x1400_0000 | field(distance, 26, 0)],
        Class::Bl => vec![0x9400_0000 | field(distance, 26, 0)],
        Class::Blr => vec![0xd63f_0000 | random.pick(&[r, r, 30]) << 5],
        Class::BCond => vec![0x5400_0000 | field(distance, 19, 5) | condition],
        Class::Cbz => {
            let opcode = random.pick(&[0x3400_0000, 0x3500_0000, 0xb400_0000, 0xb500_0000]);
            vec![opcode | field(distance, 19, 5) | random.pick(&[r, r, 31])]
        }
        Class::Tbz => {
            let bit = random.below(64) as u32;
            let opcode = 0x3600_0000 | (condition & 1) << 24;
            vec![opcode | (bit >> 5) << 31 | (bit & 31) << 19 | field(distance, 14, 5) | r]
        }
        Class::Adr => {
            let rd = random.pick(&[r, r, r, 31]);
            vec![0x1000_0000 | (distance as u32 & 3) << 29 | field(distance, 19, 5) | rd]
        }
        Class::Adrp => {
            let pages = (target.wrapping_sub(here & !0xfff) as i64 >> 12) as u32;
            vec![0x9000_0000 | (pages & 3) << 29 | ((pages >> 2) & 0x7_ffff) << 5 | r]
        }
        Class::LoadW => literal(0x1800_0000),
        Class::LoadX => literal(0x5800_0000),
        Class::LoadSw => literal(0x9800_0000),
        Class::LoadS => literal(0x1c00_0000),
        Class::LoadD => literal(0x5c00_0000),
        Class::LoadQ => literal(0x9c00_0000),
        Class::Prefetch => literal(0xd800_0000),
        Class::Inner => {
            // Forward only, so that it ends.
            let forward = 4 * (1 + random.below(behind + 1));
            vec![match random.below(3) {
                0 => 0x1400_0000 | field(forward, 26, 0),
                1 => 0x5400_0000 | field(forward, 19, 5) | condition,
                _ => 0x3600_0000 | field(forward, 14, 5) | r,
            }]
        }
        Class::Loop => vec![
            0xd100_0421,                                      // sub x1, x1, #1
            0xb500_0001 | field(4_u64.wrapping_neg(), 19, 5), // cbnz x1, -4
        ],
        Class::Exclusive => vec![
            0xc85f_7c01,                                       // ldxr x1, [x0]
            0x8b02_0021,                                       // add x1, x1, x2
            0xc803_7c01,                                       // stxr w3, x1, [x0]
            0x3500_0003 | field(12_u64.wrapping_neg(), 19, 5), // cbnz w3, -12
        ],
        Class::Plain => {
            vec![random.pick(&[0xd503_201f, 0xd503_233f, 0xa9bf_7bfd, 0xd53b_4200 | r])]
        }
    }
}

fn copy_address(
    class: Class,
    distance: Distance,
    at: u64,
    target: u64,
    random: &mut Random,
) -> u64 {
    let sign = |random: &mut Random, n: u64| {
        if random.one_in(2) {
            n
        } else {
            n.wrapping_neg()
        }
    };
    let jitter = |random: &mut Random| {
        let n = 4 * random.below(12);
        sign(random, n)
    };
    let middle = match distance {
        Distance::Near => at + 0x8_0000 + 4 * random.below(0x1000),
        Distance::Edge if class != Class::Adrp => {
            let reach = class.reach();
            let n = sign(random, reach);
            target.wrapping_add(n) & !3
        }
        Distance::Edge | Distance::Branch => {
            let n = (2 << 20) + 4 * random.below(31 << 20);
            let n = sign(random, n);
            at.wrapping_add(n)
        }
        Distance::BranchEdge => {
            let n = sign(random, 128 << 20);
            at.wrapping_add(n)
        }
        Distance::Page => {
            let n = sign(random, 4 << 30);
            let from = if random.one_in(2) { at } else { at & !0xfff };
            from.wrapping_add(n)
        }
        Distance::Far => at.wrapping_add(1 << 40),
    };
    let copy = middle.wrapping_add(jitter(random));
    // Not over what it is a copy of, where that leads, or beyond what is mapped.
    let is_clear = |of: u64| copy.wrapping_sub(of).wrapping_add(0x1000) > 0x2000;
    let is_mapped = match distance {
        Distance::Page | Distance::Far => true,
        _ => copy.wrapping_sub(BASE - (131 << 20)) < 262 << 20,
    };
    if is_clear(at) && (target.wrapping_add(16).wrapping_sub(copy) > 528 && is_mapped) {
        copy
    } else {
        at + 0x9_0000
    }
}
