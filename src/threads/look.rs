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
//! their parent's [`Seen::Asleep`], those of a bare `clone(CLONE_VM)` are not.

#![allow(dead_code, reason = "quiescence and reclaim, which come next, use it")]

use super::answer::Wish;
use super::ask::{Answer, Asked, Refused, USUAL, ask};
use super::own_memory;
use super::sleeper;
use super::tasks::{self, Kind, Task, Tid};
use super::view::{STACKS, Seen, View, stacks_missing};
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
    RunsNothing(Kind),
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
            Why::Emulated => {
                f.write_str("is asleep in an emulator, which does not tell its registers")
            }
        }
    }
}

/// How long a thread must have been running before it is asked.
const STEADY: Duration = Duration::from_millis(2);
/// And how often it must have been seen so.
const LOOKS: u32 = 3;
/// How long a thread whose mask is to change must have slept to be let alone.
const SLUMBER: Duration = Duration::from_millis(10);
/// Questions to one thread because its stack was deeper, or led elsewhere.
const QUESTIONS: u32 = 12;
/// Pauses between rounds: from the first they double up to the last.
const PAUSES: (Duration, Duration) = (Duration::from_micros(100), Duration::from_millis(2));

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
    loop {
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
        if left.is_zero() {
            break;
        }
        std::thread::sleep(pause.min(left));
        pause = (pause * 2).min(PAUSES.1);
    }
    for thread in pending {
        let tid = thread.tid;
        each(tid, thread.give_up()?);
    }
    Ok(())
}

/// A thread that is still to be seen.
struct Pending {
    tid: Tid,
    wish: Wish,
    since: Instant,
    /// How long it has been running, by all that was seen.
    running: Option<Running>,
    asked: Option<Question>,
    questions: u32,
    /// Its voluntary switches when it was first seen asleep, and when that was.
    asleep: Option<(u64, Instant)>,
    capacity: usize,
    others: Vec<usize>,
    /// Where the alternate stack that it is on ends, or 0.
    end: usize,
    why: Why,
}

#[derive(Clone, Copy)]
struct Running {
    voluntary: u64,
    /// Nanoseconds on a core, when it had run for long enough to ask.
    used: Option<u64>,
    since: Instant,
    looks: u32,
}

struct Question {
    asked: Asked,
    /// When it was last made sure that there still is somebody to answer.
    checked: Instant,
    /// Until the next time.
    pause: Duration,
}

enum Turn {
    Later,
    Done,
    Outcome(Outcome),
}

impl Pending {
    fn new(tid: Tid, wish: Wish) -> Self {
        Self {
            tid,
            wish,
            since: Instant::now(),
            running: None,
            asked: None,
            questions: 0,
            asleep: None,
            capacity: USUAL,
            others: Vec::new(),
            end: 0,
            why: Why::Restless,
        }
    }

    fn turn(&mut self, own: Tid, patience: &Patience) -> io::Result<Turn> {
        if self.asked.is_some() {
            return self.answered(patience);
        }
        if self.tid == own {
            return self.ask_now(patience);
        }
        // While it is asked about a second stack, it is not looked at anew.
        match sleeper::look(self.tid, patience.deepest)? {
            sleeper::Look::Gone => Ok(Turn::Outcome(Outcome::Gone)),
            sleeper::Look::Asleep(view) => self.asleep(view),
            sleeper::Look::TooDeep => self.unseen(Why::TooDeep),
            sleeper::Look::Emulated => self.asleep_in_emulator(),
            sleeper::Look::Awake => self.awake(patience),
            sleeper::Look::Woke => {
                self.running = None;
                Ok(Turn::Later)
            }
        }
    }

    /// It is looked at when it wakes up, if that is in time.
    fn asleep_in_emulator(&mut self) -> io::Result<Turn> {
        let Some(task) = tasks::status(self.tid)? else {
            return Ok(Turn::Outcome(Outcome::Gone));
        };
        if task.kind != Kind::User {
            return Ok(Turn::Outcome(Outcome::RunsNothing(task.kind)));
        }
        if self.wish == Wish::UnblockTrap {
            return self.mask_of_sleeper();
        }
        self.running = None;
        self.why = Why::Emulated;
        Ok(Turn::Later)
    }

    /// What a thread is that does not run.
    fn asleep(&mut self, view: Box<View>) -> io::Result<Turn> {
        let Some(kind) = tasks::kind(self.tid)? else {
            return Ok(Turn::Outcome(Outcome::Gone));
        };
        if kind != Kind::User {
            return Ok(Turn::Outcome(Outcome::RunsNothing(kind)));
        }
        if self.wish == Wish::UnblockTrap {
            return self.mask_of_sleeper();
        }
        let sp = view.registers.sp();
        if !view.stacks.first().is_some_and(|stack| stack.contains(sp)) {
            return self.unseen(Why::Unreadable { sp });
        }
        Ok(Turn::Outcome(Outcome::Seen(view)))
    }

    /// The mask of a sleeper cannot be changed. It may wake in time.
    fn mask_of_sleeper(&mut self) -> io::Result<Turn> {
        self.why = Why::Asleep;
        self.running = None;
        let Some(task) = tasks::status(self.tid)?.filter(Task::blocks_trap) else {
            return Ok(Turn::Done);
        };
        let voluntary = task.switches.voluntary;
        let (same, since) = *self.asleep.get_or_insert((voluntary, Instant::now()));
        if same != voluntary {
            self.asleep = None; // it has been awake
        } else if since.elapsed() >= SLUMBER {
            return self.unseen(Why::Asleep);
        }
        Ok(Turn::Later)
    }

