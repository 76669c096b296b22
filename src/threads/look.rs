//! Looking at threads without stopping them.
//!
//! A sleeper is read and never woken ([`super::sleeper`]). A thread that was
//! seen running again and again, without having slept in between, is asked by a
//! signal to copy its own registers and stack ([`super::ask`]); it runs on at
//! once. All that run are asked at the same time, for with many busy threads
//! the wait is for the scheduler.
//!
//! What this cannot do: a thread that goes to sleep in the very moment in which
//! it is asked gets EINTR, where SA_RESTART does not help. One that is caught
//! neither asleep nor running for long enough stays unseen, unless the caller
//! allows to ask it all the same. Tasks that share this memory without being
//! threads of this process are in no list: the children of `vfork` are told by
//! their parent's [`Seen::Asleep`](super::view::Seen::Asleep), those of a bare
//! `clone(CLONE_VM)` are not.

mod pending;

use super::answer::Wish;
use super::own_memory;
use super::tasks::{self, Task, Tid};
use super::view::View;
use pending::{Pending, Turn};
use std::fmt;
use std::io;
use std::time::{Duration, Instant};

/// How long to try.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// Then whoever was not seen is reported.
    pub(crate) until: Instant,
    /// After so long, a thread that neither sleeps nor runs for long enough is
    /// asked all the same, at the risk of an EINTR; none means never.
    pub(crate) restless: Option<Duration>,
    /// Bytes of one stack that may be read.
    pub(crate) deepest: usize,
}

impl Patience {
    /// No EINTR, and up to 64 MB of stack.
    pub(crate) fn of(time: Duration) -> Self {
        Self {
            until: after(time),
            restless: None,
            deepest: 64 << 20,
        }
    }
}

/// The moment after so much time; more than a clock can count is a year.
pub(crate) fn after(time: Duration) -> Instant {
    const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);
    Instant::now() + time.min(YEAR)
}

/// What a look at a thread gave.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// What it was doing.
    Seen(Box<View>),
    /// It runs none of this process's code.
    RunsNothing,
    /// It ended.
    Gone,
    /// It could not be looked at in time.
    Unseen(Unseen),
}

/// A thread that was not seen.
#[derive(Debug)]
pub(crate) struct Unseen {
    /// Its latest status.
    pub(crate) task: Task,
    /// Why.
    pub(crate) why: Why,
}

/// Why a thread was not seen.
#[derive(Debug)]
#[non_exhaustive]
pub(crate) enum Why {
    /// It blocks the signal by which it would be asked.
    Blocks,
    /// It was asked and did not answer: it got no turn on a core.
    NoAnswer,
    /// It wakes and sleeps so often that it was caught at neither.
    Restless,
    /// Too many are being asked, or too many signals are queued
    /// (RLIMIT_SIGPENDING).
    Busy,
    /// Its stack is deeper than the caller's bound, or leads over too many others.
    TooDeep,
    /// Its stack cannot be read.
    Unreadable {
        /// Its stack pointer.
        sp: usize,
    },
    /// The kernel refuses the signal.
    Refused(io::Error),
    /// It sleeps: its signal mask cannot be changed.
    Asleep,
    /// It was just started and had no core yet: it is in no code.
    Unborn,
    /// It sleeps in an emulator, which keeps its registers.
    Emulated,
}

impl fmt::Display for Unseen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Task { tid, name, .. } = &self.task;
        write!(f, "thread {tid} ({name}) ")?;
        match &self.why {
            Why::Blocks => f.write_str("blocks all signals"),
            Why::NoAnswer => f.write_str("got no turn on a core in time"),
            Why::Restless => f.write_str("wakes and sleeps too often to be caught at either"),
            Why::Busy => f.write_str("could not be asked: too many signals are queued"),
            Why::TooDeep => f.write_str("has too deep a stack"),
            Why::Unreadable { sp } => write!(f, "has a stack at {sp:#x} that cannot be read"),
            Why::Refused(error) => write!(f, "cannot be asked: {error}"),
            Why::Asleep => f.write_str("is asleep"),
            Why::Unborn => f.write_str("had no core since it was started"),
            Why::Emulated => {
                f.write_str("is asleep in an emulator, which does not tell its registers")
            }
        }
    }
}

/// Pauses between rounds: from the first they double up to the last.
const PAUSES: (Duration, Duration) = (Duration::from_micros(100), Duration::from_millis(2));

/// So often a thread is looked at, also when the time is over: where a hundred
/// threads want a core the asker may get none for long.
const FEWEST: u32 = 10;

/// Looks once at each of these threads, and calls `each` with what it was doing
/// at some moment since the call. The calling thread is asked like a running
/// one.
pub(crate) fn sweep(
    tids: &[Tid],
    patience: &Patience,
    mut each: impl FnMut(Tid, Outcome),
) -> io::Result<()> {
    rounds(tids, Wish::Copy, patience, &mut each)
}

/// Lets SIGTRAP through in those of the threads that run and block it. Calls
/// `each` for those in which it is not let through: a sleeper is not woken.
pub(crate) fn unblock_traps(
    tids: &[Tid],
    patience: &Patience,
    mut each: impl FnMut(Tid, Outcome),
) -> io::Result<()> {
    rounds(tids, Wish::UnblockTrap, patience, &mut each)
}

fn rounds(
    tids: &[Tid],
    wish: Wish,
    patience: &Patience,
    each: &mut dyn FnMut(Tid, Outcome),
) -> io::Result<()> {
    if wish == Wish::Copy {
        own_memory::is_readable()?;
    }
    let own = tasks::own();
    let mut pending: Vec<Pending> = tids.iter().map(|tid| Pending::new(*tid, wish)).collect();
    let mut pause = PAUSES.0;
    let mut rounds = 0;
    loop {
        rounds += 1;
        let mut failed = None;
        pending.retain_mut(|thread| {
            if failed.is_some() {
                return true;
            }
            match thread.turn(own, patience) {
                Ok(Turn::Later) => true,
                Ok(Turn::Done) => false,
                Ok(Turn::Outcome(outcome)) => {
                    each(thread.tid, outcome);
                    false
                }
                Err(error) => {
                    failed = Some(error);
                    true
                }
            }
        });
        if let Some(error) = failed {
            return Err(error);
        }
        if pending.is_empty() {
            return Ok(());
        }
        let left = patience.until.saturating_duration_since(Instant::now());
        if left.is_zero() && rounds >= FEWEST {
            break;
        }
        std::thread::sleep(if left.is_zero() {
            PAUSES.0
        } else {
            pause.min(left)
        });
        pause = (pause * 2).min(PAUSES.1);
    }
    for thread in pending {
        let tid = thread.tid;
        if let Turn::Outcome(outcome) = thread.give_up()? {
            each(tid, outcome);
        }
    }
    Ok(())
}
