//! Holding the threads that run, for as long as it takes to store a few
//! instructions (aarch64).
//!
//! A thread that runs is asked by the signal of [`super::front`] and waits in its
//! handler until it is released; its return from there is a context
//! synchronisation event. A thread that sleeps is not woken: it is in the kernel,
//! and returns from there by such an event too. It is not held either: see
//! [`super::live`] for what that leaves open. A thread that starts meanwhile is
//! found by listing threads until all of them are held or sleep.
//!
//! Who holds others must not wait for what they have locked (malloc's lock, the
//! loader's): between the first question and the release nothing is allocated, no
//! function of libc is called, and what is read of `/proc` is read by bare system
//! calls into memory that was there before.
//!
//! What it costs is the scheduler's: each thread that runs has to get a core.

use super::answer::Info;
use super::front;
use super::system_call::{monotonic, process_id, system_call, thread_id, wait_while, wake_all};
use super::tasks::{self, Tid};
use std::fmt;
use std::io;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Marks our signals: "hold".
const MARK: u32 = 0x686f_6c64;

/// How many threads can be told apart.
const MOST: usize = 4096;

/// How long it may take until all are held.
const PATIENCE: Duration = Duration::from_secs(5);

/// Pauses between rounds: from the first they double up to the last.
const PAUSES: (Duration, Duration) = (Duration::from_micros(50), Duration::from_millis(2));

/// The ticket of the hold that is on, or 0: a futex for those that are held.
static CURRENT: AtomicU32 = AtomicU32::new(0);

/// The ticket with which each thread is held, by the order in which they were
/// found.
static HELD: [AtomicU64; MOST] = [const { AtomicU64::new(0) }; MOST];

/// One hold at a time; and the last ticket.
static HOLDER: Mutex<u32> = Mutex::new(0);

/// Threads that could not be held in time.
#[derive(Debug)]
pub(crate) struct NotHeld {
    pub(crate) threads: Vec<Tid>,
}

impl fmt::Display for NotHeld {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "threads {:?} could not be held", self.threads)
    }
}

impl std::error::Error for NotHeld {}

/// Calls `write` while no other thread runs. It must not allocate, lock or
/// panic.
pub(crate) fn while_held(write: impl FnOnce()) -> io::Result<()> {
    let mut last = HOLDER.lock().unwrap_or_else(PoisonError::into_inner);
    *last = last.wrapping_add(1).max(1);
    let ticket = *last;
    let mut gathering = Gathering {
        signal: front::ensure()?,
        process: process_id(),
        own: thread_id() as Tid,
        ticket,
        known: Vec::with_capacity(MOST),
        listing: vec![0; 64 << 10],
        text: Box::new([0; tasks::BUFFER]),
    };
    CURRENT.store(ticket, Ordering::SeqCst);
    let gathered = gathering.gather();
    if gathered == Ok(true) {
        write();
    }
    CURRENT.store(0, Ordering::SeqCst);
    wake_all(&CURRENT);
    match gathered {
        Ok(true) => Ok(()),
        Ok(false) => Err(io::Error::other(NotHeld {
            threads: gathering.missing(),
        })),
        Err(number) => Err(io::Error::from_raw_os_error(number)),
    }
}

/// The handler's half: the calling thread waits, if it is asked to. Gives
/// whether the signal was meant so.
pub(super) fn answer(info: &Info) -> bool {
    if info.code != libc::SI_QUEUE || info.user != MARK {
        return false;
    }
    let (slot, ticket) = (info.value as usize & (MOST - 1), (info.value >> 16) as u32);
    // A late one finds another ticket, or none.
    while CURRENT.load(Ordering::SeqCst) == ticket {
        HELD[slot].store(u64::from(ticket), Ordering::SeqCst);
        wait_while(&CURRENT, ticket, u64::MAX);
    }
    true
}

/// What is known of one thread.
struct Known {
    tid: Tid,
    asked: bool,
    /// It was running when it was looked at last, and had slept so often.
    slept: Option<u64>,
    /// It was neither held nor asleep in the last round.
    runs: bool,
}

struct Gathering {
    signal: i32,
    process: usize,
    own: Tid,
    ticket: u32,
    /// The place of a thread is its number in [`HELD`].
    known: Vec<Known>,
    listing: Vec<u8>,
    text: Box<[u8; tasks::BUFFER]>,
}

impl Gathering {
    /// Asks until nobody runs; false if somebody still does after all.
    fn gather(&mut self) -> Result<bool, i32> {
        let until = now() + PATIENCE;
        let mut pause = PAUSES.0;
        loop {
            if self.round()? {
                return Ok(true);
            }
            if now() >= until {
                return Ok(false);
            }
            sleep(pause);
            pause = (pause * 2).min(PAUSES.1);
        }
    }

    /// Looks once at each thread; gives whether none runs.
    fn round(&mut self) -> Result<bool, i32> {
        let folder = open(c"/proc/self/task".to_bytes_with_nul())?;
        let mut all = true;
        loop {
            let arguments = [
                folder,
                self.listing.as_mut_ptr() as usize,
                self.listing.len(),
                0,
                0,
                0,
            ];
            // SAFETY: the buffer is that long.
            let got = unsafe { system_call(libc::SYS_getdents64, arguments) };
            let got = match got {
                Ok(0) => break,
                Ok(got) => got,
                Err(number) => {
                    close(folder);
                    return Err(number);
                }
            };
            let mut at = 0;
            while let Some((tid, length)) = entry(&self.listing[at..got]) {
                at += length;
                if let Some(tid) = tid.filter(|tid| *tid != self.own) {
                    all &= self.look_at(tid)?;
                }
            }
        }
        close(folder);
        Ok(all)
    }

