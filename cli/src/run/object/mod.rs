//! One compiled unit, as rustc leaves it: an ELF object with a section for each
//! function and each constant.
//!
//! - [`Object`]: its sections, symbols and relocations, read from mapped bytes
//!   that outlive the file.
//! - [`reference`]: what a relocation means, beyond the symbol that it names.
//! - [`meaning`]: what a section says, whatever its private data are called.

pub(crate) mod meaning;
pub(crate) mod reference;

use crate::run::machine::Machine;
use memmap2::Mmap;
use object::LittleEndian as Le;
use object::elf;
use object::read::elf::{FileHeader as _, Rela as _, SectionHeader as _, Sym as _};
use std::collections::HashMap;
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, OnceLock};

/// What a section is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    /// Code.
    Text,
    /// What does not change once it is relocated.
    Constant,
    /// What the program changes.
    Data,
    /// The same, all zero.
    Zeroed,
    /// A thread-local's first value.
    ThreadLocal,
    /// The same, all zero.
    ThreadZeroed,
    /// Everything else: debug information, frames, tables.
    Other,
}

pub(crate) struct Section {
    name: Range<usize>,
    pub(crate) kind: Kind,
    bytes: Range<usize>,
    pub(crate) size: u64,
    pub(crate) align: u64,
    /// Pieces of this many bytes that the linker merges, or strings.
    pub(crate) merged: Option<Merged>,
    relocations: Range<usize>,
    /// Symbols with names that stand in it, by their value.
    pub(crate) named: Vec<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Merged {
    Pieces(u64),
    Strings,
}

pub(crate) struct Symbol {
    name: Range<usize>,
    pub(crate) section: Option<usize>,
    pub(crate) value: u64,
    pub(crate) size: u64,
    /// Only its own object knows it.
    pub(crate) is_local: bool,
    /// It may be missing.
    pub(crate) is_weak: bool,
    /// It stands for its section, or for a place that has no name outside.
    pub(crate) is_private: bool,
    pub(crate) is_function: bool,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Relocation {
    pub(crate) offset: u64,
    pub(crate) kind: elf::RelocationType,
    pub(crate) symbol: usize,
    pub(crate) addend: i64,
}

/// An object and the bytes that it was read from.
pub(crate) struct Object {
    bytes: Arc<Mmap>,
    range: Range<usize>,
    pub(crate) machine: Machine,
    /// What the linker calls the file that local symbols are from.
    pub(crate) file: String,
    /// Of the program itself, not of a library that it uses.
    pub(crate) is_own: bool,
    pub(crate) sections: Vec<Section>,
    pub(crate) symbols: Vec<Symbol>,
    /// What others may refer to, by name; made when it is asked for first.
    defined: OnceLock<HashMap<Box<str>, usize>>,
}

impl Object {
    pub(crate) fn open(path: &Path) -> Result<Self, String> {
        let file = std::fs::File::open(path).map_err(|e| format!("{}: {e}", path.display()))?;
        // SAFETY: rustc writes a unit into a new file and never into this one.
        let bytes = unsafe { Mmap::map(&file) }.map_err(|e| format!("{}: {e}", path.display()))?;
        let len = bytes.len();
        Self::parse(Arc::new(bytes), 0..len, true).map_err(|e| format!("{}: {e}", path.display()))
    }

    pub(crate) fn parse(
        bytes: Arc<Mmap>,
        range: Range<usize>,
        is_own: bool,
    ) -> Result<Self, String> {
        let text = |e: object::Error| e.to_string();
        let data = bytes.get(range.clone()).ok_or("it is cut short")?;
        let header = elf::FileHeader64::<Le>::parse(data).map_err(text)?;
        let machine = Machine::of(header.e_machine(Le))?;
        let table = header.sections(Le, data).map_err(text)?;
        let symtab = table.symbols(Le, data, elf::SHT_SYMTAB).map_err(text)?;
        let within = |part: &[u8]| {
            let start = part.as_ptr() as usize - data.as_ptr() as usize;
            start..start + part.len()
        };
        let mut sections = Vec::with_capacity(table.len());
        for (index, section) in table.enumerate() {
            // The first entry of the table stands for no section.
            while sections.len() < index.0 {
                sections.push(Section::none());
            }
            let name = table.section_name(Le, section).map_err(text)?;
            let content = section.data(Le, data).map_err(text)?;
            sections.push(Section {
                name: within(name),
                kind: kind(section.sh_type(Le), section.sh_flags(Le), name),
                bytes: if content.is_empty() {
                    0..0
                } else {
                    within(content)
                },
                size: section.sh_size(Le),
                align: section.sh_addralign(Le).max(1),
                merged: merged(section.sh_flags(Le), section.sh_entsize(Le)),
                relocations: 0..0,
                named: Vec::new(),
            });
        }
        for (_, section) in table.enumerate() {
            if section.sh_type(Le) == elf::SHT_RELA {
                let target = section.sh_info(Le) as usize;
                let content = section.data(Le, data).map_err(text)?;
                if let Some(target) = sections.get_mut(target) {
                    target.relocations = within(content);
                }
            }
        }
        let mut symbols = Vec::with_capacity(symtab.len() + 1);
        let mut file = String::new();
        for (index, symbol) in symtab.enumerate() {
            // The table's first entry is not listed, but counted.
            while symbols.len() < index.0 {
                symbols.push(Symbol::none());
            }
            let name = symbol.name(Le, symtab.strings()).map_err(text)?;
            if symbol.st_type() == elf::STT_FILE && file.is_empty() {
                file = String::from_utf8_lossy(name).into_owned();
            }
            let section = symtab.symbol_section(Le, symbol, index).map_err(text)?;
            let section = section.map(|index| index.0);
            let is_private = symbol.st_type() == elf::STT_SECTION
                // Exception tables are numbered anew with every edit.
                || (section.is_some()
                    && (name.starts_with(b".L")
                        || name.starts_with(b"GCC_except_table")
                        || is_mapping_symbol(name)));
            let defined = sections.get_mut(section.unwrap_or(usize::MAX));
            if let Some(defined) = defined.filter(|_| !is_private && !name.is_empty()) {
                defined.named.push(index.0);
            }
            symbols.push(Symbol {
                name: within(name),
                section,
                value: symbol.st_value(Le),
                size: symbol.st_size(Le),
                is_local: symbol.st_bind() == elf::STB_LOCAL,
                is_weak: symbol.st_bind() == elf::STB_WEAK,
                is_private,
                is_function: symbol.st_type() == elf::STT_FUNC,
            });
        }
        Ok(Self {
            bytes: Arc::clone(&bytes),
            range,
            machine,
            file,
            is_own,
            sections,
            symbols,
            defined: OnceLock::new(),
        })
    }

