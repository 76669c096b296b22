//! The ELF header, the program headers and the section headers.
//!
//! goblin reads the raw structures; only the fields that midair uses are kept.
//! Program headers must be readable, for the loader needs them too. Section
//! headers may be missing (stripped) or nonsense: that is a [`Problem`], and
//! the file is treated as one without them.

use std::path::Path;

use goblin::container::{Container, Ctx, Endian};
use goblin::elf::header::{EI_CLASS, EI_DATA, ELFCLASS64, ELFDATA2LSB, ELFMAG};
use goblin::elf::header::{EM_AARCH64, EM_X86_64, ET_DYN, ET_EXEC};
use goblin::elf::{Elf, ProgramHeader, SectionHeader, program_header};
use goblin::elf::{section_header, section_header::SHN_XINDEX};

use super::error::ImageError;
use super::problem::Problem;
use super::{fields, image::Machine};

/// A program header.
#[derive(Clone, Debug)]
pub(super) struct Segment {
    pub(super) kind: u32,
    pub(super) executable: bool,
    pub(super) offset: u64,
    pub(super) address: u64,
    pub(super) file_size: u64,
    pub(super) memory_size: u64,
}

impl Segment {
    /// The end of the part that is in the file.
    pub(super) fn file_end(&self) -> u64 {
        self.address.saturating_add(self.file_size)
    }
}

/// A section header, with its name looked up.
#[derive(Clone, Debug)]
pub(super) struct Section {
    pub(super) name: Vec<u8>,
    pub(super) kind: u32,
    pub(super) flags: u64,
    pub(super) address: u64,
    pub(super) offset: u64,
    pub(super) size: u64,
    pub(super) link: u32,
}

impl Section {
    /// Code that the loader maps.
    pub(super) fn is_code(&self) -> bool {
        let wanted = u64::from(section_header::SHF_ALLOC | section_header::SHF_EXECINSTR);
        self.flags & wanted == wanted && self.kind == section_header::SHT_PROGBITS
    }

    /// Its bytes; none if it has none in the file or they are out of it.
    pub(super) fn bytes<'a>(&self, data: &'a [u8]) -> Option<&'a [u8]> {
        if self.kind == section_header::SHT_NOBITS {
            return None;
        }
        fields::slice(data, self.offset, self.size)
    }
}

/// All headers of one file.
#[derive(Debug)]
pub(super) struct Headers {
    pub(super) machine: Machine,
    pub(super) position_independent: bool,
    pub(super) segments: Vec<Segment>,
    pub(super) sections: Vec<Section>,
    pub(super) problem: Option<Problem>,
}

const CONTEXT: Ctx = Ctx {
    container: Container::Big,
    le: Endian::Little,
};

impl Headers {
    pub(super) fn parse(path: &Path, data: &[u8]) -> Result<Headers, ImageError> {
        let path = || path.to_path_buf();
        let ident = data.get(..16).filter(|ident| ident.starts_with(ELFMAG));
        let Some(ident) = ident else {
            return Err(ImageError::NotElf { path: path() });
        };
        if ident[EI_CLASS] != ELFCLASS64 || ident[EI_DATA] != ELFDATA2LSB {
            return Err(ImageError::UnsupportedClass {
                path: path(),
                class: ident[EI_CLASS],
                data: ident[EI_DATA],
            });
        }
        let header = Elf::parse_header(data).map_err(|_| ImageError::Malformed {
            path: path(),
            part: "the ELF header",
            offset: 0,
        })?;
        let machine = match header.e_machine {
            EM_X86_64 => Machine::X86_64,
            EM_AARCH64 => Machine::Aarch64,
            machine => {
                return Err(ImageError::UnsupportedMachine {
                    path: path(),
                    machine,
                });
            }
        };
        let position_independent = match header.e_type {
            ET_DYN => true,
            ET_EXEC => false,
            kind => {
                return Err(ImageError::UnsupportedType { path: path(), kind });
            }
        };
        let segments = segments(data, header.e_phoff, usize::from(header.e_phnum));
        let segments = segments.ok_or_else(|| ImageError::Malformed {
            path: path(),
            part: "the program headers",
            offset: header.e_phoff,
        })?;
        let count = usize::from(header.e_shnum);
        let sections = sections(data, header.e_shoff, count, header.e_shstrndx);
        let problem = sections.is_none().then_some(Problem::SectionHeaders {
            offset: header.e_shoff,
            count: u64::from(header.e_shnum),
        });
        Ok(Headers {
            machine,
            position_independent,
            segments,
            sections: sections.unwrap_or_default(),
            problem,
        })
    }

    /// The first section of that name.
    pub(super) fn section(&self, name: &str) -> Option<&Section> {
        let name = name.as_bytes();
        self.sections.iter().find(|section| section.name == name)
    }

    /// The first section of that kind.
    pub(super) fn section_of_kind(&self, kind: u32) -> Option<&Section> {
        self.sections.iter().find(|section| section.kind == kind)
    }
}

fn segments(data: &[u8], offset: u64, count: usize) -> Option<Vec<Segment>> {
    let offset = usize::try_from(offset).ok()?;
    let raw = ProgramHeader::parse(data, offset, count, CONTEXT).ok()?;
    let segment = |header: ProgramHeader| Segment {
        kind: header.p_type,
        executable: header.p_flags & program_header::PF_X != 0,
        offset: header.p_offset,
        address: header.p_vaddr,
        file_size: header.p_filesz,
        memory_size: header.p_memsz,
    };
    Some(raw.into_iter().map(segment).collect())
}

fn sections(data: &[u8], offset: u64, count: usize, names: u16) -> Option<Vec<Section>> {
    if offset == 0 {
        return Some(Vec::new());
    }
    // A table that starts outside the file is no table; goblin would read it
    // with unchecked sums otherwise.
    fields::slice(data, offset, 64)?;
    let offset = usize::try_from(offset).ok()?;
    let raw = SectionHeader::parse(data, offset, count, CONTEXT).ok()?;
    let names_index = if u32::from(names) == SHN_XINDEX {
        usize::try_from(raw.first()?.sh_link).ok()?
    } else {
        usize::from(names)
    };
    let names = raw
        .get(names_index)
        .and_then(|section| fields::slice(data, section.sh_offset, section.sh_size))
        .unwrap_or_default();
    let section = |header: &SectionHeader| Section {
        name: fields::c_string(names, header.sh_name).map_or_else(Vec::new, <[u8]>::to_vec),
        kind: header.sh_type,
        flags: header.sh_flags,
        address: header.sh_addr,
        offset: header.sh_offset,
        size: header.sh_size,
        link: header.sh_link,
    };
    Some(raw.iter().map(section).collect())
}
