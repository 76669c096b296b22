//! An image is loaded at the address that it was linked to.
//!
//! The dynamic linker does it, so that unwinders, backtraces and debuggers learn
//! of it as of any library. It takes the address of the first segment for a wish,
//! which is fulfilled where nothing is mapped. Where it is not (another C
//! library), the segments are mapped here, and only unwinders are told.
//!
//! A library that is where its file says has a slide of zero, which the standard
//! library takes for the sign of a static executable. So the image is rebased:
//! afterwards its file, its headers in memory and the dynamic linker's entry say
//! that it is one that begins at zero and was loaded where it is.

use super::area::Area;
use super::protocol::THREADS_AT;
use crate::memory::cache;
use crate::memory::layout::page_size;
use crate::memory::unwinder::{self, Told};
use crate::memory::write::Writer;
use crate::threads::sync;
use goblin::elf::program_header::{PF_R, PF_W, PF_X, PT_GNU_EH_FRAME, PT_LOAD};
use goblin::elf64::{header::Header, program_header::ProgramHeader};
use region::Protection;
use std::ffi::{CStr, CString, c_void};
use std::io;
use std::os::unix::fs::FileExt;

/// A loaded image.
pub(super) enum Image {
    /// By the dynamic linker, whose handle this is.
    Listed(*mut c_void),
    /// By hand: why.
    Unlisted(String),
}

/// Loads `file` at `at`, for `len` bytes, which `area` has given out.
pub(super) fn load(area: &mut Area, file: &str, at: usize, len: usize) -> io::Result<Image> {
    let path = CString::new(file).map_err(io::Error::other)?;
    area.vacate(at, len);
    let image = match by_linker(&path, at) {
        Ok(handle) => {
            let image = Image::Listed(handle);
            if let Err(error) = rebase(handle, file, at) {
                unload(area, image, at, len);
                return Err(error);
            }
            image
        }
        Err(why) => {
            area.occupy(at, len)?;
            by_hand(&std::fs::read(file)?, at, len)?;
            Image::Unlisted(why)
        }
    };
    // A core may still have fetched what an earlier image had there.
    if let Err(error) = sync::cores() {
        unload(area, image, at, len);
        return Err(error);
    }
    Ok(image)
}

/// Takes an image off again that nothing leads to yet, or any more.
pub(super) fn unload(area: &mut Area, image: Image, at: usize, len: usize) {
    match image {
        Image::Listed(handle) => {
            // SAFETY: a handle of `dlopen`; nobody is in the image or can come there.
            unsafe { libc::dlclose(handle) };
            // If the piece is somebody else's by now, it is not used again.
            if area.occupy(at, len).is_ok() {
                area.give_back(at, len);
            }
        }
        // What unwinders know of it is right as long as it is mapped.
        Image::Unlisted(_) => {}
    }
}

fn by_linker(path: &CStr, at: usize) -> Result<*mut c_void, String> {
    // SAFETY: the image has no initialisers; whoever sent it vouches for it.
    let handle = unsafe { libc::dlopen(path.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL) };
    if handle.is_null() {
        // SAFETY: `dlopen` has failed, in this thread, so there is a message.
        let why = unsafe { CStr::from_ptr(libc::dlerror()) };
        return Err(why.to_string_lossy().into_owned());
    }
    let base = base_of(path);
    if base == Some(at) {
        return Ok(handle);
    }
    // SAFETY: the handle is `dlopen`'s, and nothing of the image was used.
    unsafe { libc::dlclose(handle) };
    Err(match base {
        Some(base) => format!("the dynamic linker put it at {base:#x} instead of {at:#x}"),
        None => "the dynamic linker does not list it".to_owned(),
    })
}

/// Loads a library that has thread-local data, and nothing else, for good: how far from
/// the thread pointer they are, in all threads. The dynamic linker gives them to threads
/// that are there as to those that come, for a relocation says that the distance is fixed.
pub(super) fn thread_data(file: &str) -> Result<i64, String> {
    let no_room = |why: String| format!("no room for new thread-locals: {why}; start again");
    let path = CString::new(file).map_err(|e| no_room(e.to_string()))?;
    let flags = libc::RTLD_NOW | libc::RTLD_LOCAL | libc::RTLD_NODELETE;
    // SAFETY: the library has no initialisers; whoever sent it vouches for it.
    let handle = unsafe { libc::dlopen(path.as_ptr(), flags) };
    if handle.is_null() {
        // SAFETY: `dlopen` has failed, in this thread, so there is a message.
        let why = unsafe { CStr::from_ptr(libc::dlerror()) };
        return Err(no_room(why.to_string_lossy().into_owned()));
    }
    let base = base_of(&path).ok_or_else(|| no_room("it is not listed".to_owned()))?;
    let at = (base + THREADS_AT as usize) as *const i64;
    // SAFETY: in the library's data, which stay; the dynamic linker has written it.
    Ok(unsafe { at.read() })
}

/// The beginning of the dynamic linker's entry of a library.
#[repr(C)]
struct Entry {
    /// What is added to addresses in the file.
    slide: usize,
}

