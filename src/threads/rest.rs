//! A stretch of time in which no other thread of this process runs.
//!
//! Nobody is stopped for it: most of the time all threads of a program that
//! serves people are asleep. So all are looked at before and after, and if none
//! was awake or has slept anew, none has run in between: what was read meanwhile
//! was at rest, as in a photograph. Whoever needs that tries until it is so.
//!
//! What this cannot see: the registers of a sleeper, except where its frames have
//! saved them; tasks that share this memory without being threads of this process
//! (the children of a bare `clone(CLONE_VM)`).

use super::own_memory::read_words;
use super::sleeper::{self, Glance};
use super::stretch::{Stretch, lowest};
use super::tasks::{self, Kind, Switches, Tid};
use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::ops::Range;

/// Bytes of a stack that are read to find its end.
const DEEPEST: usize = 64 << 20;

/// All other threads, asleep.
pub(crate) struct Rest {
    all: BTreeSet<Tid>,
    pub(crate) sleepers: Vec<Sleeper>,
}

/// One of them.
pub(crate) struct Sleeper {
    pub(crate) tid: Tid,
    switches: Switches,
    pub(crate) pc: usize,
    pub(crate) sp: usize,
    /// The arguments of its system call.
    pub(crate) arguments: Vec<usize>,
    /// Where its stack begins, if glibc has made it: nothing below the stack
    /// pointer is in use.
    pub(crate) stack: Option<Range<usize>>,
}

/// A thread that is in the way.
#[derive(Clone, Debug)]
pub(crate) struct Restless {
    pub(crate) tid: Tid,
    pub(crate) name: String,
    pub(crate) why: &'static str,
}

impl Restless {
    fn new(tid: Tid, why: &'static str) -> io::Result<Self> {
        let name = tasks::status(tid)?.map_or_else(String::new, |task| task.name);
        Ok(Self { tid, name, why })
    }
}

impl fmt::Display for Restless {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "thread {} ({}) {}", self.tid, self.name, self.why)
    }
}

impl Rest {
    /// Looks at all other threads; gives the first that is not at rest.
    pub(crate) fn begin() -> io::Result<Result<Self, Restless>> {
        let own = tasks::own();
        let mut rest = Self {
            all: tasks::list()?.into_iter().collect(),
            sleepers: Vec::new(),
        };
        for tid in rest.all.iter().copied().filter(|tid| *tid != own) {
            // Before it is looked at: if it runs after this, that is noticed.
            let (Some(switches), Some(kind)) = (tasks::switches(tid)?, tasks::kind(tid)?) else {
                continue;
            };
            if kind != Kind::User {
                continue;
            }
            let brief = match sleeper::glance(tid)? {
                Glance::Gone => continue,
                Glance::Awake => return Ok(Err(Restless::new(tid, "runs")?)),
                Glance::Hidden(why) => return Ok(Err(Restless::new(tid, why)?)),
                Glance::Asleep(brief) => brief,
            };
            rest.sleepers.push(Sleeper {
                tid,
                switches,
                pc: brief.pc,
                sp: brief.sp,
                arguments: brief.arguments,
                stack: stack_of(tid, brief.sp),
            });
        }
        // All sleep. Somebody whom one of them has started before may run still, and may
        // be gone before the end.
        match rest.newcomer()? {
            Some(new) => Ok(Err(Restless::new(new, "has just started")?)),
            None => Ok(Ok(rest)),
        }
    }

    /// A thread that was not there when the others were listed.
    fn newcomer(&self) -> io::Result<Option<Tid>> {
        Ok(tasks::list()?
            .into_iter()
            .find(|tid| !self.all.contains(tid)))
    }

    /// Whether nobody has run since; else who has.
    pub(crate) fn lasted(&self) -> io::Result<Result<(), Restless>> {
        for sleeper in &self.sleepers {
            let tid = sleeper.tid;
            // It sleeps, and then has not gone to sleep since it was looked at.
            let is_asleep = matches!(sleeper::glance(tid)?, Glance::Asleep(_));
            if !is_asleep || tasks::switches(tid)? != Some(sleeper.switches) {
                return Ok(Err(Restless::new(tid, "has run meanwhile")?));
            }
        }
        match self.newcomer()? {
            Some(new) => Ok(Err(Restless::new(new, "has started meanwhile")?)),
            None => Ok(Ok(())),
        }
    }
}

/// The stack that glibc has made for this thread, if it is on that one: behind it
/// stands glibc's description of the thread, which says where it begins.
fn stack_of(tid: Tid, sp: usize) -> Option<Range<usize>> {
    let block = Stretch::of_stack(sp, DEEPEST, tid)?.known_block(tid)?;
    let mut words = [0; BLOCK];
    let have = read_words(block, &mut words);
    let fits = |start: usize, len: usize| {
        let end = start.checked_add(len);
        end.is_some_and(|end| start <= lowest(sp) && block < end)
    };
    words[..have].windows(2).find_map(|pair| {
        let (start, len) = (pair[0], pair[1]);
        let is_whole = start.is_multiple_of(PAGE) && len.is_multiple_of(PAGE) && start != 0;
        (is_whole && fits(start, len)).then(|| start..start + len)
    })
}

/// Words of glibc's `struct pthread` among which the stack's place is.
const BLOCK: usize = 320;
/// Stacks are made of whole pages, of this size at least.
const PAGE: usize = 4096;
