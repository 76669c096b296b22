//! Call frame information that reads a table.
//!
//! What [`tabled`] makes is one entry for a whole range of code, made once. Its
//! rules are DWARF expressions (DWARF 5, 6.4 and 2.5): they take the program
//! counter, look up one byte for it, with that byte a [`FrameState`](super::frame::FrameState), and from
//! that the CFA, the return address and the registers. So code may come and go
//! in the range with nothing registered anew: only the table changes.
//!
//! Where the state is unknown the return address is 0, at which unwinders stop.

use super::frame::{CALLEE_SAVED, OFFSET_BITS};
use alloc::vec::Vec;

const RIP: u8 = 16;
const RBP: u8 = 6;
const RSP: u8 = 7;
const R10: u8 = 10;

// DWARF 5, 7.24: call frame instructions.
const DEF_CFA: u8 = 0x0c;
const DEF_CFA_EXPRESSION: u8 = 0x0f;
const VAL_EXPRESSION: u8 = 0x16;
const OFFSET: u8 = 0x80;
// DWARF 5, 7.7.1: operations.
const DEREF: u8 = 0x06;
const CONST2U: u8 = 0x0a;
const CONST8U: u8 = 0x0e;
const DUP: u8 = 0x12;
const DROP: u8 = 0x13;
const SWAP: u8 = 0x16;
const AND: u8 = 0x1a;
const MINUS: u8 = 0x1c;
const PLUS: u8 = 0x22;
const PLUS_UCONST: u8 = 0x23;
const SHL: u8 = 0x24;
const SHR: u8 = 0x25;
const BRA: u8 = 0x28;
const EQ: u8 = 0x29;
const SKIP: u8 = 0x2f;
const LIT: u8 = 0x30;
const BREG: u8 = 0x70;
const DEREF_SIZE: u8 = 0x94;

/// Where the code is and what is said about it.
#[derive(Clone, Copy, Debug)]
pub struct Tabled {
    /// The first byte of code.
    pub start: u64,
    /// Bytes of code.
    pub len: u64,
    /// One byte for each byte of code: the number of its state.
    pub numbers: u64,
    /// The states, eight bytes each.
    pub states: u64,
}

/// A section `.eh_frame` for code that is described by a table.
pub fn tabled(code: Tabled) -> Vec<u8> {
    let mut rules = Vec::new();
    rules.push(DEF_CFA_EXPRESSION);
    block(&mut rules, &cfa(code));
    rules.extend([VAL_EXPRESSION, RIP]);
    block(&mut rules, &return_address(code));
    for (n, register) in CALLEE_SAVED.iter().enumerate() {
        let register = *register as u8; // all are below 16
        rules.extend([VAL_EXPRESSION, register]);
        block(&mut rules, &saved(code, register, 2 + n as u8));
    }
    section(code.start, code.len, &rules)
}

/// A section `.eh_frame` for code that leaves the stack as it is after a call.
pub fn called(start: u64, len: u64) -> Vec<u8> {
    // The CFA is rsp+8, the return address one word below it.
    section(start, len, &[DEF_CFA, RSP, 8, OFFSET | RIP, 1])
}

fn section(start: u64, len: u64, rules: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut cie = Vec::from([0; 4]);
    // Version 1, no augmentation: addresses are absolute. Code is counted in
    // bytes, data in words downwards, the return address is register 16.
    cie.extend([1, 0, 1, 0x78, RIP]);
    entry(&mut bytes, cie);
    let to_cie = bytes.len() as u32 + 4;
    let mut fde = Vec::from(to_cie.to_le_bytes());
    fde.extend(start.to_le_bytes());
    fde.extend(len.to_le_bytes());
    fde.extend(rules);
    entry(&mut bytes, fde);
    bytes.extend([0; 4]);
    bytes
}

/// Filled with zeros, which are no operation, so that the next is aligned.
fn entry(section: &mut Vec<u8>, mut content: Vec<u8>) {
    content.resize((content.len() + 4).next_multiple_of(8) - 4, 0);
    section.extend((content.len() as u32).to_le_bytes());
    section.extend(content);
}

/// An expression with its length before it.
fn block(rules: &mut Vec<u8>, expression: &[u8]) {
    unsigned(rules, expression.len() as u64);
    rules.extend(expression);
}

/// Leaves the address of the state on the stack.
fn state(code: Tabled) -> Vec<u8> {
    let mut e = Vec::from([BREG + RIP]);
    signed(&mut e, code.numbers.wrapping_sub(code.start) as i64);
    e.extend([DEREF_SIZE, 1, LIT + 3, SHL, CONST8U]);
    e.extend(code.states.to_le_bytes());
    e.push(PLUS);
    e
}

fn cfa(code: Tabled) -> Vec<u8> {
    let mut e = state(code);
    let mask: u16 = (1 << OFFSET_BITS) - 1;
    let [low, high] = mask.to_le_bytes();
    e.extend([DEREF_SIZE, 2, DUP, CONST2U, low, high, AND, LIT + 3, SHL]);
    // The offset is below the number of the base.
    e.extend([SWAP, LIT + OFFSET_BITS as u8, SHR, DUP]);
    let r10 = [DROP, BREG + R10, 0];
    let r10_unless_rbp = {
        let mut e = Vec::from([DUP, LIT + 1, EQ]);
        e.extend(either(&r10, &[DROP, BREG + RBP, 0]));
        e
    };
    e.extend(either(&[DROP, BREG + RSP, 0], &r10_unless_rbp));
    e.push(PLUS);
    e
}

/// The CFA is on the stack already.
fn return_address(code: Tabled) -> Vec<u8> {
    let mut e = state(code);
    e.extend([DEREF_SIZE, 2]);
    e.extend(either(&[LIT], &[LIT + 8, MINUS, DEREF]));
    e
}

/// As [`return_address`]; `field` is the place in the state.
fn saved(code: Tabled, register: u8, field: u8) -> Vec<u8> {
    let mut e = state(code);
    e.extend([PLUS_UCONST, field, DEREF_SIZE, 1, DUP]);
    e.extend(either(
        &[DROP, BREG + register, 0],
        &[LIT + 3, SHL, MINUS, DEREF],
    ));
    e
}

/// Takes a number off the stack and does the one if it is zero, else the other.
fn either(zero: &[u8], other: &[u8]) -> Vec<u8> {
    let distance = |bytes: usize| (bytes as i16).to_le_bytes();
    let mut e = Vec::from([BRA]);
    e.extend(distance(zero.len() + 3));
    e.extend(zero);
    e.push(SKIP);
    e.extend(distance(other.len()));
    e.extend(other);
    e
}

fn unsigned(bytes: &mut Vec<u8>, mut value: u64) {
    loop {
        let low = (value & 0x7f) as u8;
        value >>= 7;
        if value == 0 {
            bytes.push(low);
            return;
        }
        bytes.push(low | 0x80);
    }
}

fn signed(bytes: &mut Vec<u8>, mut value: i64) {
    loop {
        let low = (value & 0x7f) as u8;
        value >>= 7;
        if (value == 0 && low & 0x40 == 0) || (value == -1 && low & 0x40 != 0) {
            bytes.push(low);
            return;
        }
        bytes.push(low | 0x80);
    }
}
