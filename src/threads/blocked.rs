//! Threads that block SIGTRAP.
//!
//! The kernel kills a process when a thread traps that blocks the signal, so
//! none may while bytes are written that trap. A thread that runs is made to let
//! the signal through ([`super::look`]): it stays so until the thread blocks it
//! again. One that sleeps is not woken; it is in a system call, not in the bytes
//! that change. Neither is one that was just started and had no core yet: all
//! signals are blocked in it until then, which is long where cores are few.
//!
//! All masks are read the first time, and again when some time has passed: ten
//! times what reading them took of the processor, so that patching costs a tenth
//! more. (A few
//! microseconds a patch cannot pay for reading the masks of 512 threads each
//! time.) What this cannot do: a thread that has begun to block the signal
//! since the last look, or one that wakes up with the signal blocked and comes to
//! the function just then, is killed as before. So is one that blocks it where
//! threads cannot be looked at at all.

use super::look::{self, Outcome, Patience, Unseen, Why};
use super::tasks::{self, Tid};
use crate::memory::process;
use std::io;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// The least time between two looks; more if a look takes long.
const INTERVAL: Duration = Duration::from_millis(1);
/// A look may take one part in so many of all time.
const SHARE: u32 = 10;
/// How long a thread may nap before it is asked at the risk of an EINTR.
const NAPPING: Duration = Duration::from_millis(20);
/// How long a thread may take to answer. On a busy machine one that blocks all
/// signals for a moment, as each does that is just started, waits so long for a core.
const PATIENCE: Duration = Duration::from_secs(20);

struct Latest {
    process: u32,
    next: Instant,
}

static LATEST: Mutex<Option<Latest>> = Mutex::new(None);

/// A thread runs, blocks SIGTRAP, and does not answer.
#[derive(Debug)]
pub(crate) struct Blocked {
    pub(crate) thread: Tid,
    pub(crate) why: String,
}

/// Makes threads that run let SIGTRAP through.
pub(crate) fn let_through() -> Result<(), Blocked> {
    // Without /proc or descriptors nothing is known of the threads. That must
    // not keep a patch from being taken off.
    try_let_through().unwrap_or(Ok(()))
}

fn try_let_through() -> io::Result<Result<(), Blocked>> {
    let mut latest = LATEST
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner());
    let (started, used) = (Instant::now(), processor_time());
    let process = process::id();
    if latest
        .as_ref()
        .is_some_and(|l| l.process == process && started < l.next)
    {
        return Ok(Ok(()));
    }
    let mut blocking = Vec::new();
    for tid in tasks::list()? {
        if tasks::blocks_trap(tid)? {
            blocking.push(tid);
        }
    }
    // Not what others took of it meanwhile: threads that block the signal shall
    // not have more time on a busy machine.
    let took = processor_time().saturating_sub(used);
    let mut refused = None;
    if !blocking.is_empty() {
        let patience = Patience {
            // Better an EINTR in a thread that naps than its death.
            restless: Some(NAPPING),
            ..Patience::of(PATIENCE)
        };
        look::unblock_traps(&blocking, &patience, |thread, outcome| {
            if let Outcome::Unseen(unseen) = outcome
                && !matches!(unseen.why, Why::Asleep | Why::Unborn)
            {
                refused = Some(of(thread, &unseen));
            }
        })?;
    }
    if let Some(refused) = refused {
        return Ok(Err(refused));
    }
    *latest = Some(Latest {
        process,
        next: Instant::now() + INTERVAL.max(took * SHARE),
    });
    Ok(Ok(()))
}

/// What the calling thread has used of the processor.
fn processor_time() -> Duration {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: there is room for the answer; without one it is zero.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

fn of(thread: Tid, unseen: &Unseen) -> Blocked {
    Blocked {
        thread,
        why: unseen.to_string(),
    }
}
