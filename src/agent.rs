//! The agent of `cargo midair run`: hot reload, and the control socket of the process.

use crate::{control, reload};

/// Starts the agent of hot reload and opens the control socket, if this process was
/// started by `cargo midair run`; answers whether it was.
///
/// `cargo midair run` preloads a library that calls this, so most programs need
/// not. A static executable cannot be preloaded into: call it at the start of
/// `main`, before there are other threads.
pub fn agent() -> bool {
    let serve = || {
        let served = control::Options::new().quiet().serve_own();
        match served {
            Ok(served) => Ok(served.path.display().to_string()),
            Err(error) => Err(error.to_string()),
        }
    };
    reload::start(serve, control::keep_above)
}