    /// Cheap as long as nothing is decided: with hundreds of busy threads the
    /// asker gets little of a core itself.
    fn awake(&mut self, patience: &Patience) -> io::Result<Turn> {
        let now = Instant::now();
        let Some(running) = &mut self.running else {
            let Some(switches) = tasks::switches(self.tid)? else {
                return Ok(Turn::Outcome(Outcome::Gone));
            };
            self.running = Some(Running {
                voluntary: switches.voluntary,
                used: None,
                since: now,
                looks: 1,
            });
            return Ok(Turn::Later);
        };
        running.looks += 1;
        let allowed = patience
            .restless
            .is_some_and(|after| now - self.since >= after);
        if (running.looks < LOOKS || now - running.since < STEADY) && !allowed {
            return Ok(Turn::Later);
        }
        let (Some(task), Some(used)) = (tasks::status(self.tid)?, tasks::time_on_core(self.tid)?)
        else {
            return Ok(Turn::Outcome(Outcome::Gone));
        };
        if task.kind != Kind::User {
            return Ok(Turn::Outcome(Outcome::RunsNothing(task.kind)));
        }
        if self.wish == Wish::UnblockTrap && !task.blocks_trap() {
            return Ok(Turn::Done);
        }
        if allowed {
            return self.ask(&task, patience);
        }
        self.why = Why::Restless;
        if running.voluntary != task.switches.voluntary {
            self.running = None;
            return Ok(Turn::Later);
        }
        // To wait for a core is not to run: a thread that naps all the time does
        // so too where cores are few. One that never slept for long is known by
        // all the time it has had.
        let enough = STEADY.as_nanos() as u64;
        let before = *running.used.get_or_insert(used);
        let is_busy = used == 0
            || used.saturating_sub(before) >= enough
            || used / (task.switches.voluntary + 1) >= enough;
        if !is_busy {
            return Ok(Turn::Later);
        }
        self.ask(&task, patience)
    }

    fn ask_now(&mut self, patience: &Patience) -> io::Result<Turn> {
        match tasks::status(self.tid)? {
            None => Ok(Turn::Outcome(Outcome::Gone)),
            Some(task) => self.ask(&task, patience),
        }
    }

    fn ask(&mut self, task: &Task, patience: &Patience) -> io::Result<Turn> {
        if task.blocks(super::front::ensure()?) {
            // For a moment only, in pthread_create and the like, or for good.
            self.why = Why::Blocks;
            return Ok(Turn::Later);
        }
        match ask(self.tid, self.wish, self.capacity, &self.others, self.end) {
            Ok(asked) => {
                self.questions += 1;
                self.why = Why::NoAnswer;
                self.asked = Some(Question {
                    asked,
                    checked: Instant::now(),
                    pause: Duration::from_millis(20),
                });
                self.answered(patience)
            }
            Err(Refused::Busy) => {
                self.why = Why::Busy;
                Ok(Turn::Later)
            }
            Err(Refused::Gone) => Ok(Turn::Outcome(Outcome::Gone)),
            Err(Refused::Failed(error)) => self.unseen(Why::Refused(error)),
        }
    }

    fn answered(&mut self, patience: &Patience) -> io::Result<Turn> {
        let Some(question) = &mut self.asked else {
            return Ok(Turn::Later);
        };
        let (registers, stacks) = match question.asked.answer() {
            Answer::Unblocked => return Ok(Turn::Done),
            Answer::Copied(registers, stacks) => (registers, stacks),
            Answer::Deeper => {
                self.asked = None;
                self.end = 0;
                self.capacity *= 4;
                return self.again(self.capacity <= patience.deepest, patience);
            }
            Answer::Pending => {
                // A thread that ended never answers.
                if question.checked.elapsed() < question.pause {
                    return Ok(Turn::Later);
                }
                question.checked = Instant::now();
                question.pause *= 2;
                return Ok(match tasks::status(self.tid)? {
                    None => Turn::Outcome(Outcome::Gone),
                    Some(task) if task.kind != Kind::User => {
                        Turn::Outcome(Outcome::RunsNothing(task.kind))
                    }
                    Some(_) => Turn::Later,
                });
            }
        };
        self.asked = None;
        let sp = registers.sp();
        if !stacks.first().is_some_and(|stack| stack.contains(sp)) {
            return self.unseen(Why::Unreadable { sp });
        }
        // It ran on since, so what a signal frame leads to must be asked for
        // together with that frame.
        if let Some(missing) = stacks_missing(&stacks).first() {
            let main = &stacks[0];
            self.others.retain(|sp| !main.contains(*sp));
            self.others.push(*missing);
            self.end = main.known_end(self.tid).unwrap_or(0);
            if self.others.len() >= STACKS {
                self.others = vec![*missing];
            }
            return self.again(true, patience);
        }
        Ok(Turn::Outcome(Outcome::Seen(Box::new(View {
            tid: self.tid,
            seen: Seen::Running,
            registers,
            arguments: Vec::new(),
            stacks,
        }))))
    }

    fn again(&mut self, allowed: bool, patience: &Patience) -> io::Result<Turn> {
        if !allowed || self.questions >= QUESTIONS {
            return self.unseen(Why::TooDeep);
        }
        if self.tid == tasks::own() {
            return self.ask_now(patience);
        }
        // It may have gone to sleep meanwhile.
        self.running = None;
        Ok(Turn::Later)
    }

    fn unseen(&mut self, why: Why) -> io::Result<Turn> {
        Ok(Turn::Outcome(match tasks::status(self.tid)? {
            Some(task) => Outcome::Unseen(Unseen { task, why }),
            None => Outcome::Gone,
        }))
    }

    fn give_up(self) -> io::Result<Outcome> {
        Ok(match tasks::status(self.tid)? {
            Some(task) => Outcome::Unseen(Unseen {
                task,
                why: self.why,
            }),
            None => Outcome::Gone,
        })
    }
}
