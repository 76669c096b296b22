//! What the dynamic linker says is loaded.
//!
//! Everything is copied while `dl_iterate_phdr` holds its lock, for a module
//! can be unloaded the moment it returns. Objects of other namespaces
//! (`dlmopen`) are not listed.

use std::ffi::{CStr, CString, c_int, c_void};
use std::mem::offset_of;
use std::ops::Range;

use libc::{dl_phdr_info, size_t};

use super::notes;

/// How many objects were ever loaded and unloaded; the list is the same as
/// long as these are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Counts {
    adds: u64,
    subs: u64,
}

/// A loaded object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Loaded {
    /// As the dynamic linker calls it; empty for the main program.
    pub(super) name: CString,
    pub(super) slide: u64,
    /// Where its program headers are: the same object has them at the same place.
    pub(super) headers: usize,
    /// Its lowest address.
    pub(super) base: usize,
    pub(super) end: usize,
    pub(super) code: Vec<Range<usize>>,
    pub(super) build_id: Option<Vec<u8>>,
    pub(super) has_interpreter: bool,
}

/// The counts alone; none if the C library does not keep them.
pub(super) fn counts() -> Option<Counts> {
    unsafe extern "C" fn first(info: *mut dl_phdr_info, size: size_t, data: *mut c_void) -> c_int {
        // SAFETY: the dynamic linker gives a valid `info`; `data` is the option below.
        let (info, result) = unsafe { (&*info, &mut *data.cast::<Option<Counts>>()) };
        *result = counts_of(info, size);
        1
    }
    let mut result: Option<Counts> = None;
    // SAFETY: `first` has the right type and `result` outlives the call.
    unsafe { libc::dl_iterate_phdr(Some(first), (&raw mut result).cast()) };
    result
}

/// All loaded objects, the main program first.
pub(super) fn list() -> (Option<Counts>, Vec<Loaded>) {
    type List = (Option<Counts>, Vec<Loaded>);
    unsafe extern "C" fn each(info: *mut dl_phdr_info, size: size_t, data: *mut c_void) -> c_int {
        // SAFETY: the dynamic linker gives a valid `info`; `data` is the list below.
        let (info, list) = unsafe { (&*info, &mut *data.cast::<List>()) };
        list.0 = counts_of(info, size);
        list.1.push(loaded(info));
        0
    }
    let mut list: List = (None, Vec::new());
    // SAFETY: `each` has the right type and `list` outlives the call.
    unsafe { libc::dl_iterate_phdr(Some(each), (&raw mut list).cast()) };
    list
}

fn counts_of(info: &dl_phdr_info, size: size_t) -> Option<Counts> {
    let known = size >= offset_of!(dl_phdr_info, dlpi_subs) + size_of::<u64>();
    known.then_some(Counts {
        adds: info.dlpi_adds,
        subs: info.dlpi_subs,
    })
}

fn loaded(info: &dl_phdr_info) -> Loaded {
    let name = if info.dlpi_name.is_null() {
        CString::default()
    } else {
        // SAFETY: the dynamic linker keeps a NUL-terminated name while it calls back.
        unsafe { CStr::from_ptr(info.dlpi_name) }.to_owned()
    };
    let headers = if info.dlpi_phdr.is_null() {
        &[][..]
    } else {
        // SAFETY: `dlpi_phdr` points at `dlpi_phnum` headers while it calls back.
        unsafe { std::slice::from_raw_parts(info.dlpi_phdr, usize::from(info.dlpi_phnum)) }
    };
    let runtime = |header: &libc::Elf64_Phdr| {
        let start = header.p_vaddr.wrapping_add(info.dlpi_addr) as usize;
        start..start.saturating_add(header.p_memsz as usize)
    };
    let loads = || {
        headers
            .iter()
            .filter(|header| header.p_type == libc::PT_LOAD)
    };
    let code = loads().filter(|header| header.p_flags & libc::PF_X != 0);
    let readable: Vec<Range<usize>> = loads()
        .filter(|header| header.p_flags & libc::PF_R != 0)
        .map(runtime)
        .collect();
    let build_id = headers
        .iter()
        .filter(|header| header.p_type == libc::PT_NOTE)
        .map(runtime)
        .filter(|note| {
            let holds = |load: &Range<usize>| load.start <= note.start && note.end <= load.end;
            readable.iter().any(holds)
        })
        .find_map(|note| {
            // SAFETY: the note lies in a readable segment that is loaded while it calls back.
            let bytes = unsafe { std::slice::from_raw_parts(note.start as *const u8, note.len()) };
            notes::build_id(bytes).map(<[u8]>::to_vec)
        });
    Loaded {
        name,
        slide: info.dlpi_addr,
        headers: info.dlpi_phdr.addr(),
        base: loads()
            .map(|header| runtime(header).start)
            .min()
            .unwrap_or(0),
        end: loads().map(|header| runtime(header).end).max().unwrap_or(0),
        code: code.map(runtime).collect(),
        build_id,
        has_interpreter: headers
            .iter()
            .any(|header| header.p_type == libc::PT_INTERP),
    }
}