/// Makes a library that is where its file says one that begins at zero. The
/// dynamic section stays: its addresses were taken over by now.
fn rebase(handle: *mut c_void, file: &str, at: usize) -> io::Result<()> {
    // SAFETY: the file is mapped from its beginning at `at`: `by_linker` has looked.
    let head = unsafe { &*(at as *const Header) };
    let headers_at = at + head.e_phoff as usize;
    // SAFETY: as above; headers are in the first page.
    let headers = unsafe {
        std::slice::from_raw_parts(headers_at as *const ProgramHeader, head.e_phnum.into())
    };
    let mut rebased = Vec::new();
    for header in headers {
        let mut header = *header;
        header.p_vaddr = header.p_vaddr.wrapping_sub(at as u64);
        header.p_paddr = header.p_vaddr;
        // SAFETY: a structure of numbers without padding.
        let bytes = unsafe {
            std::slice::from_raw_parts((&raw const header).cast::<u8>(), size_of_val(&header))
        };
        rebased.extend(bytes);
    }
    let mut entry: *mut Entry = std::ptr::null_mut();
    // SAFETY: `handle` is `dlopen`'s, and there is room for a pointer.
    let found = unsafe { libc::dlinfo(handle, libc::RTLD_DI_LINKMAP, (&raw mut entry).cast()) };
    if found != 0 || entry.is_null() {
        return Err(io::Error::other("the dynamic linker has no entry of it"));
    }
    let on_disk = std::fs::OpenOptions::new().write(true).open(file)?;
    on_disk.write_all_at(&rebased, head.e_phoff)?;
    // The page is the file's as long as nobody has written to it, but that is not
    // promised.
    // SAFETY: the headers of our image, which the dynamic linker keeps no copies of.
    unsafe { Writer::new().bytes(headers_at, &rebased, Protection::READ) }?;
    // SAFETY: the entry is the dynamic linker's and begins with this field.
    unsafe { (*entry).slide = at };
    Ok(())
}

/// Where the dynamic linker has put the first segment of the library that was
/// loaded from `path`.
fn base_of(path: &CStr) -> Option<usize> {
    struct Search<'a>(&'a CStr, Option<usize>);
    unsafe extern "C" fn each(
        info: *mut libc::dl_phdr_info,
        _: libc::size_t,
        data: *mut c_void,
    ) -> libc::c_int {
        // SAFETY: the dynamic linker gives a valid `info`; `data` is the search below.
        let (info, search) = unsafe { (&*info, &mut *data.cast::<Search<'_>>()) };
        // SAFETY: the name lives while the dynamic linker calls back.
        if info.dlpi_name.is_null() || unsafe { CStr::from_ptr(info.dlpi_name) } != search.0 {
            return 0;
        }
        // SAFETY: `dlpi_phdr` points at `dlpi_phnum` headers while it calls back.
        let headers =
            unsafe { std::slice::from_raw_parts(info.dlpi_phdr, usize::from(info.dlpi_phnum)) };
        let first = headers.iter().find(|header| header.p_type == libc::PT_LOAD);
        search.1 = first.map(|header| info.dlpi_addr.wrapping_add(header.p_vaddr) as usize);
        1
    }
    let mut search = Search(path, None);
    // SAFETY: `each` has the right type and `search` outlives the call.
    unsafe { libc::dl_iterate_phdr(Some(each), (&raw mut search).cast()) };
    search.1
}

/// Maps the segments of `file` into the piece at `at`.
fn by_hand(file: &[u8], at: usize, len: usize) -> io::Result<()> {
    let malformed = || io::Error::new(io::ErrorKind::InvalidData, "the image is no ELF file");
    let head: [u8; size_of::<Header>()] = file
        .get(..size_of::<Header>())
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or_else(malformed)?;
    let head = Header::from_bytes(&head);
    let headers = file.get(head.e_phoff as usize..).ok_or_else(malformed)?;
    let count = usize::from(head.e_phnum);
    if headers.len() < count * size_of::<ProgramHeader>() {
        return Err(malformed());
    }
    let headers = ProgramHeader::from_bytes(headers, count);
    for header in headers.iter().filter(|header| header.p_type == PT_LOAD) {
        let (start, size) = (header.p_vaddr as usize, header.p_memsz as usize);
        let end = start.checked_add(size).filter(|end| *end <= at + len);
        let bytes = file
            .get(header.p_offset as usize..)
            .and_then(|from| from.get(..header.p_filesz as usize));
        let (Some(_), Some(bytes)) = (end.filter(|_| start >= at), bytes) else {
            return Err(malformed());
        };
        let first = start & !(page_size() - 1);
        let whole = (start + size).next_multiple_of(page_size()) - first;
        protect(first, whole, libc::PROT_READ | libc::PROT_WRITE)?;
        // SAFETY: the piece is the area's and nobody knows of it yet; the bounds
        // were checked.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), start as *mut u8, bytes.len()) };
        let rights = [
            (PF_R, libc::PROT_READ),
            (PF_W, libc::PROT_WRITE),
            (PF_X, libc::PROT_EXEC),
        ];
        let rights = rights.iter().filter(|(flag, _)| header.p_flags & flag != 0);
        protect(first, whole, rights.fold(0, |all, (_, right)| all | right))?;
        if header.p_flags & PF_X != 0 {
            cache::written(start, bytes.len());
        }
    }
    let found = |wanted: &dyn Fn(&&ProgramHeader) -> bool| headers.iter().find(wanted);
    let frames = found(&|header| header.p_type == PT_GNU_EH_FRAME);
    let code = found(&|header| header.p_type == PT_LOAD && header.p_flags & PF_X != 0);
    if let (Some(frames), Some(code)) = (frames, code) {
        let start = code.p_vaddr as usize & !(page_size() - 1);
        let end = ((code.p_vaddr + code.p_memsz) as usize).next_multiple_of(page_size());
        let told = Told {
            numbers: None,
            sections: frames.p_vaddr as usize,
        };
        unwinder::announce(start..end, told);
    }
    Ok(())
}

fn protect(at: usize, len: usize, rights: i32) -> io::Result<()> {
    // SAFETY: pages of the area that nobody uses yet.
    match unsafe { libc::mprotect(at as *mut c_void, len, rights) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests;
