//! The one call that opens the control socket.

use super::ControlError;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Where this process can be controlled.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Served {
    /// The Unix socket.
    pub path: PathBuf,
    /// The loopback address, if one was asked for, and the file with its token.
    pub tcp: Option<(SocketAddr, PathBuf)>,
}

/// How the control socket is opened. [`serve`] is the default.
///
/// ```no_run
/// // Also 127.0.0.1:7700, for whoever can read the token.
/// let served = midair::control::Options::new().loopback(7700).serve()?;
/// # Ok::<(), midair::control::ControlError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Options {
    pub(super) port: Option<u16>,
    pub(super) quiet: bool,
}

impl Options {
    /// A Unix socket only.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Listens on this port of 127.0.0.1 too (0: any free one). A connection's
    /// first line there must be `token` and the 32 digits that stand in a file that
    /// only this user can read; the path of the file is shown. Any user of the
    /// machine can connect to the port, and none gets further without them.
    #[must_use]
    pub fn loopback(mut self, port: u16) -> Self {
        self.port = Some(port);
        self
    }

    /// Does not show the path on stderr.
    #[must_use]
    pub fn quiet(mut self) -> Self {
        self.quiet = true;
        self
    }

    /// Opens the socket. A process has one: a later call returns what the first did, and
    /// adds the loopback if it asks for it and there is none. Under `cargo midair run`
    /// the socket is there already, and its path was shown.
    ///
    /// # Errors
    ///
    /// [`ControlError`]. The program runs on without.
    pub fn serve(&self) -> Result<Served, ControlError> {
        #[cfg(any(debug_assertions, feature = "control"))]
        if let Some(served) = super::copies::serve(self) {
            return served;
        }
        self.serve_own()
    }

    /// The same without asking whether there is an agent: for the agent.
    pub(crate) fn serve_own(&self) -> Result<Served, ControlError> {
        #[cfg(any(debug_assertions, feature = "control"))]
        return super::socket::open(self);
        #[cfg(not(any(debug_assertions, feature = "control")))]
        return Err(ControlError::Absent);
    }
}

/// Opens the control socket of this process and shows its path on stderr.
///
/// Whoever runs as the same user can then look at the program and change it: with
/// `cargo midair repl`, `cargo midair attach`, or `nc -U PATH`; `help` says how. There
/// is no socket without this call, unless `cargo midair run` has opened one. In builds without debug assertions (release builds)
/// the call is an error and the code behind it is not there, unless midair's feature
/// `control` is on.
///
/// A program that can go on without writes `let _ = midair::control::serve();`.
///
/// ```
/// # #[cfg(debug_assertions)] {
/// let served = midair::control::serve()?;
/// assert!(served.path.exists());
/// # }
/// # Ok::<(), midair::control::ControlError>(())
/// ```
///
/// # Errors
///
/// As for [`Options::serve`].
pub fn serve() -> Result<Served, ControlError> {
    Options::new().serve()
}
