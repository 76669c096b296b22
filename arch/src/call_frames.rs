//! Call frame information, written: one entry for a range of code that is alike.
//!
//! DWARF 5, 6.4, as `.eh_frame` has it. What is said is the business of each
//! machine's `eh_frame`.

use alloc::vec::Vec;

/// Bytes of the header that [`section`] puts first.
const HEADER: usize = 16;

// DWARF 5, 7.24: call frame instructions.
const DEF_CFA: u8 = 0x0c;
const OFFSET: u8 = 0x80;
const OFFSET_EXTENDED: u8 = 0x05;
const UNDEFINED: u8 = 0x07;

/// What holds at every instruction of the code.
pub(crate) struct Rules(Vec<u8>);

impl Rules {
    /// The caller is not known. Of a CFA something has to be said all the same:
    /// libgcc ends the program where there is none.
    pub(crate) fn unknown(stack_pointer: u8, return_address: u8) -> Self {
        let mut rules = Self::at(stack_pointer, 0);
        rules.0.extend([UNDEFINED, return_address]);
        rules
    }

    /// The CFA is `offset` bytes above `base`.
    pub(crate) fn at(base: u8, offset: usize) -> Self {
        let mut rules = [DEF_CFA, base].to_vec();
        number(&mut rules, offset);
        Self(rules)
    }

    /// The caller's value of `register` is `words` below the CFA.
    pub(crate) fn saved(&mut self, register: u16, words: usize) {
        match register as u8 {
            short @ 0..64 => self.0.push(OFFSET | short),
            long => self.0.extend([OFFSET_EXTENDED, long]), // one byte: all are below 128
        }
        number(&mut self.0, words);
    }

    /// One more instruction, without operands.
    pub(crate) fn instruction(&mut self, code: u8) {
        self.0.push(code);
    }
}

/// The sections `.eh_frame_hdr` and `.eh_frame`, one behind the other, for the
/// `len` bytes of code at `start`. They are to stand at `at`.
pub(crate) fn section(at: u64, start: u64, len: u64, returns: u8, rules: &Rules) -> Vec<u8> {
    // Version 1, an absolute pointer to the second one, no table.
    let mut bytes = [1, 0, 0xff, 0xff].to_vec();
    bytes.extend((at + HEADER as u64).to_le_bytes());
    bytes.resize(HEADER, 0);
    let mut common = [0; 4].to_vec();
    // Version 1, no augmentation: addresses are absolute. Code is counted in
    // bytes, data in words downwards.
    common.extend([1, 0, 1, 0x78, returns]);
    entry(&mut bytes, common);
    let to_common = (bytes.len() - HEADER) as u32 + 4;
    let mut about = to_common.to_le_bytes().to_vec();
    about.extend(start.to_le_bytes());
    about.extend(len.to_le_bytes());
    about.extend(&rules.0);
    entry(&mut bytes, about);
    bytes.extend([0; 4]);
    bytes
}

/// Filled with zeros, which are no operation, so that the next is aligned.
fn entry(section: &mut Vec<u8>, mut content: Vec<u8>) {
    content.resize((content.len() + 4).next_multiple_of(8) - 4, 0);
    section.extend((content.len() as u32).to_le_bytes());
    section.extend(content);
}

/// DWARF 5, 7.6: LEB128.
fn number(bytes: &mut Vec<u8>, mut value: usize) {
    while value > 0x7f {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}
