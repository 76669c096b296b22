//! An image as an ELF file: a shared library without imports and exports, linked
//! to its address, with symbols and debug information.
//!
//! What the dynamic linker reads (segments and the dynamic section) has the
//! addresses in memory, for it takes the first one for where to put the file. All
//! else counts from the start of the image, as in any library; the agent changes
//! the segments to that once the file is loaded.

use super::apply::{Resolver, fill};
use super::debug::Sections;
use super::frames::Frames;
use super::layout::{DYNAMIC, HEAD, Layout};
use super::plan::Plan;
use crate::run::machine::Machine;
use object::elf;
use object::pod::bytes_of;
use object::{LittleEndian as Le, U16, U32, U64};

const NONE: elf::SectionFlags = elf::SectionFlags(0);

/// The whole file, to be loaded at `at`.
pub(crate) fn write(
    machine: Machine,
    plan: &Plan,
    layout: &Layout,
    at: u64,
    resolver: &Resolver<'_>,
    mut frames: Frames,
    debug: &Sections,
) -> Result<Vec<u8>, String> {
    let mut bytes = vec![0; layout.zeroed as usize];
    for (number, piece) in plan.pieces.iter().enumerate() {
        if resolver.is_thread_local[number] {
            continue;
        }
        let mut content = piece.object.content(piece.section).to_vec();
        let address = resolver.pieces[number];
        let relocations = piece.object.relocations(piece.section);
        for (relocation, base) in relocations.zip(&plan.bases[number]) {
            let machine = piece.object.machine;
            fill(machine, &mut content, address, &relocation, *base, resolver)
                .map_err(|why| format!("{}: {why}", piece.object.section_name(piece.section)))?;
        }
        put(&mut bytes, layout.pieces[number], &content);
    }
    put(&mut bytes, layout.table, &resolver.table_bytes());
    for (number, entry) in plan.stubs.iter().enumerate() {
        let stub = layout.stubs + machine.stub_len() * number as u64;
        let slot = layout.table + 8 * *entry as u64;
        let code = machine.stub(at + stub, at + slot);
        let code = code.map_err(|_| "the table of addresses is out of reach of a stub")?;
        put(&mut bytes, stub, &code);
    }
    frames.relocate(at + layout.frames, resolver)?;
    put(&mut bytes, layout.frames, &frames.bytes);
    let table = frames.table(at + layout.frames_table, at + layout.frames, resolver);
    put(&mut bytes, layout.frames_table, &table);
    put(&mut bytes, HEAD - 24 - 16 - 8, &[0; 24 + 16 + 8]);
    // A hash table of one bucket and one symbol, the empty one.
    put(
        &mut bytes,
        HEAD - 16 - 8,
        bytes_of(&[1_u32, 1, 0, 0].map(|n| U32::new(Le, n))),
    );
    put(&mut bytes, layout.data.start, &dynamic(at));
    let segments = segments(layout, at, table.len() as u64);
    for (number, segment) in segments.iter().enumerate() {
        put(&mut bytes, 64 + 56 * number as u64, bytes_of(segment));
    }
    let mut sections = SectionTable::new();
    let text = sections.allocated(".text", layout.code.clone(), elf::SHF_EXECINSTR);
    let read = layout.table..layout.frames;
    sections.allocated(".rodata", read, NONE);
    let frames_end = layout.frames + frames.bytes.len() as u64;
    sections.allocated(".eh_frame", layout.frames..frames_end, NONE);
    sections.allocated(".eh_frame_hdr", layout.frames_table..layout.read.end, NONE);
    let data = layout.data.start + DYNAMIC..layout.zeroed;
    sections.allocated(".data", data, elf::SHF_WRITE);
    sections.dynamic(layout.data.start);
    let (symbols, strings) = symbols(plan, resolver, text);
    let symbols_at = append(&mut bytes, 8, &symbols);
    let strings_at = append(&mut bytes, 1, &strings);
    sections.symbols(symbols_at, symbols.len(), strings_at, strings.len());
    for (name, content) in debug {
        let at = append(&mut bytes, 8, content);
        sections.other(name, at, content.len());
    }
    let names = sections.names();
    let names_at = append(&mut bytes, 1, &names);
    sections.own_names(names_at, names.len());
    let headers_at = append(&mut bytes, 8, &[]);
    let count = sections.headers.len();
    sections
        .headers
        .iter()
        .for_each(|header| bytes.extend(bytes_of(header)));
    put(
        &mut bytes,
        0,
        bytes_of(&header(machine, segments.len(), headers_at, count)),
    );
    Ok(bytes)
}

