//! Thread-locals that do not begin as zero.
//!
//! The agent's reserve is zero in every thread, and nobody can write to that of a thread
//! that just begins. The dynamic linker can give thread-locals to all threads at once: those
//! of a library that says that they are at a fixed distance from the thread pointer. So
//! their first values become a library with nothing else in it. glibc has some 1,500
//! bytes for such libraries; when they are used up, it says so.

use super::apply::{Resolver, fill};
use super::file::header;
use super::layout::Layout;
use super::plan::Plan;
use crate::run::machine::Machine;
use crate::run::process::Agent;
use midair::reload::protocol::THREADS_AT;
use object::elf;
use object::pod::bytes_of;
use object::{LittleEndian as Le, U32, U64};
use std::path::Path;

/// The file's and the segments' headers, and where the distance is written.
const HEAD: u64 = THREADS_AT + 8;
/// An empty symbol, a hash table of one bucket, no names.
const TABLES: u64 = 24 + 16 + 8;
const RELOCATION: u64 = 24;
const DYNAMIC: u64 = 16 * 10;
const PAGE: u64 = 0x1_0000;

/// The library.
pub(super) fn file(
    machine: Machine,
    plan: &Plan,
    layout: &Layout,
    resolver: &Resolver<'_>,
) -> Result<Vec<u8>, String> {
    let with_values = || {
        let pieces = plan.pieces.iter().enumerate();
        pieces.filter(|(_, piece)| piece.has_first_value())
    };
    let aligns = with_values().map(|(_, piece)| piece.object.sections[piece.section].align);
    let align = aligns.max().unwrap_or(1);
    let (tables, relocation) = (HEAD, HEAD + TABLES);
    let dynamic = relocation + RELOCATION;
    let data = (dynamic + DYNAMIC).next_multiple_of(align);
    let len = data + layout.thread_data;
    let mut bytes = vec![0; len as usize];
    let segment = |kind, flags, at: u64, len: u64, align: u64| elf::ProgramHeader64 {
        p_type: U32::new(Le, kind),
        p_flags: U32::new(Le, flags),
        p_offset: U64::new(Le, at),
        p_vaddr: U64::new(Le, at),
        p_paddr: U64::new(Le, at),
        p_filesz: U64::new(Le, len),
        p_memsz: U64::new(Le, len),
        p_align: U64::new(Le, align),
    };
    let written = elf::PF_R | elf::PF_W;
    let segments = [
        segment(elf::PT_LOAD, written, 0, len, PAGE),
        segment(elf::PT_DYNAMIC, written, dynamic, DYNAMIC, 8),
        segment(elf::PT_TLS, elf::PF_R, data, layout.thread_data, align),
        segment(elf::PT_GNU_STACK, written, 0, 0, 16),
    ];
    for (number, segment) in segments.iter().enumerate() {
        put(&mut bytes, 64 + 56 * number as u64, bytes_of(segment));
    }
    let hash = [1_u32, 1, 0, 0].map(|n| U32::new(Le, n));
    put(&mut bytes, tables + 24, bytes_of(&hash));
    let distance = [THREADS_AT, machine.thread_distance().0.into(), 0];
    put(&mut bytes, relocation, &words(&distance));
    let entries = [
        (elf::DT_HASH, tables + 24),
        (elf::DT_SYMTAB, tables),
        (elf::DT_STRTAB, tables + 24 + 16),
        (elf::DT_STRSZ, 1),
        (elf::DT_SYMENT, 24),
        (elf::DT_RELA, relocation),
        (elf::DT_RELASZ, RELOCATION),
        (elf::DT_RELAENT, RELOCATION),
        (elf::DT_FLAGS, elf::DF_STATIC_TLS.0),
        (elf::DT_NULL, 0),
    ];
    let entries = entries.map(|(tag, value)| [tag.0 as u64, value]);
    put(&mut bytes, dynamic, &words(entries.as_flattened()));
    for (number, piece) in with_values() {
        let mut content = piece.object.content(piece.section).to_vec();
        let relocations = piece.object.relocations(piece.section);
        for (relocation, base) in relocations.zip(&plan.bases[number]) {
            fill(machine, &mut content, 0, &relocation, *base, resolver)
                .map_err(|why| format!("{}: {why}", piece.object.section_name(piece.section)))?;
        }
        put(&mut bytes, data + layout.pieces[number], &content);
    }
    put(
        &mut bytes,
        0,
        bytes_of(&header(machine, segments.len(), 0, 0)),
    );
    Ok(bytes)
}

/// Has the program load it; how far the data are from the thread pointer.
pub(super) fn give(agent: &mut Agent, path: &Path, bytes: &[u8]) -> Result<i64, String> {
    std::fs::write(path, bytes).map_err(|e| format!("{}: {e}", path.display()))?;
    let file = path
        .to_str()
        .ok_or("the target folder's name is not UTF-8")?;
    agent.thread_data(file)
}

fn put(bytes: &mut [u8], at: u64, content: &[u8]) {
    let at = at as usize;
    bytes[at..at + content.len()].copy_from_slice(content);
}

fn words(words: &[u64]) -> Vec<u8> {
    words.iter().copied().flat_map(u64::to_le_bytes).collect()
}
