//! The relocations of aarch64, as the ELF ABI for the Arm 64-bit architecture
//! defines them (small code model).
//!
//! A field is some bits of an instruction, or a word of data. An address takes two
//! instructions, `adrp` for its page and another one for the rest, each with a
//! relocation of its own. Descriptors of thread-locals (TLSDESC) become constants:
//! the executable's thread-locals are at a fixed distance from the thread pointer.

use super::{Field, Need, Unfit};
use object::elf::{self, RelocationType};

pub(super) const STUB: u64 = 16;

const NOP: u32 = 0xd503_201f;

/// What goes into a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Nothing,
    /// Bytes of data: the value or its distance from here.
    Data {
        len: usize,
        is_relative: bool,
    },
    /// A distance in instructions, so many bits from this one on.
    Branch {
        bits: u32,
        low: u32,
    },
    /// `adr`: a distance in bytes.
    Near,
    /// `adrp`: a distance in pages; whether it is checked.
    Page(bool),
    /// The lowest twelve bits, in units of this power of two.
    Low(u32),
    /// The twelve bits above them, and there are no more.
    High,
    /// An instruction of a descriptor's call, which becomes another.
    Descriptor(Step),
}

/// The instructions that call a descriptor of a thread-local.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// `adrp x0, descriptor` becomes `movz x0, #high, lsl #16`.
    Page,
    /// `ldr xN, [x0, descriptor]` becomes `movk x0, #low`.
    Load,
    /// `add x0, x0, descriptor` becomes `nop`.
    Add,
    /// `blr xN` becomes `nop`.
    Call,
}

fn form(kind: RelocationType) -> Option<Form> {
    let data = |len, is_relative| Form::Data { len, is_relative };
    Some(match kind {
        elf::R_AARCH64_NONE => Form::Nothing,
        elf::R_AARCH64_ABS64 | elf::R_AARCH64_TLS_DTPREL | elf::R_AARCH64_TLS_TPREL => {
            data(8, false)
        }
        elf::R_AARCH64_ABS32 => data(4, false),
        elf::R_AARCH64_PREL64 => data(8, true),
        elf::R_AARCH64_PREL32 | elf::R_AARCH64_PLT32 | elf::R_AARCH64_GOTPCREL32 => data(4, true),
        elf::R_AARCH64_CALL26 | elf::R_AARCH64_JUMP26 => Form::Branch { bits: 26, low: 0 },
        elf::R_AARCH64_CONDBR19 | elf::R_AARCH64_LD_PREL_LO19 => Form::Branch { bits: 19, low: 5 },
        elf::R_AARCH64_TSTBR14 => Form::Branch { bits: 14, low: 5 },
        elf::R_AARCH64_ADR_PREL_LO21 => Form::Near,
        elf::R_AARCH64_ADR_PREL_PG_HI21
        | elf::R_AARCH64_ADR_GOT_PAGE
        | elf::R_AARCH64_TLSIE_ADR_GOTTPREL_PAGE21 => Form::Page(true),
        elf::R_AARCH64_ADR_PREL_PG_HI21_NC => Form::Page(false),
        elf::R_AARCH64_ADD_ABS_LO12_NC
        | elf::R_AARCH64_LDST8_ABS_LO12_NC
        | elf::R_AARCH64_TLSLE_ADD_TPREL_LO12_NC
        | elf::R_AARCH64_TLSLE_LDST8_TPREL_LO12_NC => Form::Low(0),
        elf::R_AARCH64_LDST16_ABS_LO12_NC | elf::R_AARCH64_TLSLE_LDST16_TPREL_LO12_NC => {
            Form::Low(1)
        }
        elf::R_AARCH64_LDST32_ABS_LO12_NC | elf::R_AARCH64_TLSLE_LDST32_TPREL_LO12_NC => {
            Form::Low(2)
        }
        elf::R_AARCH64_LDST64_ABS_LO12_NC
        | elf::R_AARCH64_LD64_GOT_LO12_NC
        | elf::R_AARCH64_TLSIE_LD64_GOTTPREL_LO12_NC
        | elf::R_AARCH64_TLSLE_LDST64_TPREL_LO12_NC => Form::Low(3),
        elf::R_AARCH64_LDST128_ABS_LO12_NC | elf::R_AARCH64_TLSLE_LDST128_TPREL_LO12_NC => {
            Form::Low(4)
        }
        elf::R_AARCH64_TLSLE_ADD_TPREL_HI12 => Form::High,
        elf::R_AARCH64_TLSDESC_ADR_PAGE21 => Form::Descriptor(Step::Page),
        elf::R_AARCH64_TLSDESC_LD64_LO12 => Form::Descriptor(Step::Load),
        elf::R_AARCH64_TLSDESC_ADD_LO12 => Form::Descriptor(Step::Add),
        elf::R_AARCH64_TLSDESC_CALL => Form::Descriptor(Step::Call),
        _ => return None,
    })
}