    /// The symbol of this name that others may refer to.
    pub(crate) fn defined(&self, name: &str) -> Option<usize> {
        let index = self.defined.get_or_init(|| {
            let is_defined = |symbol: &usize| {
                let found = &self.symbols[*symbol];
                found.section.is_some() && !found.is_local
            };
            let all = (0..self.symbols.len()).rev().filter(is_defined);
            all.map(|symbol| (self.symbol_name(symbol).into(), symbol))
                .collect()
        });
        index.get(name).copied()
    }

    /// The same bytes, for who reads their debug information.
    pub(crate) fn mapping(&self) -> Arc<Mmap> {
        Arc::clone(&self.bytes)
    }

    /// The whole file.
    pub(crate) fn data(&self) -> &[u8] {
        &self.bytes[self.range.clone()]
    }

    pub(crate) fn section_name(&self, section: usize) -> &str {
        str::from_utf8(&self.data()[self.sections[section].name.clone()]).unwrap_or_default()
    }

    pub(crate) fn symbol_name(&self, symbol: usize) -> &str {
        str::from_utf8(&self.data()[self.symbols[symbol].name.clone()]).unwrap_or_default()
    }

    /// A section's bytes; none of them if they are all zero and not in the file.
    pub(crate) fn content(&self, section: usize) -> &[u8] {
        &self.data()[self.sections[section].bytes.clone()]
    }

    pub(crate) fn relocations(&self, section: usize) -> impl Iterator<Item = Relocation> + '_ {
        let bytes = &self.data()[self.sections[section].relocations.clone()];
        let count = bytes.len() / size_of::<elf::Rela64<Le>>();
        let entries = object::pod::slice_from_bytes::<elf::Rela64<Le>>(bytes, count);
        let entries = entries.map(|(entries, _)| entries).unwrap_or_default();
        entries.iter().map(|entry| Relocation {
            offset: entry.r_offset(Le),
            kind: entry.r_type(Le, false),
            symbol: entry.r_sym(Le, false) as usize,
            addend: entry.r_addend(Le),
        })
    }

    /// The section of this name, if there is one.
    pub(crate) fn section_called(&self, name: &str) -> Option<usize> {
        (1..self.sections.len()).find(|section| self.section_name(*section) == name)
    }
}

/// Whether it says no more than where code (`$x`) or data (`$d`) begins, as symbols
/// on aarch64 do.
pub(crate) fn is_mapping_symbol(name: &[u8]) -> bool {
    let rest = name
        .strip_prefix(b"$x")
        .or_else(|| name.strip_prefix(b"$d"));
    rest.is_some_and(|rest| rest.is_empty() || rest[0] == b'.')
}

impl Section {
    fn none() -> Self {
        Self {
            name: 0..0,
            kind: Kind::Other,
            bytes: 0..0,
            size: 0,
            align: 1,
            merged: None,
            relocations: 0..0,
            named: Vec::new(),
        }
    }
}

impl Symbol {
    fn none() -> Self {
        Self {
            name: 0..0,
            section: None,
            value: 0,
            size: 0,
            is_local: true,
            is_weak: true,
            is_private: false,
            is_function: false,
        }
    }
}

fn kind(section_type: elf::SectionType, flags: elf::SectionFlags, name: &[u8]) -> Kind {
    let has = |flag| flags.contains(flag);
    if !has(elf::SHF_ALLOC)
        || name == b".eh_frame"
        || section_type == elf::SHT_X86_64_UNWIND
        || section_type == elf::SHT_NOTE
    {
        return Kind::Other;
    }
    let is_zero = section_type == elf::SHT_NOBITS;
    if has(elf::SHF_EXECINSTR) {
        Kind::Text
    } else if has(elf::SHF_TLS) {
        if is_zero {
            Kind::ThreadZeroed
        } else {
            Kind::ThreadLocal
        }
    } else if !has(elf::SHF_WRITE) || name.starts_with(b".data.rel.ro") {
        Kind::Constant
    } else if is_zero {
        Kind::Zeroed
    } else {
        Kind::Data
    }
}

fn merged(flags: elf::SectionFlags, entry: u64) -> Option<Merged> {
    let has = |flag| flags.contains(flag);
    if !has(elf::SHF_MERGE) {
        None
    } else if has(elf::SHF_STRINGS) {
        Some(Merged::Strings)
    } else {
        Some(Merged::Pieces(entry.max(1)))
    }
}
