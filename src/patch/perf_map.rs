//! Names for profilers: gates, copies and originals in `/tmp/perf-PID.map`.
//!
//! `perf report` looks there for code that is in no file, as just-in-time
//! compilers write it: a line for each piece of code, with start, size and name.
//! Written on request, since most programs are not profiled.
//!
//! `/tmp` is everybody's, so the file is opened without following a link and
//! written to only if it is a plain file of this user, under one name, that no
//! other user may write to. Several engines share one file by appending to it,
//! so what is there stays, unless it is older than this process: then it is of
//! an earlier one that had the same number. What midair wrote is written once;
//! where memory is given to another function later, the later line is the true
//! one.
//!
//! Not written are closures' stubs, and what is made after the call.

use super::registry::registry;
use crate::memory::process;
use std::collections::HashSet;
use std::fmt::{self, Write as _};
use std::fs::{File, Metadata};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

/// Why the names were not written.
#[derive(Debug)]
#[non_exhaustive]
pub enum PerfMapError {
    /// The file cannot be opened; a symbolic link is refused as well.
    Open {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The file is not one that only this user can have written.
    NotOurs {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The file cannot be written to.
    Write {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
}

impl fmt::Display for PerfMapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open { path, source } => write!(
                f,
                "cannot open {}: {source}; remove what is there, or let /tmp be written to",
                path.display()
            ),
            Self::NotOurs { path, why } => {
                write!(
                    f,
                    "will not write to {}: it {why}; remove it",
                    path.display()
                )
            }
            Self::Write { path, source } => {
                write!(f, "cannot write to {}: {source}", path.display())
            }
        }
    }
}

impl std::error::Error for PerfMapError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Open { source, .. } | Self::Write { source, .. } => Some(source),
            Self::NotOurs { .. } => None,
        }
    }
}

/// What was written already, and by which process.
static WRITTEN: Mutex<Option<(u32, HashSet<String>)>> = Mutex::new(None);

/// Tells profilers the names of the code that midair has made so far: writes
/// `/tmp/perf-PID.map`, with a line for each gate, copy and original of the
/// functions that are patched, and returns its path. Call it again after
/// patching more.
///
/// ```
/// # let target = std::process::id as fn() -> u32 as *const ();
/// // SAFETY: a pass-through.
/// let patch = unsafe { midair::patch_raw(target, |original| original) }?;
/// let path = midair::perf_map()?;
/// let map = std::fs::read_to_string(&path)?;
/// assert!(map.contains("midair gate of std::process::id"));
/// # std::fs::remove_file(path)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// The file stays when the process ends, as `perf report` reads it then. A
/// program in a mount namespace writes to the `/tmp` that it sees.
///
/// # Errors
///
/// [`PerfMapError`]: the file cannot be opened or written, or is not one that
/// only this user can have written.
pub fn perf_map() -> Result<PathBuf, PerfMapError> {
    let mut written = WRITTEN.lock().unwrap_or_else(PoisonError::into_inner);
    let this = process::id();
    if written.as_ref().is_none_or(|(process, _)| *process != this) {
        *written = None; // a child has a file of its own
    }
    // The number that the kernel knows, whoever has patched `getpid`.
    // SAFETY: takes no pointers.
    let id = unsafe { libc::syscall(libc::SYS_getpid) };
    let path = PathBuf::from(format!("/tmp/perf-{id}.map"));
    let (mut file, metadata) = open(&path)?;
    let write = |source| PerfMapError::Write {
        path: path.clone(),
        source,
    };
    let is_stale = || started().is_some_and(|start| metadata.modified().is_ok_and(|m| m < start));
    if written.is_none() && is_stale() {
        file.set_len(0).map_err(write)?;
    }
    let known = &mut written.get_or_insert_with(|| (this, HashSet::new())).1;
    let new: Vec<String> = lines().into_iter().filter(|l| !known.contains(l)).collect();
    // One write, so that lines of several engines do not mix.
    file.write_all(new.concat().as_bytes()).map_err(write)?;
    known.extend(new);
    Ok(path)
}

/// A line for each piece of code.
fn lines() -> Vec<String> {
    let registry = registry();
    let mut lines = Vec::new();
    for site in registry.sites.iter() {
        let name = site
            .located
            .name()
            .unwrap_or_else(|| format!("{:#x}", site.target()));
        for (what, start, len) in site.pieces() {
            let mut line = String::new();
            // Writing to a string cannot fail.
            let _ = writeln!(line, "{start:x} {len:x} midair {what} of {name}");
            lines.push(line);
        }
    }
    lines
}

fn open(path: &Path) -> Result<(File, Metadata), PerfMapError> {
    let error = |source| PerfMapError::Open {
        path: path.to_owned(),
        source,
    };
    let file = File::options()
        .append(true)
        .create(true)
        .mode(0o600)
        // A pipe must not be waited for.
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_CLOEXEC)
        .open(path)
        .map_err(error)?;
    let metadata = file.metadata().map_err(error)?;
    // SAFETY: takes nothing and cannot fail.
    let user = unsafe { libc::geteuid() };
    let why = if !metadata.is_file() {
        Some("is no plain file")
    } else if metadata.uid() != user {
        Some("belongs to another user")
    } else if metadata.nlink() != 1 {
        Some("has another name as well")
    } else if metadata.mode() & 0o022 != 0 {
        Some("may be written to by other users")
    } else {
        None
    };
    match why {
        None => Ok((file, metadata)),
        Some(why) => Err(PerfMapError::NotOurs {
            path: path.to_owned(),
            why,
        }),
    }
}

/// When this process started, as nearly as `/proc` tells.
fn started() -> Option<SystemTime> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The 22nd field, counted from behind the name, which may hold anything.
    let fields = stat.rsplit_once(')')?.1;
    let ticks: u64 = fields.split_whitespace().nth(19)?.parse().ok()?;
    // SAFETY: takes no pointers.
    let a_second = u64::try_from(unsafe { libc::sysconf(libc::_SC_CLK_TCK) }).ok()?;
    let mut now = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `now` has room for the answer.
    if unsafe { libc::clock_gettime(libc::CLOCK_BOOTTIME, &mut now) } != 0 {
        return None;
    }
    let since_boot = Duration::new(now.tv_sec.try_into().ok()?, now.tv_nsec.try_into().ok()?);
    let at = Duration::from_millis(ticks * 1000 / a_second.max(1));
    SystemTime::now().checked_sub(since_boot.saturating_sub(at))
}