fn put(bytes: &mut [u8], at: u64, content: &[u8]) {
    let at = at as usize;
    if !content.is_empty() {
        bytes[at..at + content.len()].copy_from_slice(content);
    }
}

fn append(bytes: &mut Vec<u8>, align: usize, content: &[u8]) -> u64 {
    bytes.resize(bytes.len().next_multiple_of(align), 0);
    let at = bytes.len() as u64;
    bytes.extend(content);
    at
}

/// What the dynamic linker insists on: empty tables.
fn dynamic(at: u64) -> Vec<u8> {
    let tables = at + HEAD - 24 - 16 - 8;
    let entries = [
        (elf::DT_HASH, tables + 24),
        (elf::DT_SYMTAB, tables),
        (elf::DT_STRTAB, tables + 24 + 16),
        (elf::DT_STRSZ, 1),
        (elf::DT_SYMENT, 24),
        (elf::DT_NULL, 0),
    ];
    let words = entries
        .iter()
        .flat_map(|(tag, value)| [tag.0 as u64, *value]);
    words.flat_map(u64::to_le_bytes).collect()
}

fn segments(layout: &Layout, at: u64, frames_table: u64) -> [elf::ProgramHeader64<Le>; 6] {
    let segment =
        |kind, flags, offset: u64, in_file: u64, in_memory: u64, align: u64| elf::ProgramHeader64 {
            p_type: U32::new(Le, kind),
            p_flags: U32::new(Le, flags),
            p_offset: U64::new(Le, offset),
            p_vaddr: U64::new(Le, at + offset),
            p_paddr: U64::new(Le, at + offset),
            p_filesz: U64::new(Le, in_file),
            p_memsz: U64::new(Le, in_memory),
            p_align: U64::new(Le, align),
        };
    let (read, code, data) = (&layout.read, &layout.code, &layout.data);
    let (read_len, code_len) = (read.end - read.start, code.end - code.start);
    let in_file = layout.zeroed - data.start;
    let in_memory = data.end - data.start;
    [
        segment(
            elf::PT_LOAD,
            elf::PF_R,
            read.start,
            read_len,
            read_len,
            layout.page,
        ),
        segment(
            elf::PT_LOAD,
            elf::PF_R | elf::PF_X,
            code.start,
            code_len,
            code_len,
            layout.page,
        ),
        segment(
            elf::PT_LOAD,
            elf::PF_R | elf::PF_W,
            data.start,
            in_file,
            in_memory,
            layout.page,
        ),
        segment(
            elf::PT_DYNAMIC,
            elf::PF_R | elf::PF_W,
            data.start,
            DYNAMIC,
            DYNAMIC,
            8,
        ),
        segment(
            elf::PT_GNU_EH_FRAME,
            elf::PF_R,
            layout.frames_table,
            frames_table,
            frames_table,
            4,
        ),
        segment(elf::PT_GNU_STACK, elf::PF_R | elf::PF_W, 0, 0, 0, 16),
    ]
}

/// The file's header; without sections if there are none of them.
pub(super) fn header(
    machine: Machine,
    segments: usize,
    sections_at: u64,
    sections: usize,
) -> elf::FileHeader64<Le> {
    elf::FileHeader64 {
        e_ident: elf::Ident {
            magic: elf::ELFMAG,
            class: elf::ELFCLASS64,
            data: elf::ELFDATA2LSB,
            version: elf::EV_CURRENT,
            os_abi: elf::ELFOSABI_NONE,
            abi_version: 0,
            padding: [0; 7],
        },
        e_type: U16::new(Le, elf::ET_DYN),
        e_machine: U16::new(Le, machine.elf()),
        e_version: U32::new(Le, 1),
        e_entry: U64::new(Le, 0),
        e_phoff: U64::new(Le, 64),
        e_shoff: U64::new(Le, sections_at),
        e_flags: U32::new(Le, elf::FileFlags(0)),
        e_ehsize: U16::new(Le, 64),
        e_phentsize: U16::new(Le, 56),
        e_phnum: U16::new(Le, segments as u16),
        e_shentsize: U16::new(Le, 64),
        e_shnum: U16::new(Le, sections as u16),
        e_shstrndx: U16::new(Le, elf::SymbolSection((sections as u16).saturating_sub(1))),
    }
}

