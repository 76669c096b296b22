//! Files of this process beside its socket: removed when it ends, or by the next
//! program that finds nobody at the socket.

use crate::control::ControlError;
use crate::control::place;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, Once, PoisonError};

/// With the process that they are of.
static FILES: Mutex<Vec<(u32, PathBuf)>> = Mutex::new(Vec::new());
static AT_EXIT: Once = Once::new();

/// Removes the file when the process ends by itself. A signal that kills it leaves
/// the file to [`sweep`].
pub(in crate::control) fn remove_at_exit(path: &Path) {
    FILES
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push((std::process::id(), path.to_owned()));
    AT_EXIT.call_once(|| {
        // SAFETY: a function that may run in any thread at the end. If there is no
        // room for it, files stay for the next program.
        unsafe { libc::atexit(remove) };
    });
}

extern "C" fn remove() {
    // A thread that died with the lock has left the list as it is.
    let Ok(files) = FILES.try_lock() else { return };
    let this = std::process::id();
    for (process, path) in files.iter() {
        if *process == this {
            // Nobody is there to be told.
            let _ = std::fs::remove_file(path);
        }
    }
}

/// Removes what programs have left that did not end by themselves.
pub(super) fn sweep(folder: &Path) -> Result<(), ControlError> {
    for socket in place::list(folder)? {
        if place::is_alive(&socket.path) {
            continue;
        }
        let stem = socket.path.file_stem().unwrap_or_default().to_owned();
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            if belongs(&entry.file_name(), &stem) {
                // Somebody else may sweep as well.
                let _ = std::fs::remove_file(entry.path());
            }
        }
    }
    Ok(())
}

/// Whether the name is the stem, a dot and more.
fn belongs(name: &OsStr, stem: &OsStr) -> bool {
    let rest = name
        .as_encoded_bytes()
        .strip_prefix(stem.as_encoded_bytes());
    rest.is_some_and(|rest| rest.starts_with(b"."))
}
