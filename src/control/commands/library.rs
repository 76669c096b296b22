//! A function of a library file.
//!
//! The dynamic linker knows a file by its inode and gives what it loaded first when it
//! is asked for it again; and a file that is overwritten while it is loaded crashes
//! its program. So what is loaded is a copy, beside the control socket, removed when
//! the process ends. A library stays loaded for good: nobody knows who has a pointer
//! into it.

use crate::control::place;
use crate::control::socket::own_files;
use crate::symbols::Symbol;
use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

static LOADED: AtomicU32 = AtomicU32::new(0);

/// The function called `name` of a copy of the file: an exported name, or a Rust path
/// if the file has its symbols.
pub(super) fn function(file: &Path, name: &str) -> Result<Symbol, String> {
    let copy = copy(file)?;
    // The caller wants what the file does when it is loaded, and says so by its name.
    // SAFETY: as above.
    let library = unsafe { Library::open(Some(&copy), RTLD_NOW | RTLD_LOCAL) };
    let library = library.map_err(|e| {
        let why = std::error::Error::source(&e).map_or_else(String::new, |why| format!(" ({why})"));
        format!("{} cannot be loaded: {e}{why}", file.display())
    })?;
    // SAFETY: only its address is looked at.
    let exported = unsafe { library.get::<*const ()>(name.as_bytes()) };
    let exported = exported.ok().map(|symbol| symbol.into_raw() as usize);
    std::mem::forget(library);
    let query = match exported {
        Some(address) if address != 0 => format!("{address:#x}"),
        _ => {
            let module = copy.file_name().unwrap_or_default().to_string_lossy();
            format!("{module}::{name}")
        }
    };
    crate::symbol(&query).map_err(|e| format!("{} has no function `{name}`: {e}", file.display()))
}

fn copy(file: &Path) -> Result<PathBuf, String> {
    let folder = place::folder().map_err(|e| e.to_string())?;
    let number = LOADED.fetch_add(1, Ordering::Relaxed) + 1;
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let copy = folder.join(format!("{}.{number}.{name}", place::stem()));
    let failed = |e: std::io::Error| format!("cannot read {}: {e}", file.display());
    // A pipe or a device would be read for ever.
    let is_file = std::fs::metadata(file).map_err(failed)?.is_file();
    if !is_file {
        return Err(format!("{} is no plain file", file.display()));
    }
    own_files::remove_at_exit(&copy);
    std::fs::copy(file, &copy)
        .map_err(|e| format!("cannot copy {} to {}: {e}", file.display(), copy.display()))?;
    Ok(copy)
}
