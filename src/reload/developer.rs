//! The way back: the program asks `cargo midair run`, which has the sources and the
//! compiler.

use super::protocol::{self, Question, Told};
use std::os::unix::net::UnixStream;
use std::sync::{Mutex, PoisonError};
use std::{fmt, io};

/// The socket, and the process that it is of: a child of a fork has none.
static DEVELOPER: Mutex<Option<(u32, UnixStream)>> = Mutex::new(None);

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum Unheard {
    /// The program was not started by `cargo midair run`, or that has ended.
    Nobody,
    /// The connection broke.
    Lost(io::Error),
}

impl fmt::Display for Unheard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nobody => f.write_str(
                "not available: only `cargo midair run` has the sources and the compiler; \
                 start the program by it",
            ),
            Self::Lost(error) => write!(
                f,
                "`cargo midair run` is gone ({error}); the program runs on as it is"
            ),
        }
    }
}

impl std::error::Error for Unheard {}

pub(super) fn connect(socket: UnixStream) {
    let mut known = DEVELOPER.lock().unwrap_or_else(PoisonError::into_inner);
    *known = Some((std::process::id(), socket));
}

/// Waits for its turn, asks, and waits for the answer, which may take as long as a build.
///
/// # Errors
///
/// [`Unheard`].
pub(crate) fn ask(question: &Question) -> Result<Told, Unheard> {
    let mut known = DEVELOPER.lock().unwrap_or_else(PoisonError::into_inner);
    let Some((process, socket)) = known.as_mut() else {
        return Err(Unheard::Nobody);
    };
    if *process != std::process::id() {
        return Err(Unheard::Nobody);
    }
    let told = protocol::send(socket, question).and_then(|()| protocol::receive(socket));
    told.map_err(|error| {
        // Half an answer may be in it.
        *known = None;
        Unheard::Lost(error)
    })
}
