//! Telling the unwinder of code that is in no file.
//!
//! libgcc asks the dynamic linker's `_dl_find_object` which object an address is
//! in and where its call frame information is (glibc 2.35, libgcc 12). It calls
//! it through a pointer of its own, and that pointer leads to [`find_object`],
//! which answers for the arena's pages, by the very instruction, and passes on all
//! else. It takes no lock and allocates nothing, so that signal handlers may unwind, whatever they have
//! interrupted, and children of a fork.
//!
//! The documented way, `__register_frame`, is not taken: libgcc 12 takes a lock at each
//! frame of every throw from then on, and never stops to. A profiler that
//! unwinds in a signal handler then stops for good in a thread that throws
//! (seen: two threads, within seconds); and each registered object makes every
//! throw slower.
//!
//! Where there is no such pointer (older libraries, static programs) nothing is
//! told, and a backtrace that begins in the arena's code ends there.

use super::layout::page_size;
use crate::machine::eh_frame::MOST;
use region::Protection;
use std::ffi::{CStr, c_int, c_void};
use std::ops::Range;
use std::sync::Once;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Pages that can be known; further ones are not.
const PAGES: usize = 1 << 14;
/// A place whose page is forgotten.
const LEFT: usize = 1;

/// The known pages, hashed; zero is a place that was never used.
static KEYS: [AtomicUsize; PAGES] = [const { AtomicUsize::new(0) }; PAGES];
/// For each of them where the numbers of its bytes are; zero if all are 0.
static NUMBERS: [AtomicUsize; PAGES] = [const { AtomicUsize::new(0) }; PAGES];
/// For each of them where the sections are that the numbers count.
static SECTIONS: [AtomicUsize; PAGES] = [const { AtomicUsize::new(0) }; PAGES];

/// What the unwinder called before.
static NEXT: AtomicUsize = AtomicUsize::new(0);

/// Where is written what is known of code.
#[derive(Clone, Copy)]
pub(crate) struct Told {
    /// A byte for each byte of code: which of the sections is about it. It is the
    /// first one of all of them if there is none.
    pub(crate) numbers: Option<usize>,
    /// The sections `.eh_frame_hdr`, each [`MOST`] bytes behind the one before it.
    pub(crate) sections: usize,
}

fn places(page: usize) -> impl Iterator<Item = usize> {
    let first = (page / page_size()).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
    (0..PAGES).map(move |n| (first + n) % PAGES)
}

/// Makes `code`, whole pages, known. Not called by two threads at once.
pub(crate) fn announce(code: Range<usize>, told: Told) {
    lead_here();
    for page in code.clone().step_by(page_size()) {
        let mut free = places(page).filter(|&n| KEYS[n].load(Ordering::Relaxed) <= LEFT);
        if let Some(n) = free.next() {
            let numbers = told.numbers.map_or(0, |at| at + (page - code.start));
            NUMBERS[n].store(numbers, Ordering::Relaxed);
            SECTIONS[n].store(told.sections, Ordering::Relaxed);
            KEYS[n].store(page, Ordering::Release);
        }
    }
}

/// Forgets `code`. Nobody is in it. Not called by two threads at once.
pub(super) fn withdraw(code: Range<usize>) {
    for page in code.step_by(page_size()) {
        if let Some(n) = place_of(page) {
            KEYS[n].store(LEFT, Ordering::Release);
        }
    }
}

fn place_of(page: usize) -> Option<usize> {
    for n in places(page) {
        match KEYS[n].load(Ordering::Acquire) {
            0 => return None,
            key if key == page => return Some(n),
            _ => {}
        }
    }
    None
}

/// glibc's `struct dl_find_object`.
#[repr(C)]
struct Found {
    flags: u64,
    start: usize,
    end: usize,
    link_map: usize,
    eh_frame: usize,
    reserved: [u64; 7],
}

type FindObject = unsafe extern "C" fn(*const c_void, *mut Found) -> c_int;

/// What the unwinder calls.
unsafe extern "C" fn find_object(pc: *const c_void, found: *mut Found) -> c_int {
    let page = pc as usize & !(page_size() - 1);
    if let Some(n) = place_of(page) {
        let number = match NUMBERS[n].load(Ordering::Relaxed) {
            0 => 0,
            // SAFETY: they are there as long as the page is known, which is as
            // long as somebody may be in it.
            numbers => unsafe { *((numbers + (pc as usize - page)) as *const u8) },
        };
        let answer = Found {
            flags: 0,
            start: page,
            end: page + page_size(),
            link_map: 0,
            eh_frame: SECTIONS[n].load(Ordering::Relaxed) + usize::from(number) * MOST,
            reserved: [0; 7],
        };
        // SAFETY: the caller's room for the answer.
        unsafe { found.write(answer) };
        return 0;
    }
    // SAFETY: set before anything leads here, to a function of this type.
    let next = unsafe { std::mem::transmute::<usize, FindObject>(NEXT.load(Ordering::Acquire)) };
    // SAFETY: the caller's promise.
    unsafe { next(pc, found) }
}

