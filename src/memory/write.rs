//! Writing into code that is executable at every moment.
//!
//! | way | used for | works |
//! |---|---|---|
//! | `/proc/self/mem` | plain bytes, no order or atomicity promised | where `/proc` is mounted; also under `PR_SET_MDWE`; splits no mapping |
//! | `mprotect` to read, write, execute, a store, and back | single aligned stores; everything, where the first is not to be had | not under `PR_SET_MDWE`, SELinux `execmod` |
//!
//! Code is never made writable *instead of* executable: other threads would
//! fault. The kernel copies for `/proc/self/mem` in units that it does not
//! promise, so whoever needs one store to be seen whole asks for
//! [`store_word`].

use super::own_file::OwnFile;
use region::Protection;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard};

/// The process's memory as a file.
static MEMORY: Mutex<Memory> = Mutex::new(Memory::Unopened);

enum Memory {
    Unopened,
    Open(OwnFile),
    /// It cannot be opened, or what is written does not arrive.
    Unusable,
}

/// A turn of writing: the way is found out once, for all that is written.
pub(crate) struct Writer(MutexGuard<'static, Memory>);

impl Writer {
    pub(crate) fn new() -> Self {
        let mut memory = MEMORY
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        let is_current = match &*memory {
            Memory::Unusable => true,
            Memory::Open(file) => file.get().is_some(),
            Memory::Unopened => false,
        };
        if !is_current {
            *memory = open().map_or(Memory::Unusable, Memory::Open);
        }
        Self(memory)
    }

    /// Writes `bytes` at `at`, in no promised order.
    ///
    /// # Safety
    ///
    /// `at` is mapped for `bytes.len()` bytes, belongs to the caller to change,
    /// and no thread executes a mixture of old and new bytes to its harm.
    pub(crate) unsafe fn bytes(
        &self,
        at: usize,
        bytes: &[u8],
        protection: Protection,
    ) -> io::Result<()> {
        if let Memory::Open(file) = &*self.0
            && file.file().write_all_at(bytes, at as u64).is_ok()
        {
            return Ok(());
        }
        flipped(at, bytes.len(), protection, || {
            for (n, &byte) in bytes.iter().enumerate() {
                // SAFETY: the caller's promise; the range is writable in here.
                unsafe { ((at + n) as *mut u8).write_volatile(byte) };
            }
        })
    }
}

/// Stores the eight bytes at `at`, a multiple of eight, as one.
///
/// # Safety
///
/// As for [`Writer::bytes`].
pub(crate) unsafe fn store_word(at: usize, word: u64, protection: Protection) -> io::Result<()> {
    debug_assert_eq!(at % 8, 0);
    flipped(at, 8, protection, || {
        // SAFETY: the caller's promise; aligned, and writable in here.
        unsafe { AtomicU64::from_ptr(at as *mut u64) }.store(word, Ordering::SeqCst);
    })
}

/// Runs `store` while the range can be read, written and executed.
fn flipped(at: usize, len: usize, back: Protection, store: impl FnOnce()) -> io::Result<()> {
    let to_io = |e: region::Error| e.into_io_error();
    // SAFETY: nothing that others rely on is taken away: the pages keep every
    // right they had.
    unsafe { region::protect(at as *const u8, len, Protection::READ_WRITE_EXECUTE) }
        .map_err(to_io)?;
    store();
    // SAFETY: `back` is what the pages had before.
    unsafe { region::protect(at as *const u8, len, back) }.map_err(to_io)
}

/// Opens the process's memory, if bytes written through it really arrive.
fn open() -> Option<OwnFile> {
    let file = File::options()
        .read(true)
        .write(true)
        .open("/proc/self/mem")
        .ok()?;
    let mut probe = [0_u8; 8];
    let probe_at = &raw mut probe as u64;
    file.write_all_at(&[0x5a; 8], probe_at).ok()?;
    // An emulator may write to a shadow of the memory that runs.
    // SAFETY: `probe` is a live local; volatile, as the kernel wrote it.
    let seen = unsafe { (probe_at as *const [u8; 8]).read_volatile() };
    if seen == [0x5a; 8] {
        OwnFile::new(file)
    } else {
        None
    }
}
