//! One thread on its way to being seen: asleep and read, or running for long
//! enough and asked.

use super::{Outcome, Patience, Unseen, Why};
use crate::threads::answer::Wish;
use crate::threads::ask::{Answer, Asked, Refused, USUAL, ask};
use crate::threads::sleeper::{self, Glance};
use crate::threads::tasks::{self, Kind, Task, Tid};
use crate::threads::view::{STACKS, Seen, View, stacks_missing};
use std::io;
use std::time::{Duration, Instant};

/// How long a thread must have been running before it is asked.
const STEADY: Duration = Duration::from_millis(2);
/// And how often it must have been seen so.
const LOOKS: u32 = 3;
/// How long a thread whose mask is to change must have slept to be let alone.
const SLUMBER: Duration = Duration::from_millis(10);
/// Questions to one thread because its stack was deeper, or led elsewhere.
const QUESTIONS: u32 = 12;

/// A thread that is still to be seen.
pub(super) struct Pending {
    pub(super) tid: Tid,
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

pub(super) enum Turn {
    Later,
    Done,
    Outcome(Outcome),
}

impl Pending {
    pub(super) fn new(tid: Tid, wish: Wish) -> Self {
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

    pub(super) fn turn(&mut self, own: Tid, patience: &Patience) -> io::Result<Turn> {
        if self.asked.is_some() {
            return self.answered(patience);
        }
        if self.tid == own {
            return self.ask_now(patience);
        }
        // Most that block SIGTRAP do so for a moment only, in pthread_create and
        // the like.
        if self.wish == Wish::UnblockTrap {
            return self.blocking(patience);
        }
        // While it is asked about a second stack, it is not looked at anew.
        match sleeper::look(self.tid, patience.deepest)? {
            sleeper::Look::Gone => Ok(Turn::Outcome(Outcome::Gone)),
            sleeper::Look::Leaves => Ok(Turn::Outcome(Outcome::RunsNothing)),
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

    /// A thread that blocked SIGTRAP when the masks were read. Its stack does not
    /// matter.
    fn blocking(&mut self, patience: &Patience) -> io::Result<Turn> {
        if !tasks::blocks_trap(self.tid)? {
            return Ok(Turn::Done);
        }
        if tasks::is_unborn(self.tid)? {
            return self.unseen(Why::Unborn);
        }
        match sleeper::glance(self.tid)? {
            Glance::Gone => Ok(Turn::Outcome(Outcome::Gone)),
            Glance::Awake => self.awake(patience),
            Glance::Asleep(_) | Glance::Hidden(_) => self.mask_of_sleeper(),
        }
    }

    /// It is looked at when it wakes up, if that is in time.
    fn asleep_in_emulator(&mut self) -> io::Result<Turn> {
        let Some(task) = tasks::status(self.tid)? else {
            return Ok(Turn::Outcome(Outcome::Gone));
        };
        if task.kind != Kind::User {
            return Ok(Turn::Outcome(Outcome::RunsNothing));
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
            return Ok(Turn::Outcome(Outcome::RunsNothing));
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
        if task.kind != Kind::User {
            return Ok(Turn::Outcome(Outcome::RunsNothing));
        }
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
            return Ok(Turn::Outcome(Outcome::RunsNothing));
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
        if task.blocks(crate::threads::front::ensure()?) {
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
                    Some(task) if task.kind != Kind::User => Turn::Outcome(Outcome::RunsNothing),
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

    fn unseen(&self, why: Why) -> io::Result<Turn> {
        Ok(Turn::Outcome(match tasks::status(self.tid)? {
            Some(task) => Outcome::Unseen(Unseen { task, why }),
            None => Outcome::Gone,
        }))
    }

    /// It was not seen in time.
    pub(super) fn give_up(mut self) -> io::Result<Turn> {
        if self.wish == Wish::UnblockTrap && !tasks::blocks_trap(self.tid)? {
            return Ok(Turn::Done);
        }
        let why = std::mem::replace(&mut self.why, Why::Restless);
        self.unseen(why)
    }
}
