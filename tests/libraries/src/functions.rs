//! Hand-declared C functions, looked up by name when a library is loaded.
//!
//! No binding crate is used, since that would link its own copy of the library.

use crate::{Error, Result};
use libloading::Library;
use std::path::Path;

/// Declares a table of C functions with `load`, which looks up all of them.
macro_rules! functions {
    ($(#[$doc:meta])* $visible:vis struct $table:ident {
        $(fn $name:ident $arguments:tt $(-> $result:ty)?;)*
    }) => {
        $(#[$doc])*
        #[allow(non_snake_case, reason = "the functions keep their names in C")]
        $visible struct $table {
            $($visible $name: unsafe extern "C" fn $arguments $(-> $result)?,)*
        }

        impl $table {
            /// Looks up every function in `library`.
            $visible fn load(library: &libloading::Library) -> $crate::Result<Self> {
                Ok(Self {
                    $(
                        // SAFETY: the signature is the one that the library's documentation gives.
                        $name: unsafe { $crate::functions::find(library, stringify!($name)) }?,
                    )*
                })
            }
        }
    };
}
pub(crate) use functions;

/// Loads the library at `path`.
pub(crate) fn open(path: &Path) -> Result<Library> {
    // SAFETY: the libraries of this crate and those it is meant for have no constructors that matter.
    unsafe { Library::new(path) }.map_err(|source| Error::Load {
        library: path.to_path_buf(),
        source,
    })
}

/// Looks up the function `name`.
///
/// # Safety
///
/// `T` is a pointer to a function of its signature, not called once `library`
/// is gone.
pub(crate) unsafe fn find<T: Copy>(library: &Library, name: &'static str) -> Result<T> {
    // SAFETY: the caller names the type.
    unsafe { library.get::<T>(name) }
        .map(|symbol| *symbol)
        .map_err(|source| Error::Function { name, source })
}
