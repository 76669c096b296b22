//! What can go wrong while a library is loaded and run.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// The result of this crate's functions.
pub type Result<T> = std::result::Result<T, Error>;

/// A library that could not be loaded, or did something it must not.
#[derive(Debug)]
pub enum Error {
    /// The dynamic linker did not load the library.
    Load {
        /// The library asked for.
        library: PathBuf,
        /// What the dynamic linker says.
        source: libloading::Error,
    },
    /// The library lacks a function that the workload needs.
    Function {
        /// Its name.
        name: &'static str,
        /// What the dynamic linker says.
        source: libloading::Error,
    },
    /// A call returned what it must not.
    Call {
        /// The call, or what was checked.
        what: String,
        /// What it returned.
        returned: i64,
    },
    /// Two things differ that must be equal.
    Differs {
        /// What was compared.
        what: String,
    },
    /// A file of the test itself failed.
    File {
        /// Where.
        path: PathBuf,
        /// How.
        source: io::Error,
    },
}

impl Error {
    /// `what` returned `returned`.
    pub(crate) fn call(what: impl Into<String>, returned: impl Into<i64>) -> Self {
        Self::Call {
            what: what.into(),
            returned: returned.into(),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Load { library, .. } => write!(f, "failed to load {}", library.display()),
            Self::Function { name, .. } => write!(f, "failed to find the function {name}"),
            Self::Call { what, returned } => write!(f, "{what} returned {returned}"),
            Self::Differs { what } => write!(f, "{what} differs"),
            Self::File { path, .. } => write!(f, "failed to use {}", path.display()),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Load { source, .. } | Self::Function { source, .. } => Some(source),
            Self::File { source, .. } => Some(source),
            Self::Call { .. } | Self::Differs { .. } => None,
        }
    }
}

/// Fails with what was compared unless `equal`.
pub(crate) fn ensure(equal: bool, what: impl Into<String>) -> Result<()> {
    if equal {
        Ok(())
    } else {
        Err(Error::Differs { what: what.into() })
    }
}
