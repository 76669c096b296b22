//! The threads of this process, as `/proc/self/task` shows them.
//!
//! A list is what was there while it was read: threads that start or end
//! meanwhile may be missing, so whoever needs all of them lists again until
//! nothing is new.

use super::system_call::thread_id;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// A thread's id.
pub(crate) type Tid = i32;

/// Flags of `stat` (linux/sched.h).
const PF_EXITING: u64 = 0x4;
const PF_IO_WORKER: u64 = 0x10;
const PF_USER_WORKER: u64 = 0x4000;

/// What a thread runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Code of this process.
    User,
    /// Nothing any more: it is on its way out, or a zombie, as a first thread
    /// that ended before the others is.
    Ended,
    /// The kernel's code only: a worker of io_uring or vhost.
    Worker,
}

/// A thread at one moment.
#[derive(Clone, Debug)]
pub(crate) struct Task {
    pub(crate) tid: Tid,
    pub(crate) name: String,
    pub(crate) kind: Kind,
    /// The signals it blocks; signal 1 is bit 0.
    pub(crate) blocked: u64,
    pub(crate) switches: Switches,
}

/// How often it was taken off its core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Switches {
    /// It went to sleep.
    pub(crate) voluntary: u64,
    /// Others had their turn.
    pub(crate) involuntary: u64,
}

impl Task {
    /// Whether it blocks this signal.
    pub(crate) fn blocks(&self, signal: libc::c_int) -> bool {
        self.blocked & 1 << (signal - 1) != 0
    }

    /// Whether the kernel would kill it at a trap.
    pub(crate) fn blocks_trap(&self) -> bool {
        self.blocks(libc::SIGTRAP)
    }
}

/// The ids of all threads.
pub(crate) fn list() -> io::Result<Vec<Tid>> {
    let entries = std::fs::read_dir("/proc/self/task")?;
    let ids = entries.filter_map(|entry| match entry {
        Ok(entry) => Some(Ok(entry.file_name().to_str()?.parse().ok()?)),
        Err(error) => Some(Err(error)),
    });
    ids.collect()
}

/// The id of the calling thread.
pub(crate) fn own() -> Tid {
    thread_id() as Tid
}

/// A thread's status; none if it is gone.
pub(crate) fn status(tid: Tid) -> io::Result<Option<Task>> {
    let Some(stat) = TaskFile::open(tid, "stat")? else {
        return Ok(None);
    };
    let Some(status) = TaskFile::open(tid, "status")? else {
        return Ok(None);
    };
    let mut buffer = [0; BUFFER];
    let Some((name, state, flags)) = stat.read(&mut buffer)?.map(parse_stat).transpose()? else {
        return Ok(None);
    };
    let Some((switches, blocked)) = status.read(&mut buffer)?.map(parse_status).transpose()? else {
        return Ok(None);
    };
    Ok(Some(Task {
        tid,
        name,
        kind: kind_of(state, flags),
        blocked,
        switches,
    }))
}

pub(super) fn kind_of(state: u8, flags: u64) -> Kind {
    if matches!(state, b'Z' | b'X' | b'x') || flags & PF_EXITING != 0 {
        Kind::Ended
    } else if flags & (PF_IO_WORKER | PF_USER_WORKER) != 0 {
        Kind::Worker
    } else {
        Kind::User
    }
}

/// What a thread runs; none if it is gone.
pub(super) fn kind(tid: Tid) -> io::Result<Option<Kind>> {
    let Some(stat) = TaskFile::open(tid, "stat")? else {
        return Ok(None);
    };
    let mut buffer = [0; BUFFER];
    let parsed = stat.read(&mut buffer)?.map(parse_stat).transpose()?;
    Ok(parsed.map(|(_, state, flags)| kind_of(state, flags)))
}

/// How often a thread was switched; none if it is gone.
pub(super) fn switches(tid: Tid) -> io::Result<Option<Switches>> {
    let Some(status) = TaskFile::open(tid, "status")? else {
        return Ok(None);
    };
    let mut buffer = [0; BUFFER];
    let parsed = status.read(&mut buffer)?.map(parse_status).transpose()?;
    Ok(parsed.map(|(switches, _)| switches))
}

/// How many nanoseconds a thread has had a core; 0 where the kernel does not
/// count that, none if it is gone.
pub(super) fn time_on_core(tid: Tid) -> io::Result<Option<u64>> {
    let Some(file) = TaskFile::open(tid, "schedstat")? else {
        // The kernel may lack it (CONFIG_SCHED_INFO).
        return Ok(TaskFile::open(tid, "stat")?.map(|_| 0));
    };
    let mut buffer = [0; BUFFER];
    let Some(text) = file.read(&mut buffer)? else {
        return Ok(None);
    };
    let first = text.split_ascii_whitespace().next();
    first
        .and_then(|n| n.parse().ok())
        .map(Some)
        .ok_or_else(malformed)
}