/// Leads the unwinder's pointer to [`find_object`].
fn lead_here() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        extern "C" fn stop(_: *mut c_void, _: *mut c_void) -> c_int {
            1
        }
        // SAFETY: has the dynamic linker fill in the pointer, if it is lazy.
        unsafe { _Unwind_Backtrace(stop, std::ptr::null_mut()) };
        let mut slot = 0_usize;
        // SAFETY: the callback keeps to what it is given.
        unsafe { libc::dl_iterate_phdr(Some(look), (&raw mut slot).cast()) };
        if slot != 0 {
            stay();
            redirect(slot);
        }
    });
}

unsafe extern "C" {
    fn _Unwind_Backtrace(
        trace: extern "C" fn(*mut c_void, *mut c_void) -> c_int,
        argument: *mut c_void,
    ) -> c_int;
}

/// If this library is unloaded, the unwinder must not call what was there.
fn stay() {
    // SAFETY: the answer is written before it is read; a name that cannot be
    // opened is that of the program, which stays anyway.
    unsafe {
        let mut about: libc::Dl_info = std::mem::zeroed();
        if libc::dladdr(find_object as FindObject as *const c_void, &mut about) != 0 {
            let how = libc::RTLD_LAZY | libc::RTLD_NOLOAD | libc::RTLD_NODELETE;
            libc::dlopen(about.dli_fname, how);
        }
    }
}

fn redirect(slot: usize) {
    let size = size_of::<usize>();
    // SAFETY: a pointer of the unwinder's, which may stand in pages that are
    // only read once it is loaded; it is stored whole, and leads to a function
    // of the same type.
    unsafe {
        let Ok(_writable) =
            region::protect_with_handle(slot as *const u8, size, Protection::READ_WRITE)
        else {
            return;
        };
        let pointer = AtomicUsize::from_ptr(slot as *mut usize);
        NEXT.store(pointer.load(Ordering::Acquire), Ordering::Release);
        pointer.store(find_object as FindObject as usize, Ordering::Release);
    }
}

// ELF, gABI 4: kinds of entries of the dynamic section, and of relocations.
const STRINGS: usize = 5;
const SYMBOLS: usize = 6;
const RELOCATIONS: (usize, usize) = (7, 8);
const JUMP_RELOCATIONS: (usize, usize) = (23, 2);
/// GLOB_DAT, JUMP_SLOT.
#[cfg(target_arch = "x86_64")]
const KINDS: [usize; 2] = [6, 7];
/// GLOB_DAT, JUMP_SLOT.
#[cfg(target_arch = "aarch64")]
const KINDS: [usize; 2] = [1025, 1026];
const SYMBOL: usize = 24;

/// Finds the pointer to `_dl_find_object` of libgcc: of the object that has
/// `_Unwind_Backtrace`.
unsafe extern "C" fn look(info: *mut libc::dl_phdr_info, _: usize, slot: *mut c_void) -> c_int {
    // SAFETY: the dynamic linker describes an object that is loaded and stays
    // so meanwhile; what its dynamic section says holds for the memory.
    unsafe {
        let info = &*info;
        let base = info.dlpi_addr as usize;
        let headers = std::slice::from_raw_parts(info.dlpi_phdr, info.dlpi_phnum.into());
        let holds = |at: usize| {
            headers.iter().any(|h| {
                h.p_type == libc::PT_LOAD
                    && at.wrapping_sub(base + h.p_vaddr as usize) < h.p_memsz as usize
            })
        };
        if !holds(unwinder()) {
            return 0;
        }
        let Some(dynamic) = headers.iter().find(|h| h.p_type == libc::PT_DYNAMIC) else {
            return 1;
        };
        let dynamic = (base + dynamic.p_vaddr as usize) as *const [usize; 2];
        let value = |wanted: usize| {
            (0..)
                .map(|n| dynamic.add(n).read())
                .take_while(|[tag, _]| *tag != 0)
                .find_map(|[tag, value]| (tag == wanted).then_some(value))
        };
        let (Some(strings), Some(symbols)) = (value(STRINGS), value(SYMBOLS)) else {
            return 1;
        };
        for (table, bytes) in [JUMP_RELOCATIONS, RELOCATIONS] {
            let (Some(table), Some(bytes)) = (value(table), value(bytes)) else {
                continue;
            };
            for n in 0..bytes / 24 {
                let [offset, kind, _] = (table as *const [usize; 3]).add(n).read();
                let name = (symbols + (kind >> 32) * SYMBOL) as *const u32;
                if KINDS.contains(&(kind & 0xffff_ffff))
                    && CStr::from_ptr((strings + name.read() as usize) as *const _)
                        == c"_dl_find_object"
                {
                    slot.cast::<usize>().write(base + offset);
                }
            }
        }
    }
    1
}

/// Where `_Unwind_Backtrace` is.
fn unwinder() -> usize {
    // SAFETY: asks for an address.
    unsafe { libc::dlsym(libc::RTLD_DEFAULT, c"_Unwind_Backtrace".as_ptr()) as usize }
}
