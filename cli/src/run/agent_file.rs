//! The agent's library, which this program carries inside it.

use std::path::{Path, PathBuf};

/// Built by `build.rs`, for this machine.
const AGENT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/libmidair_agent.so"));

/// The library as a file in `folder`.
pub(crate) fn in_folder(folder: &Path) -> Result<PathBuf, String> {
    let path = folder.join("libmidair_agent.so");
    std::fs::write(&path, AGENT).map_err(|e| format!("{}: {e}", path.display()))?;
    Ok(path)
}