/// Whether a thread has not had a core since it was started: it is in no code yet.
/// False where the kernel does not count turns.
pub(super) fn is_unborn(tid: Tid) -> io::Result<bool> {
    Ok(turns(tid)? == Some(0) && turns(own())?.is_some_and(|turns| turns > 0))
}

/// How often a thread was given a core; none if it is gone or nobody counts.
fn turns(tid: Tid) -> io::Result<Option<u64>> {
    let Some(file) = TaskFile::open(tid, "schedstat")? else {
        return Ok(None);
    };
    let mut buffer = [0; BUFFER];
    let text = file.read(&mut buffer)?;
    Ok(text.and_then(|text| text.split_ascii_whitespace().nth(2)?.parse().ok()))
}

/// Whether a thread blocks SIGTRAP; one that is gone does not. Reads only what
/// is cheap to read of many.
pub(crate) fn blocks_trap(tid: Tid) -> io::Result<bool> {
    let Some(stat) = TaskFile::open(tid, "stat")? else {
        return Ok(false);
    };
    let mut buffer = [0; BUFFER];
    let Some(text) = stat.read(&mut buffer)? else {
        return Ok(false);
    };
    // Field 32, `blocked`: the first 31 signals, in decimal (proc_pid_stat(5)).
    // The first field behind the name is number 3.
    let parse = || {
        let rest = text.rsplit_once(')')?.1;
        let blocked: u64 = rest.split_ascii_whitespace().nth(32 - 3)?.parse().ok()?;
        Some(blocked & 1 << (libc::SIGTRAP - 1) != 0)
    };
    parse().ok_or_else(malformed)
}

/// Longer than any `stat` or `status`.
pub(super) const BUFFER: usize = 4096;

/// A file of `/proc/self/task/T`, which speaks of the same thread as long as it
/// is open.
pub(super) struct TaskFile(File);

impl TaskFile {
    /// None if there is no such thread.
    pub(super) fn open(tid: Tid, name: &str) -> io::Result<Option<TaskFile>> {
        match File::open(format!("/proc/self/task/{tid}/{name}")) {
            Ok(file) => Ok(Some(TaskFile(file))),
            Err(error) => gone(error).map(|()| None),
        }
    }

    /// What it says now; none if the thread is gone.
    pub(super) fn read<'b>(&self, buffer: &'b mut [u8; BUFFER]) -> io::Result<Option<&'b str>> {
        let length = match self.0.read_at(buffer, 0) {
            Ok(length) => length,
            Err(error) => return gone(error).map(|()| None),
        };
        let bytes = &mut buffer[..length];
        // Only the name of a thread can be anything but ASCII.
        for byte in bytes.iter_mut().filter(|byte| !byte.is_ascii()) {
            *byte = b'?';
        }
        std::str::from_utf8(bytes)
            .map(Some)
            .map_err(|_| malformed())
    }
}

fn gone(error: io::Error) -> io::Result<()> {
    match error.raw_os_error() {
        // ENOENT may also mean that there is no /proc.
        Some(libc::ENOENT) if !Path::new("/proc/self/task").exists() => Err(error),
        Some(libc::ENOENT | libc::ESRCH) => Ok(()),
        _ => Err(error),
    }
}

fn malformed() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        "a file of /proc/self/task is not as expected",
    )
}

/// The name, the state (R, S, D, T, t, Z, X) and the flags.
fn parse_stat(text: &str) -> io::Result<(String, u8, u64)> {
    let parse = || {
        // The name is in brackets and may have any in it.
        let (start, rest) = text.rsplit_once(')')?;
        let name = start.split_once('(')?.1.to_owned();
        let mut fields = rest.split_ascii_whitespace();
        let state = *fields.next()?.as_bytes().first()?;
        let flags = fields.nth(5)?.parse().ok()?;
        Some((name, state, flags))
    };
    parse().ok_or_else(malformed)
}

/// The switches and what is blocked.
pub(super) fn parse_status(text: &str) -> io::Result<(Switches, u64)> {
    let (mut blocked, mut voluntary, mut involuntary) = (None, None, None);
    for line in text.lines() {
        let Some((key, value)) = line.split_once(":\t") else {
            continue;
        };
        match key {
            "SigBlk" => blocked = u64::from_str_radix(value, 16).ok(),
            "voluntary_ctxt_switches" => voluntary = value.parse().ok(),
            "nonvoluntary_ctxt_switches" => involuntary = value.parse().ok(),
            _ => {}
        }
    }
    let all = || {
        let switches = Switches {
            voluntary: voluntary?,
            involuntary: involuntary?,
        };
        Some((switches, blocked?))
    };
    all().ok_or_else(malformed)
}
