//! Writing into code that is executable at every moment.
//!
//! | way | used for | works |
//! |---|---|---|
//! | `/proc/self/mem` ([`Writer`]) | a few bytes, no order or atomicity promised | where `/proc` is mounted; also under `PR_SET_MDWE`; splits no mapping |
//! | `mprotect` to read, write, execute, stores, and back ([`Writable`]) | aligned stores; many places of the same pages; everything, where the first is not to be had | not under `PR_SET_MDWE`, SELinux `execmod` |
//!
//! Code is never made writable *instead of* executable: other threads would
//! fault. The kernel copies for `/proc/self/mem` in units that it does not
//! promise, so whoever needs one store to be seen whole asks for
//! [`Writable::store_word`].

use super::cache;
use super::own_file::OwnFile;
use region::Protection;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
#[cfg(target_arch = "aarch64")]
use std::sync::atomic::AtomicU32;
#[cfg(target_arch = "x86_64")]
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
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
            cache::written(at, bytes.len());
            return Ok(());
        }
        let writable = Writable::new([(at, bytes.len(), protection)])?;
        // SAFETY: the caller's promise.
        unsafe { writable.bytes(at, bytes) };
        writable.close()
    }
}

/// Pages of code that can be written as well, for a while. They keep every
/// right that they had; the rights that they had come back in the end.
pub(crate) struct Writable {
    /// Where runs of pages with the same rights start, how long they are, and
    /// these rights.
    runs: Vec<(usize, usize, Protection)>,
}

impl Writable {
    /// The pages of all these places, given with their lengths and rights: all
    /// of them, or an error.
    pub(crate) fn new(
        places: impl IntoIterator<Item = (usize, usize, Protection)>,
    ) -> io::Result<Self> {
        let page = region::page::size();
        let mut places: Vec<_> = places.into_iter().collect();
        places.sort_unstable_by_key(|(at, ..)| *at);
        let mut runs: Vec<(usize, usize, Protection)> = Vec::new();
        for (at, len, protection) in places {
            let start = at & !(page - 1);
            let end = (at + len).next_multiple_of(page);
            match runs.last_mut() {
                Some((first, length, same)) if *same == protection && start <= *first + *length => {
                    *length = (*length).max(end - *first);
                }
                _ => runs.push((start, end - start, protection)),
            }
        }
        let mut writable = Self { runs: Vec::new() };
        for run in runs {
            let (start, len, _) = run;
            // SAFETY: nothing that others rely on is taken away.
            unsafe { region::protect(start as *const u8, len, Protection::READ_WRITE_EXECUTE) }
                .map_err(region::Error::into_io_error)?;
            writable.runs.push(run);
        }
        Ok(writable)
    }

    /// Writes `bytes` at `at`, in no promised order; a single one is seen whole.
    ///
    /// # Safety
    ///
    /// As for [`Writer::bytes`]; the place is one that this was made for.
    pub(crate) unsafe fn bytes(&self, at: usize, bytes: &[u8]) {
        for (n, &byte) in bytes.iter().enumerate() {
            // SAFETY: the caller's promise.
            unsafe { ((at + n) as *mut u8).write_volatile(byte) };
        }
        cache::written(at, bytes.len());
    }

    /// Stores the eight bytes at `at`, a multiple of eight, as one.
    ///
    /// # Safety
    ///
    /// As for [`Writable::bytes`].
    #[cfg(target_arch = "x86_64")]
    pub(crate) unsafe fn store_word(&self, at: usize, word: u64) {
        debug_assert_eq!(at % 8, 0);
        // SAFETY: the caller's promise; aligned, and writable now.
        unsafe { AtomicU64::from_ptr(at as *mut u64) }.store(word, Ordering::SeqCst);
    }

    /// Stores the instruction at `at`, a multiple of four, as one.
    ///
    /// # Safety
    ///
    /// As for [`Writable::bytes`].
    #[cfg(target_arch = "aarch64")]
    pub(crate) unsafe fn store_instruction(&self, at: usize, instruction: u32) {
        debug_assert_eq!(at % 4, 0);
        // SAFETY: the caller's promise; aligned, and writable now.
        unsafe { AtomicU32::from_ptr(at as *mut u32) }.store(instruction, Ordering::SeqCst);
        cache::written(at, size_of::<u32>());
    }

    /// Gives the pages their old rights back.
    pub(crate) fn close(mut self) -> io::Result<()> {
        self.restore()
    }

    fn restore(&mut self) -> io::Result<()> {
        let mut result = Ok(());
        for (start, len, protection) in self.runs.drain(..) {
            // SAFETY: the rights are those that the pages had before.
            let restored = unsafe { region::protect(start as *const u8, len, protection) };
            result = result.and(restored.map_err(region::Error::into_io_error));
        }
        result
    }
}

impl Drop for Writable {
    fn drop(&mut self) {
        // Only when something else has gone wrong already.
        let _ = self.restore();
    }
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
    let arrives = seen == [0x5a; 8];
    #[cfg(target_arch = "aarch64")]
    let arrives = arrives && super::probe::is_executed(&file);
    if arrives { OwnFile::new(file) } else { None }
}
