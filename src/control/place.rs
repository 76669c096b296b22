//! Where control sockets are: how a program names its own and how others find it.
//!
//! The folder is `$XDG_RUNTIME_DIR/midair`, or `/tmp/midair-UID` where that variable
//! is not set. It is this user's and closed to all others (0700); a folder that is
//! not, or a symbolic link in its place, is not used. A program called `shop` with the
//! number 4711 has `shop-4711.sock` there, and what else is its own beside it, under
//! names that begin with `shop-4711.`.

use super::ControlError;
#[cfg(any(debug_assertions, feature = "control"))]
use std::fs::DirBuilder;
use std::fs::{File, Metadata};
use std::io;
#[cfg(any(debug_assertions, feature = "control"))]
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

const SOCKET: &str = "sock";
/// Longer names of programs are cut: the kernel takes 107 bytes for the whole path.
#[cfg(any(debug_assertions, feature = "control"))]
const LONGEST_NAME: usize = 40;

/// A control socket in this user's folders.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Socket {
    /// The program: the file name of its executable.
    pub name: String,
    /// The process.
    pub pid: u32,
    /// Where it is.
    pub path: PathBuf,
}

/// The control sockets of this user's processes that answer now.
///
/// # Errors
///
/// A folder is there and cannot be read. Without one there are no sockets.
pub fn sockets() -> Result<Vec<Socket>, ControlError> {
    let mut found = Vec::new();
    for folder in [runtime_folder(), Some(temporary_folder())] {
        let Some(folder) = folder.filter(|folder| folder.symlink_metadata().is_ok()) else {
            continue;
        };
        check(&folder)?;
        let answers = list(&folder)?;
        found.extend(answers.into_iter().filter(|one| is_alive(&one.path)));
    }
    found.sort_by(|a, b| (&a.name, a.pid).cmp(&(&b.name, b.pid)));
    Ok(found)
}

/// All sockets of a folder, alive or not.
pub(super) fn list(folder: &Path) -> Result<Vec<Socket>, ControlError> {
    let system = |source| ControlError::System {
        what: "list",
        path: folder.to_owned(),
        source,
    };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(system)? {
        let path = entry.map_err(system)?.path();
        let is_socket = path
            .symlink_metadata()
            .is_ok_and(|m| m.file_type().is_socket() && m.uid() == user());
        if path.extension().is_none_or(|e| e != SOCKET) || !is_socket {
            continue;
        }
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        let parts = stem.rsplit_once('-');
        if let Some((name, Ok(pid))) = parts.map(|(name, pid)| (name, pid.parse())) {
            let name = name.to_owned();
            found.push(Socket { name, pid, path });
        }
    }
    Ok(found)
}

/// Whether somebody listens.
pub(super) fn is_alive(socket: &Path) -> bool {
    !matches!(
        UnixStream::connect(socket),
        Err(e) if matches!(e.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound)
    )
}

/// The folder of this process's socket, made if it is not there.
#[cfg(any(debug_assertions, feature = "control"))]
pub(super) fn folder() -> Result<PathBuf, ControlError> {
    let path = runtime_folder().unwrap_or_else(temporary_folder);
    match DirBuilder::new().mode(0o700).create(&path) {
        Ok(()) => {}
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
        Err(source) => {
            return Err(ControlError::System {
                what: "make the folder",
                path,
                source,
            });
        }
    }
    check(&path)?;
    Ok(path)
}

fn runtime_folder() -> Option<PathBuf> {
    let path = PathBuf::from(std::env::var_os("XDG_RUNTIME_DIR")?);
    path.is_absolute().then(|| path.join("midair"))
}

fn temporary_folder() -> PathBuf {
    PathBuf::from(format!("/tmp/midair-{}", user()))
}

/// Nobody else may have made the folder or may change what is in it.
fn check(path: &Path) -> Result<(), ControlError> {
    let folder = |why: &str| ControlError::Folder {
        path: path.to_owned(),
        why: why.to_owned(),
    };
    // `stat` of what was opened: nothing can be exchanged in between.
    let opened = File::options()
        .read(true)
        .custom_flags(libc::O_DIRECTORY | libc::O_NOFOLLOW | libc::O_CLOEXEC)
        .open(path);
    let metadata: Metadata = match opened.and_then(|opened| opened.metadata()) {
        Ok(metadata) => metadata,
        Err(e) => {
            return Err(match e.raw_os_error() {
                Some(libc::ELOOP | libc::ENOTDIR) => folder("is a symbolic link or no folder"),
                Some(libc::EACCES) => folder("belongs to another user"),
                _ => ControlError::System {
                    what: "open",
                    path: path.to_owned(),
                    source: e,
                },
            });
        }
    };
    if metadata.uid() != user() {
        return Err(folder("belongs to another user"));
    }
    if metadata.mode() & 0o077 != 0 {
        return Err(folder("is open to other users (its mode should be 0700)"));
    }
    Ok(())
}

/// The effective user of this process.
pub(super) fn user() -> u32 {
    // SAFETY: takes nothing and cannot fail.
    unsafe { libc::geteuid() }
}

/// What names of this process's files begin with: `shop-4711`.
#[cfg(any(debug_assertions, feature = "control"))]
pub(super) fn stem() -> String {
    let executable = std::env::current_exe().unwrap_or_default();
    let name = executable.file_name().unwrap_or_default().to_string_lossy();
    let mut safe: String = name
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || "._-".contains(c) {
                c
            } else {
                '_'
            }
        })
        .take(LONGEST_NAME)
        .collect();
    if safe.is_empty() {
        safe.push('_');
    }
    format!("{safe}-{}", std::process::id())
}

#[cfg(any(debug_assertions, feature = "control"))]
pub(super) fn socket_name(stem: &str) -> String {
    format!("{stem}.{SOCKET}")
}
