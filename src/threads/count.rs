//! Is anybody else running?

use std::fs::File;
use std::os::fd::AsRawFd;
use std::sync::Mutex;

/// `/proc/self/task`, kept open with the process that it is of: after a fork
/// the inherited one counts the parent's threads.
static TASKS: Mutex<Option<(u32, File)>> = Mutex::new(None);

/// The answer of [`alone`], asked for at most once and only if need be.
pub(crate) type Alone = std::cell::LazyCell<bool>;

/// Whether the calling thread is the only one of the process. If that cannot
/// be found out, it is not.
///
/// Nobody but another thread can start a thread, so that a `true` stays true
/// until the caller starts one.
pub(crate) fn alone() -> bool {
    let mut tasks = TASKS
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner());
    let pid = crate::memory::process::id();
    if tasks.as_ref().is_none_or(|(owner, _)| *owner != pid) {
        *tasks = File::open("/proc/self/task").ok().map(|file| (pid, file));
    }
    let Some((_, file)) = tasks.as_ref() else {
        return false;
    };
    let mut status = std::mem::MaybeUninit::<libc::stat>::uninit();
    // SAFETY: the descriptor is open and `status` has room for the answer.
    if unsafe { libc::fstat(file.as_raw_fd(), status.as_mut_ptr()) } != 0 {
        return false;
    }
    // A folder has two links and one more for each folder in it: the threads.
    // SAFETY: fstat succeeded and filled it.
    unsafe { status.assume_init() }.st_nlink == 3
}
