//! The control socket: who may connect, and what is said over it.
//!
//! - [`bind`]: a socket that nobody else can open. [`peer`]: who connects.
//! - [`token`]: who may go on over TCP.
//! - [`lines`]: lines of limited length. [`json`]: the little of JSON that is needed.
//! - [`session`]: one connection: a line in, an answer out.
//! - [`own_files`]: what this process puts beside its socket, until it ends.
//!
//! Each connection has a thread of its own, which takes none of the program's
//! signals. At most [`MOST`] are served at a time.

mod bind;
pub(super) mod json;
mod lines;
pub(super) mod own_files;
mod peer;
pub(super) mod session;
mod token;

use super::place;
use super::{ControlError, Options, Served};
use crate::threads::quiet;
use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Connections at a time.
const MOST: usize = 16;
/// How long a client may take to read an answer, and to send its token.
const PATIENCE: Duration = Duration::from_secs(10);

/// The socket, and the process that it is of: a child of a fork has none.
static SERVED: Mutex<Option<(u32, Served)>> = Mutex::new(None);
/// Open connections. Over TCP any user can hold them: they have a number of their own.
static OVER_UNIX: AtomicUsize = AtomicUsize::new(0);
static OVER_TCP: AtomicUsize = AtomicUsize::new(0);

pub(super) fn open(options: &Options) -> Result<Served, ControlError> {
    let mut known = SERVED.lock().unwrap_or_else(PoisonError::into_inner);
    let this = std::process::id();
    let before = known.take().filter(|(pid, _)| *pid == this);
    let is_new = before.is_none();
    let mut served = match before {
        Some((_, served)) => served,
        None => Served {
            path: open_unix()?,
            tcp: None,
        },
    };
    *known = Some((this, served.clone()));
    if let (Some(port), None) = (options.port, &served.tcp) {
        served.tcp = Some(open_tcp(&served.path, port)?);
        *known = Some((this, served.clone()));
    } else if !is_new {
        return Ok(served);
    }
    drop(known);
    if !options.quiet {
        show(&served);
    }
    Ok(served)
}

fn open_unix() -> Result<PathBuf, ControlError> {
    let folder = place::folder()?;
    own_files::sweep(&folder)?;
    let path = folder.join(place::socket_name(&place::stem()));
    let listener = bind::bind(&path)?;
    own_files::remove_at_exit(&path);
    start("midair-control", move || accept_unix(&listener))
        .map_err(|e| system("start a thread for", &path, e))?;
    Ok(path)
}

/// Also here; and the file with the token.
fn open_tcp(socket: &Path, port: u16) -> Result<(SocketAddr, PathBuf), ControlError> {
    let path = socket.with_extension("token");
    let token = token::write(&path)?;
    own_files::remove_at_exit(&path);
    let listening = |e| system("listen on the loopback for", socket, e);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(listening)?;
    let address = listener.local_addr().map_err(listening)?;
    start("midair-control-tcp", move || accept_tcp(&listener, &token))
        .map_err(|e| system("start a thread for", socket, e))?;
    Ok((address, path))
}

fn system(what: &'static str, path: &Path, source: io::Error) -> ControlError {
    let path = path.to_owned();
    ControlError::System { what, path, source }
}

/// Where the path is seen: on stderr, whose loss must not stop the program.
fn show(served: &Served) {
    let pid = std::process::id();
    let mut err = io::stderr().lock();
    let _ = writeln!(
        err,
        "midair: control socket {}; `cargo midair repl {pid}`",
        served.path.display()
    );
    if let Some((address, token)) = &served.tcp {
        let _ = writeln!(
            err,
            "midair: also {address}; the token is in {}",
            token.display()
        );
    }
}

fn accept_unix(listener: &UnixListener) {
    loop {
        match listener.accept() {
            Ok((stream, _)) => {
                let refused = peer::check(&stream).err();
                serve(
                    &OVER_UNIX,
                    refused,
                    stream,
                    |stream| stream.try_clone(),
                    |stream| stream.set_write_timeout(Some(PATIENCE)),
                    |stream| session::talk(stream.0, stream.1),
                );
            }
            Err(error) => pause(&error),
        }
    }
}

fn accept_tcp(listener: &TcpListener, token: &str) {
    loop {
        match listener.accept() {
            Ok((stream, _)) => {
                let token = token.to_owned();
                serve(
                    &OVER_TCP,
                    None,
                    stream,
                    |stream| stream.try_clone(),
                    |stream| {
                        stream.set_write_timeout(Some(PATIENCE))?;
                        stream.set_read_timeout(Some(PATIENCE))
                    },
                    move |(input, output)| {
                        let waits = input.try_clone()?;
                        token::talk(input, output, &token, || waits.set_read_timeout(None))
                    },
                );
            }
            Err(error) => pause(&error),
        }
    }
}

/// No descriptor, or no memory: there may be some later.
fn pause(error: &io::Error) {
    if error.kind() != io::ErrorKind::Interrupted {
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Serves a connection in a thread of its own, or says why not.
fn serve<S: Write + Send + 'static>(
    open: &'static AtomicUsize,
    refused: Option<String>,
    mut stream: S,
    clone: impl FnOnce(&S) -> io::Result<S>,
    limit: impl FnOnce(&S) -> io::Result<()>,
    talk: impl FnOnce((S, S)) -> io::Result<()> + Send + 'static,
) {
    if limit(&stream).is_err() {
        return;
    }
    let many = open.load(Ordering::Relaxed) >= MOST;
    let refused = refused.or_else(|| many.then(|| format!("{MOST} connections are open already")));
    if let Some(why) = refused {
        // Whoever has gone away need not be told.
        let _ = writeln!(stream, "error: {why}");
        return;
    }
    let Ok(input) = clone(&stream) else { return };
    open.fetch_add(1, Ordering::Relaxed);
    let counted = Counted(open);
    // Without a thread the connection is closed, which is the answer.
    let _ = start("midair-client", move || {
        let _counted = counted;
        // An error here is a client that has gone away.
        let _ = talk((input, stream));
    });
}

struct Counted(&'static AtomicUsize);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn start(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    quiet::spawn(name, work)
}

#[cfg(test)]
mod fuzz;
