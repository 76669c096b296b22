//! Why there is no control socket.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why the control socket was not opened or not found.
#[non_exhaustive]
pub enum ControlError {
    /// midair was built without debug assertions and without its feature `control`.
    Absent,
    /// The folder for sockets cannot be made or cannot be trusted.
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// Something that is not ours to remove stands where the socket is to be.
    Occupied {
        /// Where.
        path: PathBuf,
        /// What it is.
        what: &'static str,
    },
    /// The path is longer than the kernel takes for a socket.
    TooLong {
        /// The path.
        path: PathBuf,
    },
    /// The program was started by `cargo midair run`, whose agent has no socket.
    Agent {
        /// What it says.
        why: String,
    },
    /// The operating system refused.
    System {
        /// What was to be done.
        what: &'static str,
        /// What it was about.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
}

/// As `Display`: it is what a `main` that returns the error shows.
impl fmt::Debug for ControlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for ControlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str(
                "this build has no control socket; build without --release, or midair with its \
                 feature `control`",
            ),
            Self::Folder { path, why } => write!(
                f,
                "will not use the folder {}: it {why}; remove it, or set XDG_RUNTIME_DIR",
                path.display()
            ),
            Self::Occupied { path, what } => {
                write!(f, "{} is {what}; remove it", path.display())
            }
            Self::TooLong { path } => write!(
                f,
                "the path {} is too long for a socket; set XDG_RUNTIME_DIR to a shorter one",
                path.display()
            ),
            Self::Agent { why } => {
                write!(f, "the agent of `cargo midair run` has no socket: {why}")
            }
            Self::System { what, path, source } => {
                write!(f, "cannot {what} {}: {source}", path.display())
            }
        }
    }
}

impl std::error::Error for ControlError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::System { source, .. } => Some(source),
            _ => None,
        }
    }
}
