//! The raw symbol tables: `.symtab` (the file's own or its debug file's) and
//! `.dynsym`, entry by entry.
//!
//! No name is read before it is asked for. Where section headers are stripped,
//! `.dynsym` is found as the dynamic linker finds it, through `PT_DYNAMIC`, and
//! its length through the hash table.

use goblin::elf::dynamic::{DT_GNU_HASH, DT_HASH, DT_STRSZ, DT_STRTAB, DT_SYMTAB};
use goblin::elf::dynamic::{DT_VERDEF, DT_VERSYM};
use goblin::elf::program_header::PT_DYNAMIC;
use goblin::elf::section_header::{SHT_DYNSYM, SHT_SYMTAB};
use goblin::elf::section_header::{SHT_GNU_VERDEF, SHT_GNU_VERSYM};
use goblin::elf::sym::{STB_LOCAL, STB_WEAK, STT_FUNC, STT_GNU_IFUNC, STT_NOTYPE, STT_OBJECT};

use super::address::FileAddress;
use super::fields;
use super::image::{Image, Machine};
use super::symbol::SymbolBinding;
use super::versions::Versions;

const ENTRY: usize = 24;
const SHN_UNDEF: u16 = 0;
const SHN_ABS: u16 = 0xfff1;
const SHN_COMMON: u16 = 0xfff2;

/// What a symbol stands for, as far as code is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RawKind {
    Function,
    IndirectFunction,
    /// No type: a label of hand-written assembly.
    Label,
    /// Data between the functions.
    Data,
}

/// One defined symbol that concerns code.
#[derive(Clone, Copy, Debug)]
pub(super) struct RawSymbol {
    pub(super) name: u32,
    pub(super) kind: RawKind,
    pub(super) binding: SymbolBinding,
    pub(super) address: u64,
    pub(super) size: u64,
}

/// A symbol table and the strings that belong to it.
#[derive(Clone, Debug)]
pub(super) struct SymbolTable<'a> {
    entries: &'a [u8],
    pub(super) strings: &'a [u8],
    pub(super) versions: Option<Versions<'a>>,
    /// Whether it is `.dynsym`.
    pub(super) is_dynamic: bool,
    machine: Machine,
}

