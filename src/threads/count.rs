//! Is anybody else running?

use crate::memory::own_file::OwnFile;
use std::fs::File;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, OnceLock};

/// `/proc/self/task`.
static TASKS: Mutex<Option<OwnFile>> = Mutex::new(None);

/// The answer of [`alone`], asked for at most once and only if need be.
pub(crate) type Alone = std::cell::LazyCell<bool>;

/// Whether glibc (2.32) knows that there is one thread: its byte is cleared
/// before the second one starts, and may stay so when that has ended. Threads
/// made by a bare `clone` are not known to glibc, nor may they call it.
fn glibc_says_single() -> bool {
    static FLAG: OnceLock<Option<&'static AtomicU8>> = OnceLock::new();
    let flag = FLAG.get_or_init(|| {
        let name = c"__libc_single_threaded";
        // SAFETY: the name is a C string; libc itself is never unloaded.
        let at = unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) };
        // SAFETY: not null, so it is glibc's byte, which lives for good.
        unsafe { at.cast::<AtomicU8>().as_ref() }
    });
    flag.is_some_and(|flag| flag.load(Ordering::Relaxed) != 0)
}

/// Whether the calling thread is the only one of the process. If that cannot
/// be found out, it is not.
///
/// Nobody but another thread can start a thread, so that a `true` stays true
/// until the caller starts one.
pub(crate) fn alone() -> bool {
    if glibc_says_single() {
        return true;
    }
    let mut tasks = TASKS
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner());
    let status = |tasks: &Option<OwnFile>| tasks.as_ref()?.get().map(|(_, status)| status);
    let known = status(&tasks).or_else(|| {
        *tasks = File::open("/proc/self/task").ok().and_then(OwnFile::new);
        status(&tasks)
    });
    // A folder has two links and one more for each folder in it: the threads.
    known.is_some_and(|status| status.st_nlink == 3)
}
