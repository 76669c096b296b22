//! The relocations of x86-64.
//!
//! Fields are four or eight whole bytes. A displacement counts from behind the
//! instruction, which the addend takes into account. Calls of `__tls_get_addr` are
//! taken out: the executable's thread-locals are at a fixed distance from the thread
//! pointer.

use super::{Field, Need, Unfit};
use object::elf::{self, RelocationType};

pub(super) const STUB: u64 = 8;

pub(super) fn need(kind: RelocationType) -> Need {
    match kind {
        elf::R_X86_64_GOTPCREL
        | elf::R_X86_64_GOTPCRELX
        | elf::R_X86_64_REX_GOTPCRELX
        | elf::R_X86_64_GOTTPOFF => Need::Entry,
        elf::R_X86_64_PLT32 | elf::R_X86_64_PC32 => Need::Stub,
        _ => Need::Nothing,
    }
}

pub(super) fn bias(kind: RelocationType) -> i64 {
    match kind {
        elf::R_X86_64_PC32
        | elf::R_X86_64_PLT32
        | elf::R_X86_64_GOTPCREL
        | elf::R_X86_64_GOTPCRELX
        | elf::R_X86_64_REX_GOTPCRELX => 4,
        _ => 0,
    }
}

pub(super) fn width(kind: RelocationType) -> usize {
    match kind {
        elf::R_X86_64_64 | elf::R_X86_64_DTPOFF64 | elf::R_X86_64_TPOFF64 | elf::R_X86_64_PC64 => 8,
        elf::R_X86_64_NONE => 0,
        _ => 4,
    }
}

/// What a field of 32 bits may hold.
enum Width {
    Signed,
    Unsigned,
    /// All 64 bits.
    Whole,
}

pub(super) fn fill(field: Field<'_>) -> Result<(), Unfit> {
    let value = field.value.wrapping_add_signed(field.addend);
    let from_here = value.wrapping_sub(field.here);
    let (value, may) = match field.kind {
        elf::R_X86_64_NONE => return Ok(()),
        elf::R_X86_64_64 | elf::R_X86_64_TPOFF64 | elf::R_X86_64_DTPOFF64 => (value, Width::Whole),
        elf::R_X86_64_PC64 => (from_here, Width::Whole),
        elf::R_X86_64_32 => (value, Width::Unsigned),
        elf::R_X86_64_32S | elf::R_X86_64_TPOFF32 | elf::R_X86_64_DTPOFF32 => {
            (value, Width::Signed)
        }
        elf::R_X86_64_PC32
        | elf::R_X86_64_PLT32
        | elf::R_X86_64_GOTPCREL
        | elf::R_X86_64_GOTPCRELX
        | elf::R_X86_64_REX_GOTPCRELX
        | elf::R_X86_64_GOTTPOFF => (from_here, Width::Signed),
        elf::R_X86_64_TLSGD => return general(field.bytes, field.offset, field.value as i64),
        elf::R_X86_64_TLSLD => return local(field.bytes, field.offset),
        other => return Err(Unfit::Unknown(other)),
    };
    let fits = match may {
        Width::Whole => true,
        Width::Signed => i32::try_from(value as i64).is_ok(),
        Width::Unsigned => u32::try_from(value).is_ok(),
    };
    if !fits {
        return Err(Unfit::Reach);
    }
    let len = width(field.kind);
    let place = field.bytes.get_mut(field.offset..field.offset + len);
    place
        .ok_or(Unfit::Outside)?
        .copy_from_slice(&value.to_le_bytes()[..len]);
    Ok(())
}

/// `data16 lea rdi, x@tlsgd; data16 data16 rex call __tls_get_addr` becomes
/// `mov rax, fs:0; lea rax, [rax + x@tpoff]`.
fn general(bytes: &mut [u8], offset: usize, value: i64) -> Result<(), Unfit> {
    let code = offset
        .checked_sub(4)
        .and_then(|start| bytes.get_mut(start..start + 16));
    let code = code.filter(|code| code.starts_with(&[0x66, 0x48, 0x8d, 0x3d]));
    let code = code.ok_or(Unfit::Instructions)?;
    let value = i32::try_from(value).map_err(|_| Unfit::Reach)?;
    code[..9].copy_from_slice(&[0x64, 0x48, 0x8b, 0x04, 0x25, 0, 0, 0, 0]);
    code[9..12].copy_from_slice(&[0x48, 0x8d, 0x80]);
    code[12..].copy_from_slice(&value.to_le_bytes());
    Ok(())
}

/// `lea rdi, x@tlsld; call __tls_get_addr` becomes `mov rax, fs:0`.
fn local(bytes: &mut [u8], offset: usize) -> Result<(), Unfit> {
    let code = offset
        .checked_sub(3)
        .and_then(|start| bytes.get_mut(start..));
    let code = code.filter(|code| code.len() >= 13 && code.starts_with(&[0x48, 0x8d, 0x3d]));
    let code = code.ok_or(Unfit::Instructions)?;
    let prefixes = match code[7..9] {
        [0xe8, _] => 3,
        [0xff, 0x15] => 4,
        _ => return Err(Unfit::Instructions),
    };
    code[..prefixes].fill(0x66);
    code[prefixes..prefixes + 9].copy_from_slice(&[0x64, 0x48, 0x8b, 0x04, 0x25, 0, 0, 0, 0]);
    Ok(())
}

/// `jmp [rip + entry]`, and two traps.
pub(super) fn stub(at: u64, entry: u64) -> Result<Vec<u8>, Unfit> {
    let distance = entry.wrapping_sub(at + 6) as i64;
    let distance = i32::try_from(distance).map_err(|_| Unfit::Reach)?;
    let mut code = vec![0xff, 0x25];
    code.extend(distance.to_le_bytes());
    code.extend([0xcc; 2]);
    Ok(code)
}