impl<'a> SymbolTable<'a> {
    /// The tables of `image` in the order of preference: the full one (its
    /// own, or the debug file's), then the dynamic one. The order is always the
    /// same, so that an index into it can be kept.
    pub(super) fn all(image: &'a Image) -> Vec<SymbolTable<'a>> {
        let full = SymbolTable::full(image);
        let full = full.or_else(|| SymbolTable::full(image.debug_image()?));
        full.into_iter()
            .chain(SymbolTable::dynamic(image))
            .collect()
    }

    /// The `.symtab` that is in this very file.
    pub(super) fn full(image: &'a Image) -> Option<SymbolTable<'a>> {
        SymbolTable::in_section(image, SHT_SYMTAB)
    }

    fn dynamic(image: &'a Image) -> Option<SymbolTable<'a>> {
        let mut table = if image.headers().section_of_kind(SHT_DYNSYM).is_some() {
            let mut table = SymbolTable::in_section(image, SHT_DYNSYM)?;
            table.versions = versions_in_sections(image);
            table
        } else {
            table_in_segment(image)?
        };
        if let Some(versions) = &mut table.versions {
            versions.strings = table.strings;
        }
        Some(table)
    }

    fn in_section(image: &'a Image, kind: u32) -> Option<SymbolTable<'a>> {
        let headers = image.headers();
        let section = headers.section_of_kind(kind)?;
        let strings = headers.sections.get(usize::try_from(section.link).ok()?)?;
        Some(SymbolTable {
            entries: section.bytes(image.data())?,
            strings: strings.bytes(image.data())?,
            versions: None,
            is_dynamic: kind == SHT_DYNSYM,
            machine: image.machine(),
        })
    }

    /// Every entry that stands for something in memory, with its number.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, RawSymbol)> {
        let entries = self.entries.chunks_exact(ENTRY).enumerate();
        entries.filter_map(|(number, entry)| {
            let symbol = self.symbol(entry)?;
            Some((u32::try_from(number).ok()?, symbol))
        })
    }

    /// The entry with that number.
    pub(super) fn get(&self, number: u32) -> Option<RawSymbol> {
        let start = usize::try_from(number).ok()?.checked_mul(ENTRY)?;
        self.symbol(self.entries.get(start..start.checked_add(ENTRY)?)?)
    }

    fn symbol(&self, entry: &[u8]) -> Option<RawSymbol> {
        let section = fields::u16_at(entry, 6)?;
        if matches!(section, SHN_UNDEF | SHN_ABS | SHN_COMMON) {
            return None;
        }
        let info = *entry.get(4)?;
        let kind = match info & 0xf {
            STT_FUNC => RawKind::Function,
            STT_GNU_IFUNC => RawKind::IndirectFunction,
            STT_NOTYPE => RawKind::Label,
            STT_OBJECT => RawKind::Data,
            _ => return None,
        };
        let binding = match info >> 4 {
            STB_LOCAL => SymbolBinding::Local,
            STB_WEAK => SymbolBinding::Weak,
            _ => SymbolBinding::Global,
        };
        let name = fields::u32_at(entry, 0)?;
        if kind == RawKind::Label && self.is_mapping_symbol(name) {
            return None;
        }
        Some(RawSymbol {
            name,
            kind,
            binding,
            address: fields::u64_at(entry, 8)?,
            size: fields::u64_at(entry, 16)?,
        })
    }

    /// `$x` and `$d` of aarch64 mark code and data; nobody jumps to them.
    fn is_mapping_symbol(&self, name: u32) -> bool {
        self.machine == Machine::Aarch64 && self.strings.get(name as usize) == Some(&b'$')
    }

    /// The name that begins at `offset` of the strings.
    pub(super) fn name(&self, offset: u32) -> &'a [u8] {
        fields::c_string(self.strings, offset as usize).unwrap_or_default()
    }
}

fn versions_in_sections(image: &Image) -> Option<Versions<'_>> {
    let headers = image.headers();
    let numbers = headers.section_of_kind(SHT_GNU_VERSYM)?;
    let definitions = headers.section_of_kind(SHT_GNU_VERDEF)?;
    Some(Versions {
        numbers: numbers.bytes(image.data())?,
        definitions: definitions.bytes(image.data())?,
        strings: &[],
    })
}

fn table_in_segment(image: &Image) -> Option<SymbolTable<'_>> {
    let segments = image.headers().segments.iter();
    let dynamic = segments.into_iter().find(|s| s.kind == PT_DYNAMIC)?;
    let dynamic = fields::slice(image.data(), dynamic.offset, dynamic.file_size)?;
    let value = |tag: u64| {
        let mut entries = dynamic.chunks_exact(16);
        let entry = entries.find(|entry| fields::u64_at(entry, 0) == Some(tag))?;
        fields::u64_at(entry, 8)
    };
    let at = |tag: u64| image.rest_of_segment(FileAddress(value(tag)?));
    let count = match at(DT_HASH) {
        Some(hash) => u64::from(fields::u32_at(hash, 4)?),
        None => gnu_hash_count(at(DT_GNU_HASH)?)?,
    };
    let versions = at(DT_VERSYM).zip(at(DT_VERDEF));
    Some(SymbolTable {
        entries: fields::slice(at(DT_SYMTAB)?, 0, count.checked_mul(ENTRY as u64)?)?,
        strings: fields::slice(at(DT_STRTAB)?, 0, value(DT_STRSZ)?)?,
        versions: versions.map(|(numbers, definitions)| Versions {
            numbers,
            definitions,
            strings: &[],
        }),
        is_dynamic: true,
        machine: image.machine(),
    })
}

/// How many symbols the table has: one more than the end of the chain of the
/// highest bucket.
fn gnu_hash_count(hash: &[u8]) -> Option<u64> {
    let bucket_count = fields::u32_at(hash, 0)? as usize;
    let first = fields::u32_at(hash, 4)?;
    let bloom = fields::u32_at(hash, 8)? as usize;
    let buckets = bloom.checked_mul(8)?.checked_add(16)?;
    let chains = bucket_count.checked_mul(4)?.checked_add(buckets)?;
    let highest = hash.get(buckets..chains)?.chunks_exact(4);
    let highest = highest.filter_map(|b| fields::u32_at(b, 0)).max()?;
    if highest < first {
        return Some(u64::from(first));
    }
    let mut number = highest;
    loop {
        let chain = (number.checked_sub(first)? as usize).checked_mul(4)?;
        let value = fields::u32_at(hash, chain.checked_add(chains)?)?;
        number = number.checked_add(1)?;
        if value & 1 != 0 {
            return Some(u64::from(number));
        }
    }
}
