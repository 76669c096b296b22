//! What the gate needs of ELF: sections with their relocations applied, and
//! which functions the slots of a vtable hold.

use super::error::GateError;
use super::object::Bytes;
use object::elf;
use object::read::elf::ElfFile64;
use object::{LittleEndian, Object as _, ObjectSection as _, ObjectSymbol as _, SymbolIndex};
use std::borrow::Cow;
use std::path::Path;

pub(super) struct Elf<'d> {
    path: &'d Path,
    file: ElfFile64<'d, LittleEndian>,
}

/// The bytes of a section as they are in the file.
#[derive(Clone, Copy)]
pub(super) struct Section<'d> {
    pub(super) data: &'d [u8],
    /// Where they are in the file.
    pub(super) at: u32,
}

/// Bytes of an image: an address, or a place in a section of an object file.
enum Place<'d> {
    Address(u64),
    In(object::read::elf::ElfSection64<'d, 'd, LittleEndian>, u64),
}

const ENDIAN: LittleEndian = LittleEndian;
/// The size of an address.
const WORD: u64 = 8;
/// No trait has more methods; damaged debug information may say so.
const LONGEST: u64 = 1 << 12;

impl<'d> Elf<'d> {
    pub(super) fn parse(bytes: &'d Bytes) -> Result<Self, GateError> {
        let path = bytes.path.as_path();
        let file = ElfFile64::parse(bytes.get()).map_err(|source| GateError::Elf {
            path: path.to_owned(),
            source,
        })?;
        Ok(Self { path, file })
    }

    pub(super) fn is_object(&self) -> bool {
        self.file.kind() == object::ObjectKind::Relocatable
    }

    fn error(&self, source: object::Error) -> GateError {
        GateError::Elf {
            path: self.path.to_owned(),
            source,
        }
    }

