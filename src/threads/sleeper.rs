//! Reading a thread that sleeps, without waking it.
//!
//! A signal would end its `poll` or `nanosleep` with EINTR, whatever
//! SA_RESTART says. `/proc/self/task/T/syscall` gives the stack pointer and the
//! program counter of a thread that is off its core, and its stack is our own
//! memory. That it slept throughout is proven by its switch counts: it was
//! asleep before and after, and going back to sleep would have counted.

use super::emulated::is_emulated;
use super::machine;
use super::own_memory;
use super::registers::Registers;
use super::stretch::Stretch;
use super::tasks::{self, BUFFER, Switches, TaskFile, Tid};
use super::view::{STACKS, Seen, View, stacks_missing};
use std::io;

/// What one look at a thread gave.
pub(super) enum Look {
    /// It slept throughout.
    Asleep(Box<View>),
    /// It was running.
    Awake,
    /// It slept, but woke during the look.
    Woke,
    /// There is no such thread any more.
    Gone,
    /// It is on its way out: it runs nothing more, and its stack may be nobody's.
    Leaves,
    /// It sleeps, on more stack than one may read.
    TooDeep,
    /// It sleeps in an emulator, which keeps its registers.
    Emulated,
}

/// What `syscall` says of a thread.
#[derive(Clone, PartialEq, Eq)]
struct Asleep {
    /// None outside of system calls.
    call: Option<usize>,
    arguments: Vec<usize>,
    sp: usize,
    pc: usize,
}

/// Looks once.
pub(super) fn look(tid: Tid, deepest: usize) -> io::Result<Look> {
    let Some(call) = TaskFile::open(tid, "syscall")? else {
        return Ok(Look::Gone);
    };
    // The cheaper file first: it is all there is to know of a running thread.
    match sleep(&call)? {
        Sleep::Gone => return Ok(Look::Gone),
        Sleep::Awake => return Ok(Look::Awake),
        Sleep::In(_) if is_emulated() => return Ok(Look::Emulated),
        Sleep::In(_) => {}
    }
    let Some(status) = TaskFile::open(tid, "status")? else {
        return Ok(Look::Gone);
    };
    let Some(before) = switches(&status)? else {
        return Ok(Look::Gone);
    };
    let asleep = match sleep(&call)? {
        Sleep::Gone => return Ok(Look::Gone),
        Sleep::Awake => return Ok(Look::Woke),
        Sleep::In(asleep) if asleep.leaves() => return Ok(Look::Leaves),
        Sleep::In(asleep) => asleep,
    };
    let vfork = asleep.waits_for_child();
    let stacks = stacks(tid, asleep.sp, deepest);
    match sleep(&call)? {
        Sleep::Gone => return Ok(Look::Gone),
        Sleep::In(after) if after == asleep => {}
        _ => return Ok(Look::Woke),
    }
    match switches(&status)? {
        None => return Ok(Look::Gone),
        Some(after) if after == before => {}
        Some(_) => return Ok(Look::Woke),
    }
    let Some(stacks) = stacks else {
        return Ok(Look::TooDeep);
    };
    Ok(Look::Asleep(Box::new(View {
        seen: match asleep.call {
            Some(call) => Seen::Asleep { call, vfork },
            None => Seen::Halted,
        },
        registers: Registers::of_sleeper(asleep.pc, asleep.sp),
        arguments: asleep.arguments,
        stacks,
    })))
}

