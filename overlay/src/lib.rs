//! The library that `cargo midair run` preloads into rustc, to compile a source that
//! differs from its file while the file stays as it is.
//!
//! It stands before the C library's `open`. Who opens one of a list of files for reading
//! gets another one; which, says the environment: behind a first line with a *mark*, one
//! line with the file, one with what is read in its place, and so on. To rustc nothing else is different, neither its
//! arguments nor the names of files, so an incremental build compiles what is different
//! in the text and no more.
//!
//! Files are told by device and inode, for one file has many names. A line that begins
//! with `/~` is a name that no file has: who opens it gets the other file. All names of
//! that kind are a file's with something before it (`/~1/src/main.rs`,
//! `/~1~/home/me/far/src/lib.rs`), and without a line they mean that file.
//!
//! The list is for rustc alone, and for each source the first time that rustc reads it,
//! which is when it is parsed. A procedural macro that looks at sources sees the files,
//! and so does `include_str!` of a source; who calls is told by the stack ([`is_rustc`]).
//! As what they see is not what rustc has parsed, the mark is made then, an empty file.
//! Programs that are no rustc (a shim, a linker) pass the environment on and are left
//! alone, and programs that rustc starts get what it would have had without this.
//!
//! `open` may be called by anybody at any time, so it takes no lock and no memory here:
//! the list is made once, when the library is loaded. What it does not cover: who asks for
//! a file's length before opening it, or maps it by other means.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::ops::Range;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Ordering};

/// The variable with the list; `cargo midair run` knows it by this name.
const LIST: &CStr = c"MIDAIR_OVERLAY";
const PRELOAD: &CStr = c"LD_PRELOAD";
/// More files are not covered; who makes the list knows.
const MOST: usize = 64;
/// What names begin with that no file has; `cargo midair run` knows it, too.
const NO_FILE: &[u8] = b"/~";

struct Covered {
    device: AtomicU64,
    inode: AtomicU64,
    /// The name, if it is that by which it is told.
    name: AtomicPtr<c_char>,
    instead: AtomicPtr<c_char>,
    is_read: AtomicBool,
}

static COVERED: [Covered; MOST] = [const {
    Covered {
        device: AtomicU64::new(0),
        inode: AtomicU64::new(0),
        name: AtomicPtr::new(std::ptr::null_mut()),
        instead: AtomicPtr::new(std::ptr::null_mut()),
        is_read: AtomicBool::new(false),
    }
}; MOST];
static IS_ANY: AtomicBool = AtomicBool::new(false);
static MARK: AtomicPtr<c_char> = AtomicPtr::new(std::ptr::null_mut());

/// Where a library is.
struct Place {
    start: AtomicUsize,
    end: AtomicUsize,
}

impl Place {
    const fn nowhere() -> Self {
        Self {
            start: AtomicUsize::new(0),
            end: AtomicUsize::new(0),
        }
    }

    fn set(&self, range: &Range<usize>) {
        self.start.store(range.start, Ordering::Relaxed);
        self.end.store(range.end, Ordering::Relaxed);
    }

    fn has(&self, address: usize) -> bool {
        (self.start.load(Ordering::Relaxed)..self.end.load(Ordering::Relaxed)).contains(&address)
    }
}

/// The compiler.
static DRIVER: Place = Place::nowhere();
/// Its standard library, which calls `open` for everybody.
static STANDARD: Place = Place::nowhere();
static OWN: Place = Place::nowhere();

extern "C" fn read_list() {
    // SAFETY: `find_library` keeps to what the C library promises it.
    unsafe { libc::dl_iterate_phdr(Some(find_library), std::ptr::null_mut()) };
    if DRIVER.start.load(Ordering::Relaxed) == 0 {
        return;
    }
    let list = std::env::var_os(std::ffi::OsStr::from_bytes(LIST.to_bytes()));
    let list = list.unwrap_or_default().into_vec();
    leave_no_trace();
    let mut lines = list.split(|byte| *byte == b'\n');
    if let Ok(mark) = CString::new(lines.next().unwrap_or_default()) {
        MARK.store(mark.into_raw(), Ordering::Relaxed);
    }
    for slot in &COVERED {
        let (Some(file), Some(instead)) = (lines.next(), lines.next()) else {
            break;
        };
        let Ok(instead) = CString::new(instead) else {
            continue;
        };
        if file.starts_with(NO_FILE) {
            let Ok(name) = CString::new(file) else {
                continue;
            };
            slot.name.store(name.into_raw(), Ordering::Relaxed);
        } else {
            let file = std::path::Path::new(std::ffi::OsStr::from_bytes(file));
            let Ok(metadata) = file.metadata() else {
                continue;
            };
            use std::os::unix::fs::MetadataExt as _;
            slot.device.store(metadata.dev(), Ordering::Relaxed);
            slot.inode.store(metadata.ino(), Ordering::Relaxed);
        }
        slot.instead.store(instead.into_raw(), Ordering::Relaxed);
        IS_ANY.store(true, Ordering::Release);
    }
}

