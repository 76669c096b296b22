//! Opening the files that commands are about.

use crate::error::Error;
use midair::symbols::{Image, Machine};
use std::path::Path;

/// A file whose code the engine understands.
pub(crate) fn open_for_patching(path: &Path) -> Result<Image, Error> {
    let image = Image::open(path)?;
    match image.machine() {
        Machine::X86_64 => Ok(image),
        _ => Err(Error::Aarch64 {
            path: path.to_path_buf(),
        }),
    }
}
