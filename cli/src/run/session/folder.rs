//! Where the files of a session are: the copy of the executable that runs, the
//! agent, and the images of edits.

use std::path::{Path, PathBuf};

/// A folder of this run's files, which goes with it.
pub(super) struct Folder(pub(super) PathBuf);

impl Folder {
    pub(super) fn new(parent: &Path) -> Result<Self, String> {
        let folder = parent.join(format!("run-{}", std::process::id()));
        std::fs::create_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
        Ok(Self(folder))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What stays is in the target folder, where nobody keeps things.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
