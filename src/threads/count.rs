//! Is anybody else running?

use crate::memory::own_file::OwnFile;
use std::fs::File;
use std::sync::Mutex;

/// `/proc/self/task`.
static TASKS: Mutex<Option<OwnFile>> = Mutex::new(None);

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
    let status = |tasks: &Option<OwnFile>| tasks.as_ref()?.get().map(|(_, status)| status);
    let known = status(&tasks).or_else(|| {
        *tasks = File::open("/proc/self/task").ok().and_then(OwnFile::new);
        status(&tasks)
    });
    // A folder has two links and one more for each folder in it: the threads.
    known.is_some_and(|status| status.st_nlink == 3)
}
