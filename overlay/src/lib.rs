//! The library that `cargo midair run` preloads into rustc, to compile a source that
//! differs from its file while the file stays as it is.
//!
//! It stands before the C library's `open`. Who opens one of a list of files for reading
//! gets another one; which, says the environment: one line with the file, one with
//! what is read in its place, and so on. To rustc nothing else is different, neither its
//! arguments nor the names of files, so an incremental build compiles what is different
//! in the text and no more.
//!
//! Files are told by device and inode, for one file has many names. A line that begins
//! with `../` is the end of a name instead: who opens a file by a name with that end gets
//! the other one, and who opens it by another name gets the file. `open` may be
//! called by anybody at any time, so it takes no lock and no memory here: the list is
//! made once, when the library is loaded. What it does not cover: who asks for a file's
//! length before opening it, or maps it by other means.

use std::ffi::{CStr, CString, c_char, c_int};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::sync::atomic::{AtomicPtr, AtomicU64, AtomicUsize, Ordering};

/// The variable with the list; `cargo midair run` knows it by this name.
const LIST: &str = "MIDAIR_OVERLAY";
/// More files are not covered; who makes the list knows.
const MOST: usize = 64;

struct Covered {
    device: AtomicU64,
    inode: AtomicU64,
    /// The end of a name, if it is that by which it is told.
    end: AtomicPtr<c_char>,
    instead: AtomicPtr<c_char>,
}

static COVERED: [Covered; MOST] = [const {
    Covered {
        device: AtomicU64::new(0),
        inode: AtomicU64::new(0),
        end: AtomicPtr::new(std::ptr::null_mut()),
        instead: AtomicPtr::new(std::ptr::null_mut()),
    }
}; MOST];
static COUNT: AtomicUsize = AtomicUsize::new(0);

extern "C" fn read_list() {
    let list = std::env::var_os(LIST).unwrap_or_default().into_vec();
    let mut lines = list.split(|byte| *byte == b'\n');
    for slot in &COVERED {
        let (Some(file), Some(instead)) = (lines.next(), lines.next()) else {
            return;
        };
        if file.starts_with(b"../") {
            if let (Ok(end), Ok(instead)) = (CString::new(file), CString::new(instead)) {
                slot.end.store(end.into_raw(), Ordering::Relaxed);
                slot.instead.store(instead.into_raw(), Ordering::Relaxed);
                COUNT.fetch_add(1, Ordering::Release);
            }
            continue;
        }
        let file = std::path::Path::new(std::ffi::OsStr::from_bytes(file));
        let (Ok(metadata), Ok(instead)) = (file.metadata(), CString::new(instead)) else {
            continue;
        };
        use std::os::unix::fs::MetadataExt as _;
        slot.device.store(metadata.dev(), Ordering::Relaxed);
        slot.inode.store(metadata.ino(), Ordering::Relaxed);
        slot.instead.store(instead.into_raw(), Ordering::Relaxed);
        COUNT.fetch_add(1, Ordering::Release);
    }
}

// SAFETY: the section holds addresses of functions without parameters.
#[unsafe(link_section = ".init_array")]
#[used]
static READ_LIST: extern "C" fn() = read_list;

/// What is to be read by this name, if it is no file's: of several ends the first one.
///
/// # Safety
///
/// `path` ends with a zero.
unsafe fn named(path: *const c_char) -> Option<*const c_char> {
    if COUNT.load(Ordering::Acquire) == 0 || path.is_null() {
        return None;
    }
    // SAFETY: the caller's promise.
    let path = unsafe { CStr::from_ptr(path) }.to_bytes();
    let is_it = |slot: &&Covered| {
        let end = slot.end.load(Ordering::Relaxed);
        if end.is_null() {
            return false;
        }
        // SAFETY: made of a `CString` that is never freed.
        let end = unsafe { CStr::from_ptr(end) }.to_bytes();
        let before = path.strip_suffix(end);
        before.is_some_and(|before| before.is_empty() || before.ends_with(b"/"))
    };
    let found = COVERED.iter().find(is_it)?;
    Some(found.instead.load(Ordering::Relaxed).cast_const())
}

/// What is to be read in place of the file that is open, if anything.
fn instead(descriptor: c_int) -> Option<*const c_char> {
    let count = COUNT.load(Ordering::Acquire);
    if count == 0 {
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
    };
    // All of them: a file that is missing leaves a hole.
    let found = COVERED.iter().find(is_it)?;
    let instead = found.instead.load(Ordering::Relaxed);
    (!instead.is_null()).then_some(instead.cast_const())
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
    if let Some(instead) = unsafe { named(path) } {
        return open(instead);
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