    /// Whether the thread does not run; asks it if it does so for some time.
    fn look_at(&mut self, tid: Tid) -> Result<bool, i32> {
        let number = match self.known.iter().position(|known| known.tid == tid) {
            Some(number) => number,
            None if self.known.len() == MOST => return Err(libc::EAGAIN),
            None => {
                self.known.push(Known {
                    tid,
                    asked: false,
                    slept: None,
                    runs: true,
                });
                HELD[self.known.len() - 1].store(0, Ordering::SeqCst);
                self.known.len() - 1
            }
        };
        let is_held = || HELD[number].load(Ordering::SeqCst) == u64::from(self.ticket);
        let known = &mut self.known[number];
        known.runs = !is_held() && {
            // Held meanwhile, it sleeps as well.
            read(tid, b"/stat\0", &mut self.text)?.is_some_and(runs)
        };
        if !known.runs {
            known.slept = None;
            return Ok(true);
        }
        if known.asked {
            return Ok(false);
        }
        let status = read(tid, b"/status\0", &mut self.text)?;
        let Some(Ok((switches, _))) = status.map(tasks::parse_status) else {
            return Ok(false);
        };
        // One that naps all the time would be woken from its nap.
        if known.slept == Some(switches.voluntary) {
            let value = u64::from(self.ticket) << 16 | number as u64;
            match front::send_marked(MARK, self.signal, self.process, tid, value) {
                Ok(()) => known.asked = true,
                Err(libc::EAGAIN | libc::ESRCH) => {}
                Err(number) => return Err(number),
            }
        }
        known.slept = Some(switches.voluntary);
        Ok(false)
    }

    fn missing(&self) -> Vec<Tid> {
        let running = self.known.iter().filter(|known| known.runs);
        running.map(|known| known.tid).collect()
    }
}

/// The first entry of a listing: a thread's id, if it is one, and how long the
/// entry is.
fn entry(listing: &[u8]) -> Option<(Option<Tid>, usize)> {
    // struct linux_dirent64: inode, offset, length, kind, name.
    let length = usize::from(u16::from_ne_bytes([*listing.get(16)?, *listing.get(17)?]));
    let name = listing.get(19..length)?;
    let digits = name.split(|byte| *byte == 0).next()?;
    Some((std::str::from_utf8(digits).ok()?.parse().ok(), length))
}

/// Whether `stat` says that the thread executes, or would if it had a core.
fn runs(stat: &str) -> bool {
    let state = stat.rsplit_once(") ").map(|(_, rest)| rest.as_bytes()[0]);
    state == Some(b'R')
}

/// A file of a thread; none if it is gone.
fn read<'b>(
    tid: Tid,
    name: &[u8],
    buffer: &'b mut [u8; tasks::BUFFER],
) -> Result<Option<&'b str>, i32> {
    let mut path = [0; 64];
    let mut length = 0;
    let mut put = |bytes: &[u8]| {
        path[length..length + bytes.len()].copy_from_slice(bytes);
        length += bytes.len();
    };
    put(b"/proc/self/task/");
    let mut digits = [0; 10];
    let mut left = tid as u32;
    let mut first = digits.len();
    while first == digits.len() || left > 0 {
        first -= 1;
        digits[first] = b'0' + (left % 10) as u8;
        left /= 10;
    }
    put(&digits[first..]);
    put(name);
    let file = match open(&path) {
        Ok(file) => file,
        Err(libc::ENOENT | libc::ESRCH) => return Ok(None),
        Err(number) => return Err(number),
    };
    let arguments = [file, buffer.as_mut_ptr() as usize, buffer.len(), 0, 0, 0];
    // SAFETY: the buffer is that long.
    let got = unsafe { system_call(libc::SYS_read, arguments) };
    close(file);
    let got = match got {
        Ok(got) => got,
        Err(libc::ESRCH) => return Ok(None),
        Err(number) => return Err(number),
    };
    for byte in buffer[..got].iter_mut().filter(|byte| !byte.is_ascii()) {
        *byte = b'?';
    }
    Ok(std::str::from_utf8(&buffer[..got]).ok())
}

/// Opens a file for reading; the path ends with a zero.
fn open(path: &[u8]) -> Result<usize, i32> {
    let flags = (libc::O_RDONLY | libc::O_CLOEXEC) as usize;
    let folder = libc::AT_FDCWD as usize;
    // SAFETY: the path ends with a zero.
    unsafe {
        system_call(
            libc::SYS_openat,
            [folder, path.as_ptr() as usize, flags, 0, 0, 0],
        )
    }
}

fn close(file: usize) {
    // SAFETY: opened here; an error leaves nothing to do.
    let _ = unsafe { system_call(libc::SYS_close, [file, 0, 0, 0, 0, 0]) };
}

/// Time since some moment.
fn now() -> Duration {
    Duration::from_nanos(monotonic())
}

fn sleep(time: Duration) {
    let time = [time.as_secs(), u64::from(time.subsec_nanos())];
    let arguments = [time.as_ptr() as usize, 0, 0, 0, 0, 0];
    // SAFETY: `time` is a timespec.
    let _ = unsafe { system_call(libc::SYS_nanosleep, arguments) };
}
