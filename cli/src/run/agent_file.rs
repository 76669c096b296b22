//! The libraries that are preloaded, which this program carries inside it.

use std::path::{Path, PathBuf};

/// Built by `build.rs`, for this machine.
const AGENT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/libmidair_agent.so"));
const OVERLAY: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/libmidair_overlay.so"));

/// The library for programs as a file in `folder`.
pub(crate) fn in_folder(folder: &Path) -> Result<PathBuf, String> {
    write(&folder.join("libmidair_agent.so"), AGENT)
}

/// The library for rustc.
pub(crate) fn overlay_in_folder(folder: &Path) -> Result<PathBuf, String> {
    write(&folder.join("libmidair_overlay.so"), OVERLAY)
}

fn write(path: &Path, library: &[u8]) -> Result<PathBuf, String> {
    std::fs::write(path, library).map_err(|e| format!("{}: {e}", path.display()))?;
    Ok(path.to_owned())
}
