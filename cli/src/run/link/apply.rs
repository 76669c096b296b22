//! References are filled in.

use super::plan::{Base, Plan};
use crate::run::object::Relocation;
use crate::run::object::meaning::width;
use object::elf;
use std::collections::HashMap;

/// Where everything is.
pub(crate) struct Resolver<'a> {
    pub(crate) plan: &'a Plan,
    /// The address of the image.
    pub(crate) start: u64,
    /// The address of each piece; of a thread-local one, its distance from the
    /// thread pointer.
    pub(crate) pieces: Vec<u64>,
    pub(crate) is_thread_local: Vec<bool>,
    /// What the dynamic linker said.
    pub(crate) dynamic: Vec<u64>,
    /// Where the table of addresses is.
    pub(crate) table: u64,
    /// Where the stub for an entry of the table is.
    pub(crate) stubs: HashMap<usize, u64>,
}

impl Resolver<'_> {
    /// An address, or a distance from the thread pointer.
    pub(crate) fn value(&self, base: Base) -> u64 {
        match base {
            Base::At(at) => at,
            Base::Thread(at) => at as u64,
            Base::In(piece, at) => self.pieces[piece].wrapping_add_signed(at),
            Base::Dynamic(name) => self.dynamic[name],
            Base::Missing => 0,
        }
    }

    /// The table of addresses.
    pub(crate) fn table_bytes(&self) -> Vec<u8> {
        let values = self
            .plan
            .table
            .iter()
            .map(|base| self.value(*base).to_le_bytes());
        values.flatten().collect()
    }

    fn entry(&self, base: Base) -> Option<u64> {
        let entry = self.plan.entry_of(base)?;
        Some(self.table + 8 * entry as u64)
    }
}

/// Fills in one reference in `bytes`, which stand at `at`.
pub(crate) fn fill(
    bytes: &mut [u8],
    at: u64,
    relocation: &Relocation,
    base: Base,
    resolver: &Resolver<'_>,
) -> Result<(), String> {
    let offset = relocation.offset as usize;
    let here = at.wrapping_add(relocation.offset);
    let addend = relocation.addend;
    let value = resolver.value(base);
    let entry = || {
        resolver
            .entry(base)
            .ok_or("an address without an entry in the table")
    };
    let (value, is_signed) = match relocation.kind {
        elf::R_X86_64_NONE => return Ok(()),
        elf::R_X86_64_64 => (value.wrapping_add_signed(addend), None),
        elf::R_X86_64_PC64 => (value.wrapping_add_signed(addend).wrapping_sub(here), None),
        elf::R_X86_64_32 => (value.wrapping_add_signed(addend), Some(false)),
        elf::R_X86_64_32S => (value.wrapping_add_signed(addend), Some(true)),
        elf::R_X86_64_PC32 | elf::R_X86_64_PLT32 => {
            if resolver.plan.dynamic_name(base) == Some("__tls_get_addr") {
                // The call that a thread-local's address took is gone.
                return Ok(());
            }
            let stub = resolver
                .plan
                .entry_of(base)
                .and_then(|entry| resolver.stubs.get(&entry));
            let value = match base {
                Base::Dynamic(_) => stub.copied().unwrap_or(value),
                _ => value,
            };
            (
                value.wrapping_add_signed(addend).wrapping_sub(here),
                Some(true),
            )
        }
        elf::R_X86_64_GOTPCREL
        | elf::R_X86_64_GOTPCRELX
        | elf::R_X86_64_REX_GOTPCRELX
        | elf::R_X86_64_GOTTPOFF => {
            // A call through the table behind a thread-local's address is gone.
            if resolver.plan.dynamic_name(base) == Some("__tls_get_addr") {
                return Ok(());
            }
            let value = entry()?.wrapping_add_signed(addend).wrapping_sub(here);
            (value, Some(true))
        }
        elf::R_X86_64_TPOFF32 | elf::R_X86_64_DTPOFF32 => {
            (value.wrapping_add_signed(addend), Some(true))
        }
        elf::R_X86_64_TPOFF64 | elf::R_X86_64_DTPOFF64 => (value.wrapping_add_signed(addend), None),
        elf::R_X86_64_TLSGD => return general(bytes, offset, value as i64),
        elf::R_X86_64_TLSLD => return local(bytes, offset),
        other => return Err(format!("a relocation of type {other:?} is not known")),
    };
    let len = width(relocation.kind);
    let fits = match is_signed {
        None => true,
        Some(true) => i32::try_from(value as i64).is_ok(),
        Some(false) => u32::try_from(value).is_ok(),
    };
    if !fits {
        let name = resolver.plan.dynamic_name(base).unwrap_or("something");
        return Err(format!(
            "{name} at {value:#x} from {here:#x} is out of reach"
        ));
    }
    let field = bytes
        .get_mut(offset..offset + len)
        .ok_or("a relocation outside of its section")?;
    field.copy_from_slice(&value.to_le_bytes()[..len]);
    Ok(())
}

/// `data16 lea rdi, x@tlsgd; data16 data16 rex call __tls_get_addr` becomes
/// `mov rax, fs:0; lea rax, [rax + x@tpoff]`.
fn general(bytes: &mut [u8], offset: usize, value: i64) -> Result<(), String> {
    let code = offset
        .checked_sub(4)
        .and_then(|start| bytes.get_mut(start..start + 16));
    let code = code.filter(|code| code.starts_with(&[0x66, 0x48, 0x8d, 0x3d]));
    let code = code.ok_or("a thread-local is reached by instructions that are not known")?;
    let value = i32::try_from(value).map_err(|_| "a thread-local is out of reach")?;
    code[..9].copy_from_slice(&[0x64, 0x48, 0x8b, 0x04, 0x25, 0, 0, 0, 0]);
    code[9..12].copy_from_slice(&[0x48, 0x8d, 0x80]);
    code[12..].copy_from_slice(&value.to_le_bytes());
    Ok(())
}

/// `lea rdi, x@tlsld; call __tls_get_addr` becomes `mov rax, fs:0`.
fn local(bytes: &mut [u8], offset: usize) -> Result<(), String> {
    let unknown = "thread-locals are reached by instructions that are not known";
    let code = offset
        .checked_sub(3)
        .and_then(|start| bytes.get_mut(start..));
    let code = code.filter(|code| code.len() >= 13 && code.starts_with(&[0x48, 0x8d, 0x3d]));
    let code = code.ok_or(unknown)?;
    let prefixes = match code[7..9] {
        [0xe8, _] => 3,
        [0xff, 0x15] => 4,
        _ => return Err(unknown.to_owned()),
    };
    code[..prefixes].fill(0x66);
    code[prefixes..prefixes + 9].copy_from_slice(&[0x64, 0x48, 0x8b, 0x04, 0x25, 0, 0, 0, 0]);
    Ok(())
}
