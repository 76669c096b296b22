//! Decoding, and the one instruction that a jump displaces.

use crate::{Line, TargetAddress};
use alloc::string::String;
use alloc::vec::Vec;
use iced_x86::{
    Decoder, DecoderOptions, FlowControl, Formatter, Instruction, IntelFormatter, Mnemonic, OpKind,
    Register,
};

/// The prefix that changes the size of operands.
const OPERAND_SIZE: u8 = 0x66;

/// An instruction of the original function that a jump would cover.
#[derive(Clone, Debug)]
pub struct Displaced {
    /// Bytes from the function's entry.
    pub offset: u32,
    /// The instruction's bytes as they stand in the function.
    pub bytes: Vec<u8>,
    pub(crate) instruction: Instruction,
    /// Where in `bytes` a 32-bit displacement stands, if there is one.
    pub(crate) displacement_offset: Option<usize>,
}

impl Displaced {
    /// The instructions at the start of `bytes`, code at `at`, that cover at
    /// least `len` bytes, or as many as can be decoded; `offset` counts from
    /// the first.
    pub fn decode(bytes: &[u8], at: TargetAddress, len: usize) -> Vec<Self> {
        let mut all = Vec::new();
        let mut decode = decoder(bytes, at.get());
        while decode.can_decode() && decode.position() < len {
            let instruction = decode.decode();
            if instruction.is_invalid() {
                break;
            }
            all.push(Self::new(bytes, at, &decode, instruction));
        }
        all
    }

    /// `instruction`, which `decode` has just read from `bytes` at `at`.
    pub(super) fn new(
        bytes: &[u8],
        at: TargetAddress,
        decode: &Decoder<'_>,
        instruction: Instruction,
    ) -> Self {
        let offset = instruction.ip().wrapping_sub(at.get()) as usize;
        let constants = decode.get_constant_offsets(&instruction);
        let has_field = constants.has_displacement() && constants.displacement_size() == 4;
        Self {
            offset: offset as u32,
            bytes: bytes[offset..offset + instruction.len()].to_vec(),
            instruction,
            displacement_offset: has_field.then(|| constants.displacement_offset()),
        }
    }

    /// The address of the instruction where it stands in the function.
    pub fn address(&self) -> u64 {
        self.instruction.ip()
    }

    /// The address after it.
    pub fn end(&self) -> u64 {
        self.instruction.next_ip()
    }

    /// Bytes from the function's entry to the end of the instruction.
    pub fn end_offset(&self) -> u32 {
        self.offset + self.bytes.len() as u32
    }

    /// The instruction as text, in Intel syntax.
    pub fn text(&self) -> String {
        text(&self.instruction)
    }

    /// Whether control never reaches what follows it.
    pub(crate) fn ends_flow(&self) -> bool {
        ends_flow(&self.instruction)
    }
}

pub(crate) fn ends_flow(instruction: &Instruction) -> bool {
    matches!(
        instruction.flow_control(),
        FlowControl::UnconditionalBranch
            | FlowControl::IndirectBranch
            | FlowControl::Return
            | FlowControl::Exception
    ) && instruction.mnemonic() != Mnemonic::Int3
}

/// The instruction as text, in Intel syntax.
pub(crate) fn text(instruction: &Instruction) -> String {
    let mut formatter = IntelFormatter::new();
    let options = formatter.options_mut();
    options.set_hex_prefix("0x");
    options.set_hex_suffix("");
    options.set_space_after_operand_separator(true);
    options.set_rip_relative_addresses(false);
    options.set_branch_leading_zeros(false);
    options.set_uppercase_hex(false);
    let mut out = String::new();
    formatter.format(instruction, &mut out);
    out
}

pub(crate) fn decoder(bytes: &[u8], at: u64) -> Decoder<'_> {
    Decoder::with_ip(64, bytes, at, DecoderOptions::NONE)
}

/// The near target of a direct branch or call, `None` for other instructions.
pub(crate) fn near_target(instruction: &Instruction) -> Option<u64> {
    let direct = matches!(
        instruction.flow_control(),
        FlowControl::ConditionalBranch
            | FlowControl::UnconditionalBranch
            | FlowControl::Call
            | FlowControl::XbeginXabortXend
    );
    (direct && instruction.op0_kind() == OpKind::NearBranch64).then(|| instruction.near_branch64())
}

/// Whether `instruction`, read from `bytes`, is a branch that Intel and AMD read
/// differently: the prefix 66 makes it one of 16 bits for AMD, of another length
/// and to another place, and is ignored by Intel.
pub(crate) fn is_operand_size_branch(instruction: &Instruction, bytes: &[u8]) -> bool {
    let is_branch = matches!(
        instruction.flow_control(),
        FlowControl::ConditionalBranch
            | FlowControl::UnconditionalBranch
            | FlowControl::IndirectBranch
            | FlowControl::Call
            | FlowControl::IndirectCall
    );
    if !is_branch || !bytes.contains(&OPERAND_SIZE) {
        return false;
    }
    let amd = Decoder::with_ip(64, bytes, instruction.ip(), DecoderOptions::AMD).decode();
    amd.code() != instruction.code() || amd.len() != instruction.len()
}

/// The address of an operand in memory that stands in the instruction itself,
/// relative to RIP or not.
pub(crate) fn constant_operand(instruction: &Instruction) -> Option<u64> {
    let is_absolute = || {
        instruction.memory_base() == Register::None
            && instruction.memory_index() == Register::None
            && instruction.op_kinds().any(|kind| kind == OpKind::Memory)
            && !has_segment(instruction)
    };
    rip_operand(instruction).or_else(|| is_absolute().then(|| instruction.memory_displacement64()))
}

/// Whether the operand in memory is relative to FS or GS.
pub(crate) fn has_segment(instruction: &Instruction) -> bool {
    matches!(instruction.memory_segment(), Register::FS | Register::GS)
}

/// The address that a RIP-relative operand names.
pub(crate) fn rip_operand(instruction: &Instruction) -> Option<u64> {
    (instruction.memory_base() == Register::RIP).then(|| instruction.memory_displacement64())
}

/// Disassembles `bytes` as code at `at`, from the first byte to the last.
pub fn disassemble(bytes: &[u8], at: u64) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut start = 0;
    while start < bytes.len() {
        let address = at.wrapping_add(start as u64);
        let instruction = decoder(&bytes[start..], address).decode();
        let (len, text) = match instruction.is_invalid() {
            true => (1, String::from("(bad)")),
            false => (instruction.len(), text(&instruction)),
        };
        lines.push(Line {
            address,
            bytes: bytes[start..start + len].to_vec(),
            text,
        });
        start += len;
    }
    lines
}