/// What a glance at a thread gave.
pub(super) enum Glance {
    Asleep(Brief),
    Awake,
    Gone,
    /// It does not run, and nobody knows what it is in the middle of: why.
    Hidden(&'static str),
}

/// A thread in a system call.
pub(super) struct Brief {
    pub(super) pc: usize,
    pub(super) sp: usize,
    pub(super) arguments: Vec<usize>,
}

/// Looks whether a thread sleeps, not at its stack.
pub(super) fn glance(tid: Tid) -> io::Result<Glance> {
    let Some(call) = TaskFile::open(tid, "syscall")? else {
        return Ok(Glance::Gone);
    };
    Ok(match sleep(&call)? {
        Sleep::Gone => Glance::Gone,
        Sleep::Awake => Glance::Awake,
        Sleep::In(_) if is_emulated() => Glance::Hidden("sleeps in an emulator"),
        Sleep::In(asleep) if asleep.waits_for_child() => {
            Glance::Hidden("waits for a child that runs in its memory")
        }
        Sleep::In(asleep) if asleep.call.is_none() => {
            Glance::Hidden("is stopped, so that its registers cannot be read")
        }
        Sleep::In(asleep) => Glance::Asleep(Brief {
            pc: asleep.pc,
            sp: asleep.sp,
            arguments: asleep.arguments,
        }),
    })
}

/// The stack pointer of the calling thread, as the kernel tells it.
pub(super) fn own_stack_pointer() -> Option<usize> {
    let file = TaskFile::open(tasks::own(), "syscall").ok()??;
    match sleep(&file).ok()? {
        Sleep::In(asking) => Some(asking.sp),
        Sleep::Awake | Sleep::Gone => None,
    }
}

fn switches(status: &TaskFile) -> io::Result<Option<Switches>> {
    let mut buffer = [0; BUFFER];
    let text = status.read(&mut buffer)?;
    let parsed = text.map(tasks::parse_status).transpose()?;
    Ok(parsed.map(|(switches, _)| switches))
}

/// All stacks from `sp` on that signal frames connect; none if they are deeper
/// than that.
fn stacks(tid: Tid, sp: usize, deepest: usize) -> Option<Vec<Stretch>> {
    let mut stacks = vec![Stretch::of_stack(sp, deepest, tid)?];
    while stacks.len() < STACKS {
        let Some(next) = stacks_missing(&stacks).first().copied() else {
            return Some(stacks);
        };
        let stretch = Stretch::of_stack(next, deepest, tid)?;
        if !stretch.contains(next) {
            return Some(stacks);
        }
        stacks.push(stretch);
    }
    stacks_missing(&stacks).is_empty().then_some(stacks)
}

enum Sleep {
    In(Asleep),
    Awake,
    Gone,
}

fn sleep(file: &TaskFile) -> io::Result<Sleep> {
    let mut buffer = [0; BUFFER];
    let Some(text) = file.read(&mut buffer)? else {
        return Ok(Sleep::Gone);
    };
    if text.starts_with("running") {
        return Ok(Sleep::Awake);
    }
    let parse = || {
        let mut fields = text.split_ascii_whitespace();
        let call: i64 = fields.next()?.parse().ok()?;
        let mut words = fields
            .map(|field| usize::from_str_radix(field.strip_prefix("0x")?, 16).ok())
            .collect::<Option<Vec<usize>>>()?;
        let (pc, sp) = (words.pop()?, words.pop()?);
        Some(Asleep {
            call: usize::try_from(call).ok(),
            arguments: words,
            sp,
            pc,
        })
    };
    let unknown = || {
        io::Error::new(
            io::ErrorKind::InvalidData,
            "/proc/self/task/T/syscall is not as expected",
        )
    };
    parse().map(Sleep::In).ok_or_else(unknown)
}

impl Asleep {
    /// Whether it is in exit(2), which does not return.
    fn leaves(&self) -> bool {
        let is = |number: libc::c_long| self.call == Some(number as usize);
        is(libc::SYS_exit) || is(libc::SYS_exit_group)
    }

    /// Whether a child runs in this memory until it is done with.
    fn waits_for_child(&self) -> bool {
        let is = |number: libc::c_long| self.call == Some(number as usize);
        let first = self.arguments.first().copied().unwrap_or(0);
        let flags = if machine::VFORK.is_some_and(is) {
            libc::CLONE_VFORK as usize
        } else if is(libc::SYS_clone) {
            first
        } else if is(libc::SYS_clone3) {
            // The flags are the first field of the arguments' structure.
            own_memory::word(first).unwrap_or(libc::CLONE_VFORK as usize)
        } else {
            0
        };
        flags & libc::CLONE_VFORK as usize != 0
    }
}