// SAFETY: the section holds addresses of functions without parameters.
#[unsafe(link_section = ".init_array")]
#[used]
static READ_LIST: extern "C" fn() = read_list;

/// Notes where a library is, if it is one that matters.
unsafe extern "C" fn find_library(
    info: *mut libc::dl_phdr_info,
    _: libc::size_t,
    _: *mut c_void,
) -> c_int {
    // SAFETY: the C library's promise.
    let (info, headers) = unsafe {
        let headers = std::slice::from_raw_parts((*info).dlpi_phdr, (*info).dlpi_phnum.into());
        (&*info, headers)
    };
    let loaded = headers.iter().filter(|one| one.p_type == libc::PT_LOAD);
    let ranges = loaded.map(|one| {
        let start = (info.dlpi_addr + one.p_vaddr) as usize;
        start..start + one.p_memsz as usize
    });
    let Some(range) = ranges.reduce(|a, b| a.start.min(b.start)..a.end.max(b.end)) else {
        return 0;
    };
    if range.contains(&(read_list as *const () as usize)) {
        OWN.set(&range);
    }
    if !info.dlpi_name.is_null() {
        // SAFETY: as above.
        let path = unsafe { CStr::from_ptr(info.dlpi_name) }.to_bytes();
        let file = path.rsplit(|byte| *byte == b'/').next().unwrap_or(path);
        if file.starts_with(b"librustc_driver") {
            DRIVER.set(&range);
        } else if file.starts_with(b"libstd-") {
            STANDARD.set(&range);
        }
    }
    0
}

/// Neither rustc nor what it starts sees in the environment that it was preloaded.
fn leave_no_trace() {
    let preload = std::env::var_os(std::ffi::OsStr::from_bytes(PRELOAD.to_bytes()));
    let preload = preload.unwrap_or_default().into_vec();
    let users = preload.split(|byte| *byte == b':').skip(1);
    let users = CString::new(users.collect::<Vec<_>>().join(&b':')).unwrap_or_default();
    // SAFETY: nothing else runs yet.
    unsafe {
        libc::unsetenv(LIST.as_ptr());
        if users.is_empty() {
            libc::unsetenv(PRELOAD.as_ptr());
        } else {
            libc::setenv(PRELOAD.as_ptr(), users.as_ptr(), 1);
        }
    }
}

// The unwinder that std has loaded.
unsafe extern "C" {
    fn _Unwind_Backtrace(
        each: extern "C" fn(*mut c_void, *mut c_void) -> c_int,
        data: *mut c_void,
    ) -> c_int;
    fn _Unwind_GetIP(context: *mut c_void) -> usize;
}

/// Whether it is the compiler itself who has called this library, and no macro in it.
#[cold]
fn is_rustc() -> bool {
    extern "C" fn each(context: *mut c_void, answer: *mut c_void) -> c_int {
        // SAFETY: the unwinder's.
        let address = unsafe { _Unwind_GetIP(context) };
        if OWN.has(address) || STANDARD.has(address) {
            return 0;
        }
        // SAFETY: it is the variable below.
        unsafe { *answer.cast::<bool>() = DRIVER.has(address) };
        1 // the end
    }
    let mut answer = false;
    // SAFETY: `each` takes what it is given here.
    unsafe { _Unwind_Backtrace(each, (&raw mut answer).cast()) };
    answer
}

