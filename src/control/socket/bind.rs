//! A Unix socket that only this user can open, at a path that nobody can prepare.
//!
//! It is bound under a name of its own and listens before it gets its real name by a
//! rename, which follows no symbolic link. Its mode is set before it has any name:
//! the kernel gives a bound socket the mode of its descriptor.

use crate::control::ControlError;
use crate::control::place;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::UnixListener;
use std::path::Path;

/// Connections that wait to be accepted.
const BACKLOG: i32 = 16;

pub(super) fn bind(path: &Path) -> Result<UnixListener, ControlError> {
    make_room(path)?;
    let hidden = path.with_extension("new");
    let system = |what, source| ControlError::System {
        what,
        path: path.to_owned(),
        source,
    };
    match std::fs::remove_file(&hidden) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(system("make room for", e)),
        _ => {}
    }
    let socket = listen(&hidden)?;
    let named = check_mode(&hidden).and_then(|()| std::fs::rename(&hidden, path));
    if let Err(source) = named {
        // The error is told; what it leaves behind is swept by the next program.
        let _ = std::fs::remove_file(&hidden);
        return Err(system("name the socket", source));
    }
    Ok(UnixListener::from(socket))
}

/// Removes a socket of this user that nobody listens to, and nothing else.
fn make_room(path: &Path) -> Result<(), ControlError> {
    let occupied = |what| ControlError::Occupied {
        path: path.to_owned(),
        what,
    };
    let system = |source| ControlError::System {
        what: "make room for",
        path: path.to_owned(),
        source,
    };
    let metadata = match path.symlink_metadata() {
        Ok(metadata) => metadata,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(system(e)),
    };
    let kind = metadata.file_type();
    if kind.is_symlink() {
        return Err(occupied("a symbolic link, which is not followed"));
    }
    if !kind.is_socket() {
        return Err(occupied("no socket"));
    }
    if metadata.uid() != place::user() {
        return Err(occupied("a socket of another user"));
    }
    if place::is_alive(path) {
        return Err(occupied(
            "a socket that somebody listens to: another copy of midair in this process",
        ));
    }
    std::fs::remove_file(path).map_err(system)
}

fn listen(path: &Path) -> Result<OwnedFd, ControlError> {
    let system = || ControlError::System {
        what: "open the socket",
        path: path.to_owned(),
        source: io::Error::last_os_error(),
    };
    // SAFETY: all-zero is a valid address of no family.
    let mut address: libc::sockaddr_un = unsafe { std::mem::zeroed() };
    address.sun_family = libc::AF_UNIX as libc::sa_family_t;
    let bytes = path.as_os_str().as_bytes();
    if bytes.len() >= address.sun_path.len() {
        let path = path.to_owned();
        return Err(ControlError::TooLong { path });
    }
    for (to, from) in address.sun_path.iter_mut().zip(bytes) {
        *to = from.cast_signed() as libc::c_char;
    }
    // SAFETY: takes no pointers.
    let socket = unsafe { libc::socket(libc::AF_UNIX, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0) };
    if socket < 0 {
        return Err(system());
    }
    // SAFETY: a new descriptor, nobody else's.
    let socket = unsafe { OwnedFd::from_raw_fd(socket) };
    let descriptor = socket.as_raw_fd();
    let len = size_of::<libc::sockaddr_un>() as libc::socklen_t;
    // SAFETY: the address is of that length, and its path ends with a zero.
    let done = unsafe {
        libc::fchmod(descriptor, 0o600) == 0
            && libc::bind(descriptor, (&raw const address).cast(), len) == 0
            && libc::listen(descriptor, BACKLOG) == 0
    };
    if done { Ok(socket) } else { Err(system()) }
}

/// The kernel has done what this module relies on.
fn check_mode(path: &Path) -> io::Result<()> {
    let mode = path.symlink_metadata()?.mode() & 0o777;
    if mode & 0o077 == 0 {
        Ok(())
    } else {
        Err(io::Error::other(format!(
            "its mode is {mode:o} and not 600"
        )))
    }
}