pub(super) fn need(kind: RelocationType) -> Need {
    match kind {
        elf::R_AARCH64_ADR_GOT_PAGE
        | elf::R_AARCH64_LD64_GOT_LO12_NC
        | elf::R_AARCH64_GOTPCREL32
        | elf::R_AARCH64_TLSIE_ADR_GOTTPREL_PAGE21
        | elf::R_AARCH64_TLSIE_LD64_GOTTPREL_LO12_NC => Need::Entry,
        elf::R_AARCH64_CALL26 | elf::R_AARCH64_JUMP26 | elf::R_AARCH64_PLT32 => Need::Stub,
        _ => Need::Nothing,
    }
}

pub(super) fn width(kind: RelocationType) -> usize {
    match form(kind) {
        Some(Form::Data { len, .. }) => len,
        Some(Form::Nothing) => 0,
        // Instructions.
        _ => 4,
    }
}

/// The bits of an instruction that are filled in.
fn bits(form: Form) -> u32 {
    match form {
        Form::Nothing | Form::Data { .. } => 0,
        Form::Branch { bits, low } => ((1 << bits) - 1) << low,
        Form::Near | Form::Page(_) => 0x60ff_ffe0,
        Form::Low(_) | Form::High => 0x003f_fc00,
        Form::Descriptor(Step::Page) => 0x60ff_ffe0,
        Form::Descriptor(Step::Load | Step::Add) => 0x003f_fc00,
        Form::Descriptor(Step::Call) => 0,
    }
}

pub(super) fn clear(kind: RelocationType, bytes: &mut [u8], offset: usize) {
    match form(kind) {
        Some(Form::Data { len, .. }) => {
            if let Some(field) = bytes.get_mut(offset..offset + len) {
                field.fill(0);
            }
        }
        Some(form) => {
            if let Some(word) = word(bytes, offset) {
                put(bytes, offset, word & !bits(form));
            }
        }
        // Nothing is known of it, so nothing is overlooked.
        None => {}
    }
}

fn word(bytes: &[u8], offset: usize) -> Option<u32> {
    let field = bytes.get(offset..offset.checked_add(4)?)?;
    Some(u32::from_le_bytes(field.try_into().ok()?))
}

fn put(bytes: &mut [u8], offset: usize, word: u32) {
    if let Some(field) = bytes.get_mut(offset..offset + 4) {
        field.copy_from_slice(&word.to_le_bytes());
    }
}