/// What is to be read by this name, if it is no file's.
///
/// # Safety
///
/// `path` ends with a zero.
unsafe fn named(path: *const c_char) -> Option<*const c_char> {
    if !IS_ANY.load(Ordering::Acquire) || path.is_null() {
        return None;
    }
    // SAFETY: the caller's promise.
    let name = unsafe { CStr::from_ptr(path) };
    let rest = name.to_bytes().strip_prefix(NO_FILE)?;
    let is_it = |slot: &&Covered| {
        let own = slot.name.load(Ordering::Relaxed);
        // SAFETY: made of a `CString` that is never freed.
        !own.is_null() && unsafe { CStr::from_ptr(own) } == name
    };
    if let Some(found) = COVERED.iter().find(is_it) {
        if is_rustc() {
            return Some(found.instead.load(Ordering::Relaxed).cast_const());
        }
        mark();
    }
    // The file that it is about.
    let slash = rest.iter().position(|byte| *byte == b'/')?;
    let is_absolute = rest[..slash].ends_with(b"~");
    let skip = NO_FILE.len() + slash + usize::from(!is_absolute);
    // SAFETY: within the name.
    Some(unsafe { path.add(skip) })
}

/// What is to be read in place of the file that is open, if anything.
fn instead(descriptor: c_int) -> Option<*const c_char> {
    if !IS_ANY.load(Ordering::Acquire) {
        return None;
    }
    // SAFETY: all-zero is a status.
    let mut status: libc::stat = unsafe { std::mem::zeroed() };
    // SAFETY: `status` has room for the answer.
    if unsafe { libc::fstat(descriptor, &mut status) } != 0 {
        return None;
    }
    let is_it = |slot: &&Covered| {
        slot.inode.load(Ordering::Relaxed) == status.st_ino
            && slot.device.load(Ordering::Relaxed) == status.st_dev
            && slot.name.load(Ordering::Relaxed).is_null()
    };
    // All of them: a file that is missing leaves a hole.
    let found = COVERED.iter().find(is_it)?;
    let instead = found.instead.load(Ordering::Relaxed);
    if instead.is_null() {
        return None;
    }
    if !is_rustc() || found.is_read.swap(true, Ordering::Relaxed) {
        mark();
        return None;
    }
    Some(instead.cast_const())
}

/// Somebody looks at sources.
#[cold]
fn mark() {
    let path = MARK.load(Ordering::Relaxed);
    if path.is_null() {
        return;
    }
    let flags = libc::O_CREAT | libc::O_WRONLY | libc::O_CLOEXEC;
    // SAFETY: makes a file, by a path that is never freed.
    unsafe {
        let descriptor = libc::syscall(libc::SYS_openat, libc::AT_FDCWD, path, flags, 0o600);
        libc::close(descriptor as c_int);
    }
}

/// # Safety
///
/// As for the system call.
unsafe fn open_at(folder: c_int, path: *const c_char, flags: c_int, mode: libc::mode_t) -> c_int {
    // SAFETY: the caller's promise; sets `errno` as the C library's would.
    let open = |path: *const c_char| unsafe {
        libc::syscall(
            libc::SYS_openat,
            folder,
            path,
            flags | libc::O_LARGEFILE,
            mode,
        ) as c_int
    };
    // SAFETY: the caller's promise.
    if let Some(other) = unsafe { named(path) } {
        return open(other);
    }
    let descriptor = open(path);
    if descriptor < 0 || flags & libc::O_ACCMODE != libc::O_RDONLY {
        return descriptor;
    }
    let Some(instead) = instead(descriptor) else {
        return descriptor;
    };
    // SAFETY: opened above, and nobody else's.
    unsafe { libc::close(descriptor) };
    open(instead)
}

/// `open(2)`. The mode is a variadic argument there, which is passed like any third
/// one on all machines that midair runs on; without one it is not looked at.
///
/// # Safety
///
/// As for the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn open(path: *const c_char, flags: c_int, mode: libc::mode_t) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { open_at(libc::AT_FDCWD, path, flags, mode) }
}

/// As [`open()`]: the name for large files.
///
/// # Safety
///
/// As for the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn open64(path: *const c_char, flags: c_int, mode: libc::mode_t) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { open_at(libc::AT_FDCWD, path, flags, mode) }
}

/// `openat(2)`.
///
/// # Safety
///
/// As for the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn openat(
    folder: c_int,
    path: *const c_char,
    flags: c_int,
    mode: libc::mode_t,
) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { open_at(folder, path, flags, mode) }
}

/// As [`openat()`].
///
/// # Safety
///
/// As for the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn openat64(
    folder: c_int,
    path: *const c_char,
    flags: c_int,
    mode: libc::mode_t,
) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { open_at(folder, path, flags, mode) }
}