/// The symbols of the image's functions and data, and their names.
fn symbols(plan: &Plan, resolver: &Resolver<'_>, text: u16) -> (Vec<u8>, Vec<u8>) {
    let mut symbols = vec![0; 24];
    let mut names = vec![0];
    for (number, piece) in plan.pieces.iter().enumerate() {
        if resolver.is_thread_local[number] {
            continue;
        }
        for symbol in &piece.object.sections[piece.section].named {
            let found = &piece.object.symbols[*symbol];
            let kind = if found.is_function {
                elf::STT_FUNC
            } else {
                elf::STT_OBJECT
            };
            let name = names.len() as u32;
            names.extend(piece.object.symbol_name(*symbol).as_bytes());
            names.push(0);
            let section = if found.is_function {
                elf::SymbolSection(text)
            } else {
                elf::SHN_ABS
            };
            symbols.extend(bytes_of(&elf::Sym64 {
                st_name: U32::new(Le, name),
                st_info: elf::SymbolInfo::new(elf::STB_LOCAL, kind),
                st_other: elf::STV_DEFAULT.into(),
                st_shndx: U16::new(Le, section),
                st_value: U64::new(Le, resolver.pieces[number] + found.value - resolver.start),
                st_size: U64::new(Le, found.size),
            }));
        }
    }
    (symbols, names)
}

struct SectionTable {
    headers: Vec<elf::SectionHeader64<Le>>,
    names: Vec<u8>,
}

impl SectionTable {
    fn new() -> Self {
        let mut table = Self {
            headers: Vec::new(),
            names: vec![0],
        };
        table.add("", elf::SHT_NULL, NONE, 0, 0, 0);
        table
    }

    fn add(
        &mut self,
        name: &str,
        kind: elf::SectionType,
        flags: elf::SectionFlags,
        address: u64,
        offset: u64,
        size: u64,
    ) -> u16 {
        let at = self.names.len() as u32;
        self.names.extend(name.as_bytes());
        self.names.push(0);
        self.headers.push(elf::SectionHeader64 {
            sh_name: U32::new(Le, at),
            sh_type: U32::new(Le, kind),
            sh_flags: U64::new(Le, flags),
            sh_addr: U64::new(Le, address),
            sh_offset: U64::new(Le, offset),
            sh_size: U64::new(Le, size),
            sh_link: U32::new(Le, 0),
            sh_info: U32::new(Le, 0),
            sh_addralign: U64::new(Le, 1),
            sh_entsize: U64::new(Le, 0),
        });
        self.headers.len() as u16 - 1
    }

    fn allocated(
        &mut self,
        name: &str,
        range: std::ops::Range<u64>,
        flags: elf::SectionFlags,
    ) -> u16 {
        let len = range.end - range.start;
        self.add(
            name,
            elf::SHT_PROGBITS,
            flags | elf::SHF_ALLOC,
            range.start,
            range.start,
            len,
        )
    }

    /// By this debuggers see where the image is, also before it is rebased.
    fn dynamic(&mut self, at: u64) {
        let flags = elf::SHF_ALLOC | elf::SHF_WRITE;
        self.add(".dynamic", elf::SHT_DYNAMIC, flags, at, at, DYNAMIC);
    }

    fn symbols(&mut self, at: u64, len: usize, strings_at: u64, strings_len: usize) {
        let symbols = self.add(".symtab", elf::SHT_SYMTAB, NONE, 0, at, len as u64);
        let strings = self.add(
            ".strtab",
            elf::SHT_STRTAB,
            NONE,
            0,
            strings_at,
            strings_len as u64,
        );
        let header = &mut self.headers[usize::from(symbols)];
        header.sh_link = U32::new(Le, u32::from(strings));
        header.sh_info = U32::new(Le, (len / 24) as u32);
        header.sh_entsize = U64::new(Le, 24);
        header.sh_addralign = U64::new(Le, 8);
    }

    fn other(&mut self, name: &str, at: u64, len: usize) {
        self.add(name, elf::SHT_PROGBITS, NONE, 0, at, len as u64);
    }

    /// All names, with that of the section that they will be in.
    fn names(&self) -> Vec<u8> {
        let mut names = self.names.clone();
        names.extend(b".shstrtab\0");
        names
    }

    fn own_names(&mut self, at: u64, len: usize) {
        self.add(".shstrtab", elf::SHT_STRTAB, NONE, 0, at, len as u64);
    }
}