    pub(super) fn section(&self, name: &'static str) -> Result<Option<Section<'d>>, GateError> {
        let Some(section) = self.file.section_by_name(name) else {
            return Ok(None);
        };
        let range = section.compressed_file_range().map_err(|e| self.error(e))?;
        if range.format != object::CompressionFormat::None {
            return Err(GateError::Compressed {
                path: self.path.to_owned(),
                name,
            });
        }
        let outside = || GateError::Section {
            path: self.path.to_owned(),
            name,
        };
        let data = section.data().map_err(|e| self.error(e))?;
        // Names are 32-bit places in the file.
        u32::try_from(range.offset + data.len() as u64).map_err(|_| outside())?;
        let at = u32::try_from(range.offset).map_err(|_| outside())?;
        Ok(Some(Section { data, at }))
    }

    /// `.debug_info` as a linker at address 0 would leave it.
    pub(super) fn debug_info(&self) -> Result<(Section<'d>, Cow<'d, [u8]>), GateError> {
        let missing = || GateError::NoDebugInfo {
            path: self.path.to_owned(),
        };
        let section = self.section(".debug_info")?.ok_or_else(missing)?;
        if !self.is_object() {
            return Ok((section, Cow::Borrowed(section.data)));
        }
        let mut data = section.data.to_vec();
        let entry = self
            .file
            .section_by_name(".debug_info")
            .ok_or_else(missing)?;
        let relocations = entry.elf_linked_rela().map_err(|e| self.error(e))?;
        let symbols = self.file.elf_symbol_table();
        for relocation in relocations {
            let offset = relocation.r_offset.get(ENDIAN);
            let kind = relocation.r_type(ENDIAN, false);
            let unknown = || GateError::Relocation {
                path: self.path.to_owned(),
                offset,
                kind: kind.0,
            };
            let width = self.width(kind).ok_or_else(unknown)?;
            let symbol = SymbolIndex(relocation.r_sym(ENDIAN, false) as usize);
            let symbol = symbols.symbol(symbol).map_err(|e| self.error(e))?;
            let value = symbol
                .st_value
                .get(ENDIAN)
                .wrapping_add_signed(relocation.r_addend.get(ENDIAN));
            let place = usize::try_from(offset).ok();
            let place = place.and_then(|at| data.get_mut(at..at.checked_add(width)?));
            place
                .ok_or_else(unknown)?
                .copy_from_slice(&value.to_le_bytes()[..width]);
        }
        Ok((section, Cow::Owned(data)))
    }

    /// How many bytes a relocation of debug information writes.
    fn width(&self, kind: elf::RelocationType) -> Option<usize> {
        match self.file.architecture() {
            object::Architecture::X86_64 => match kind {
                elf::R_X86_64_32 => Some(4),
                elf::R_X86_64_64 | elf::R_X86_64_DTPOFF64 => Some(8),
                elf::R_X86_64_DTPOFF32 => Some(4),
                _ => None,
            },
            object::Architecture::Aarch64 => match kind {
                elf::R_AARCH64_ABS32 => Some(4),
                elf::R_AARCH64_ABS64 | elf::R_AARCH64_TLS_DTPREL => Some(8),
                _ => None,
            },
            _ => None,
        }
    }

    pub(super) fn defines(&self, name: &str) -> bool {
        self.file
            .symbols()
            .any(|symbol| symbol.is_definition() && symbol.name_bytes() == Ok(name.as_bytes()))
    }

    /// The names of the functions that a table of `count` words holds, whose
    /// address is written at `operand` of `.debug_info`. None where a word is
    /// no address of a symbol; `None` if the table cannot be found.
    pub(super) fn slots(&'d self, operand: u64, count: u64) -> Option<Vec<Option<&'d [u8]>>> {
        if count > LONGEST {
            return None;
        }
        let place = self.place(operand)?;
        (0..count)
            .map(|slot| self.slot(&place, slot * WORD))
            .collect()
    }

    /// Whether there is a function in the first slot of such a table.
    pub(super) fn is_filled(&'d self, operand: u64) -> Option<bool> {
        match self.place(operand)? {
            Place::In(section, at) => Some(linked(&section, at).is_some()),
            Place::Address(at) => {
                let mut relocations = self.file.dynamic_relocations()?;
                let is_written = relocations.any(|(written, _)| written == at);
                Some(is_written || self.word(at)? != 0)
            }
        }
    }

    fn place(&'d self, operand: u64) -> Option<Place<'d>> {
        let info = self.file.section_by_name(".debug_info")?;
        if !self.is_object() {
            let at = usize::try_from(operand).ok()?;
            let bytes = info.data().ok()?.get(at..at.checked_add(WORD as usize)?)?;
            return Some(Place::Address(u64::from_le_bytes(bytes.try_into().ok()?)));
        }
        let relocation = linked(&info, operand)?;
        let index = SymbolIndex(relocation.r_sym(ENDIAN, false) as usize);
        let symbol = self.file.symbol_by_index(index).ok()?;
        let section = self.file.section_by_index(symbol.section_index()?).ok()?;
        let at = symbol
            .address()
            .wrapping_add_signed(relocation.r_addend.get(ENDIAN));
        Some(Place::In(section, at))
    }

    fn slot(&'d self, place: &Place<'d>, offset: u64) -> Option<Option<&'d [u8]>> {
        match place {
            Place::In(section, at) => {
                let Some(relocation) = linked(section, at.wrapping_add(offset)) else {
                    return Some(None);
                };
                let index = SymbolIndex(relocation.r_sym(ENDIAN, false) as usize);
                let symbol = self.file.symbol_by_index(index).ok()?;
                if symbol.kind() != object::SymbolKind::Section {
                    return Some(symbol.name_bytes().ok());
                }
                // A local function, as its section and offset.
                let within = symbol.section_index()?;
                let at = relocation.r_addend.get(ENDIAN) as u64;
                Some(self.function(|s| s.section_index() == Some(within) && s.address() == at))
            }
            Place::Address(at) => {
                let at = at.wrapping_add(offset);
                if let Some(name) = self.bound(at) {
                    return Some(Some(name));
                }
                let at = self.word(at)?;
                Some(self.function(|symbol| symbol.address() == at))
            }
        }
    }

    /// The symbol whose address the dynamic linker writes there.
    fn bound(&self, address: u64) -> Option<&'d [u8]> {
        let mut relocations = self.file.dynamic_relocations()?;
        let (_, relocation) = relocations.find(|(at, _)| *at == address)?;
        let object::RelocationTarget::Symbol(index) = relocation.target() else {
            return None;
        };
        let table = self.file.elf_dynamic_symbol_table();
        let symbol = table.symbol(index).ok()?;
        table.symbol_name(ENDIAN, symbol).ok()
    }

    fn function(
        &'d self,
        is: impl Fn(&object::read::elf::ElfSymbol64<'d, 'd, LittleEndian>) -> bool,
    ) -> Option<&'d [u8]> {
        self.file
            .symbols()
            .find(|symbol| {
                symbol.kind() == object::SymbolKind::Text && symbol.is_definition() && is(symbol)
            })
            .and_then(|symbol| symbol.name_bytes().ok())
    }

    /// The word at an address once the dynamic linker was there.
    fn word(&self, address: u64) -> Option<u64> {
        if let Some(mut relocations) = self.file.dynamic_relocations()
            && let Some((_, relocation)) = relocations.find(|(at, _)| *at == address)
        {
            return Some(relocation.addend() as u64);
        }
        // A word that nobody writes is as it is in the file.
        let mut sections = self.file.sections();
        let bytes = sections.find_map(|s| s.data_range(address, WORD).ok().flatten())?;
        Some(u64::from_le_bytes(bytes.try_into().ok()?))
    }
}

fn linked<'d>(
    section: &object::read::elf::ElfSection64<'d, 'd, LittleEndian>,
    at: u64,
) -> Option<&'d object::elf::Rela64<LittleEndian>> {
    let relocations = section.elf_linked_rela().ok()?;
    relocations.iter().find(|r| r.r_offset.get(ENDIAN) == at)
}