pub(super) fn fill(field: Field<'_>) -> Result<(), Unfit> {
    let form = form(field.kind).ok_or(Unfit::Unknown(field.kind))?;
    let value = field.value.wrapping_add_signed(field.addend);
    let distance = value.wrapping_sub(field.here) as i64;
    if let Form::Data { len, is_relative } = form {
        let value = if is_relative { distance as u64 } else { value };
        let fits = len == 8
            || i32::try_from(value as i64).is_ok()
            || (!is_relative && u32::try_from(value).is_ok());
        if !fits {
            return Err(Unfit::Reach);
        }
        let place = field.bytes.get_mut(field.offset..field.offset + len);
        let place = place.ok_or(Unfit::Outside)?;
        place.copy_from_slice(&value.to_le_bytes()[..len]);
        return Ok(());
    }
    let old = word(field.bytes, field.offset).ok_or(Unfit::Outside)?;
    let rest = old & !bits(form);
    let new = match form {
        Form::Nothing | Form::Data { .. } => old,
        // A weak function that there is not: the call does nothing, as if it were
        // a jump to the next instruction.
        Form::Branch { bits: 26, .. } if field.value == 0 => NOP,
        Form::Branch { bits, low } => {
            let mask = (1 << bits) - 1;
            rest | (signed(exact(distance, 2)?, bits)? & mask) << low
        }
        Form::Near => rest | split(signed(distance, 21)?),
        Form::Page(is_checked) => {
            let pages = (value >> 12) as i64 - (field.here >> 12) as i64;
            match is_checked {
                true => rest | split(signed(pages, 21)?),
                false => rest | split(pages as u32),
            }
        }
        Form::Low(scale) => rest | low(value, scale)? << 10,
        Form::High => match value {
            0..0x100_0000 => rest | ((value >> 12) as u32) << 10,
            _ => return Err(Unfit::Reach),
        },
        Form::Descriptor(step) => descriptor(step, old, value)?,
    };
    put(field.bytes, field.offset, new);
    Ok(())
}

/// `value` in units of this power of two.
fn exact(value: i64, scale: u32) -> Result<i64, Unfit> {
    let unit = 1 << scale;
    match value % unit {
        0 => Ok(value / unit),
        _ => Err(Unfit::Reach),
    }
}

/// `value` as so many bits with a sign.
fn signed(value: i64, bits: u32) -> Result<u32, Unfit> {
    let half = 1_i64 << (bits - 1);
    match (-half..half).contains(&value) {
        true => Ok(value as u32),
        false => Err(Unfit::Reach),
    }
}

/// The immediate of `adr` and `adrp`: two bits above, the others below.
fn split(value: u32) -> u32 {
    (value & 3) << 29 | (value >> 2 & 0x7_ffff) << 5
}

fn low(value: u64, scale: u32) -> Result<u32, Unfit> {
    let low = exact((value & 0xfff) as i64, scale)?;
    Ok(low as u32)
}

fn descriptor(step: Step, old: u32, value: u64) -> Result<u32, Unfit> {
    let (expected, fixed) = match step {
        Step::Page => (0x9000_0000, 0x9f00_001f),
        Step::Load => (0xf940_0000, 0xffc0_03e0),
        Step::Add => (0x9100_0000, 0xffc0_03ff),
        Step::Call => (0xd63f_0000, 0xffff_fc1f),
    };
    if old & fixed != expected {
        return Err(Unfit::Instructions);
    }
    let value = u32::try_from(value).map_err(|_| Unfit::Reach)?;
    Ok(match step {
        // movz x0, #high, lsl #16
        Step::Page => 0xd2a0_0000 | (value >> 16) << 5,
        // movk x0, #low
        Step::Load => 0xf280_0000 | (value & 0xffff) << 5,
        Step::Add | Step::Call => NOP,
    })
}

/// `adrp x16, entry; ldr x16, [x16, entry]; br x16`. Linkers may use x16 between a
/// caller and its callee, and `br x16` may lead to a `bti c`.
pub(super) fn stub(at: u64, entry: u64) -> Result<Vec<u8>, Unfit> {
    let words = [0x9000_0010_u32, 0xf940_0210, 0xd61f_0200, NOP];
    let mut bytes: Vec<u8> = words.into_iter().flat_map(u32::to_le_bytes).collect();
    let parts = [
        (0, elf::R_AARCH64_ADR_PREL_PG_HI21),
        (4, elf::R_AARCH64_LDST64_ABS_LO12_NC),
    ];
    for (offset, kind) in parts {
        fill(Field {
            kind,
            bytes: &mut bytes,
            offset,
            here: at + offset as u64,
            value: entry,
            addend: 0,
        })?;
    }
    Ok(bytes)
}
