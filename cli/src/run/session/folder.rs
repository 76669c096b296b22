//! Where the files of a session are: the copy of the executable that runs, the
//! agent, and the images of edits.
//!
//! The folder goes when the session ends. One that was killed leaves its folder
//! behind, and perhaps a program that runs out of it: the next session removes what
//! nobody uses any more.

use std::fs::File;
use std::path::{Path, PathBuf};

/// What the folders' names begin with.
const PREFIX: &str = "run-";
/// A file that is locked for as long as the session lives.
const LOCK: &str = "lock";

/// A folder of this run's files, which goes with it.
pub(super) struct Folder {
    path: PathBuf,
    /// How many programs were started.
    starts: u32,
    _lock: File,
}

impl Folder {
    pub(super) fn new(parent: &Path) -> Result<Self, String> {
        let path = parent.join(format!("{PREFIX}{}", std::process::id()));
        clean(parent, &path);
        let fail = |e: std::io::Error| format!("{}: {e}", path.display());
        // Of a session that had this process's number.
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).map_err(fail)?;
        let lock = File::create(path.join(LOCK)).map_err(fail)?;
        lock.lock().map_err(fail)?;
        Ok(Self {
            path,
            starts: 0,
            _lock: lock,
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// A folder for the next program that is started.
    pub(super) fn next(&mut self) -> Result<PathBuf, String> {
        self.starts += 1;
        let folder = self.path.join(self.starts.to_string());
        std::fs::create_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
        Ok(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What stays is in the target folder, where nobody keeps things.
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

/// Removes folders of sessions that were killed, apart from those whose program
/// still runs.
fn clean(parent: &Path, own: &Path) {
    let entries = std::fs::read_dir(parent).into_iter().flatten().flatten();
    for entry in entries {
        let path = entry.path();
        let name = entry.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix(PREFIX));
        if let Some(number) = number
            && path != own
            && !has_session(&path, number)
            && !has_program(&path)
        {
            let _ = std::fs::remove_dir_all(&path);
        }
    }
}

fn has_session(folder: &Path, number: &str) -> bool {
    match File::open(folder.join(LOCK)) {
        Ok(lock) => matches!(lock.try_lock(), Err(std::fs::TryLockError::WouldBlock)),
        // It may be about to make one.
        Err(_) => Path::new("/proc").join(number).exists(),
    }
}

/// Whether a process runs a file of `folder`.
fn has_program(folder: &Path) -> bool {
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    processes
        .filter_map(|process| std::fs::read_link(process.path().join("exe")).ok())
        .any(|file| file.starts_with(folder))
}
