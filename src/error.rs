//! What can go wrong, with the facts and a remedy.

use crate::patch::Holdout;
use crate::symbols::SymbolError;
use crate::threads::blocked::Blocked;
#[cfg(target_arch = "aarch64")]
use crate::threads::hold::NotHeld;
use midair_arch::Refusal;
use std::fmt;
use std::io;
use std::time::Duration;

/// Why midair did not do what it was asked to. Unless an error says otherwise,
/// nothing was written.
#[non_exhaustive]
pub enum Error {
    /// The symbol was not found, is ambiguous, or its module is unreadable.
    Symbol(SymbolError),
    /// The function cannot be patched.
    Refused(Box<Refusal>),
    /// The replacement is null or the target itself.
    BadReplacement {
        /// Address of the function that was to be patched.
        target: usize,
        /// The address of the replacement.
        replacement: usize,
    },
    /// No memory for the gate or the copy could be had near the function.
    Memory {
        /// Address of the function that was to be patched.
        target: usize,
        /// What the operating system said.
        source: io::Error,
    },
    /// The operating system does not let the code be written. Entries that
    /// were written before were put back, unless `also` says that this failed
    /// as well.
    Write {
        /// What the operating system said.
        source: io::Error,
        /// What went wrong when the first entries were put back.
        also: Option<io::Error>,
    },
    /// Some thread was inside of one of the functions all the time. Nothing has
    /// changed.
    NotQuiescent {
        /// How long it was tried.
        waited: Duration,
        /// The threads, and what they are in.
        inside: Vec<Holdout>,
    },
    /// A thread blocks SIGTRAP and could not be made to let it through: it would
    /// be killed in a function whose first bytes change.
    TrapBlocked {
        /// The id of the thread.
        thread: i32,
        /// Why it could not be made to.
        why: String,
    },
    /// Threads that run did not stop for the moment in which an instruction is
    /// exchanged (aarch64). Nothing has changed.
    NotHeld {
        /// The ids of the threads.
        threads: Vec<i32>,
    },
    /// The function is part of a [`Transition`](crate::Transition) that is not
    /// complete.
    InTransition {
        /// Address of the function.
        target: usize,
    },
    /// The transition was cancelled, or is over.
    Cancelled,
    /// The threads of this process cannot be looked at.
    Threads {
        /// What the operating system said.
        source: io::Error,
    },
    /// The patch was removed by [`unpatch_all`](crate::unpatch_all).
    Removed {
        /// Address of the function that was patched.
        target: usize,
    },
    /// The module of the patched function was unloaded, and the patch with it.
    Unloaded {
        /// Address of the function that was patched.
        target: usize,
    },
}

/// As `Display`: it is what a `main` that returns the error shows.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Symbol(e) => e.fmt(f),
            Self::Refused(refusal) => refusal.fmt(f),
            Self::BadReplacement {
                target,
                replacement: 0,
            } => {
                write!(
                    f,
                    "the replacement of the function at {target:#x} is null; pass a function"
                )
            }
            Self::BadReplacement {
                target,
                replacement,
            } => write!(
                f,
                "the replacement {replacement:#x} of the function at {target:#x} is the function \
                 itself; pass another one, or the original that you were given"
            ),
            Self::Memory { target, source } => write!(
                f,
                "no memory within reach of the function at {target:#x}: {source}; free address \
                 space within 2 GB of it"
            ),
            Self::Write { source, also } => {
                write!(
                    f,
                    "the code cannot be written: {source}; allow /proc/self/mem to be written or \
                     code to be made writable"
                )?;
                match also {
                    Some(e) => write!(f, " (and what was written could not be put back: {e})"),
                    None => Ok(()),
                }
            }
            Self::NotQuiescent { waited, inside } => {
                write!(f, "not all threads were outside within {waited:?}: ")?;
                for (n, holdout) in inside.iter().enumerate() {
                    let separator = if n > 0 { "; " } else { "" };
                    write!(f, "{separator}{holdout}")?;
                }
                f.write_str("; wait longer, or let them return first")
            }
            Self::TrapBlocked { thread, why } => write!(
                f,
                "thread {thread} blocks SIGTRAP and would be killed by a patch: {why}; unblock the \
                 signal there"
            ),
            Self::NotHeld { threads } => write!(
                f,
                "threads {threads:?} run and could not be held while an instruction is exchanged; \
                 unblock all signals there, or see allow_unsanctioned_stores"
            ),
            Self::InTransition { target } => write!(
                f,
                "the function at {target:#x} is part of a transition that is not complete; wait \
                 for it or cancel it first"
            ),
            Self::Cancelled => f.write_str(
                "the transition is over: complete, cancelled, or a patch of it was removed",
            ),
            Self::Threads { source } => write!(
                f,
                "the threads of this process cannot be looked at: {source}; mount /proc and allow \
                 process_vm_readv"
            ),
            Self::Removed { target } => write!(
                f,
                "the patch of the function at {target:#x} was removed by unpatch_all; patch it anew"
            ),
            Self::Unloaded { target } => write!(
                f,
                "the module of the function at {target:#x} was unloaded, and the patch with it; \
                 load it and patch it anew"
            ),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Symbol(e) => Some(e),
            Self::Refused(e) => Some(e),
            Self::Memory { source, .. } | Self::Write { source, .. } | Self::Threads { source } => {
                Some(source)
            }
            _ => None,
        }
    }
}

impl Error {
    /// Why code was not written; `put_back` undoes what was written, or says why
    /// not.
    pub(crate) fn writing(source: io::Error, put_back: impl FnOnce() -> Option<io::Error>) -> Self {
        #[cfg(target_arch = "aarch64")]
        if let Some(NotHeld { threads }) = source.get_ref().and_then(|e| e.downcast_ref()) {
            let threads = threads.clone();
            return Self::NotHeld { threads };
        }
        let also = put_back();
        Self::Write { source, also }
    }
}

impl From<Blocked> for Error {
    fn from(e: Blocked) -> Self {
        let Blocked { thread, why } = e;
        Self::TrapBlocked { thread, why }
    }
}

impl From<SymbolError> for Error {
    fn from(e: SymbolError) -> Self {
        Self::Symbol(e)
    }
}

impl From<Refusal> for Error {
    fn from(e: Refusal) -> Self {
        Self::Refused(Box::new(e))
    }
}
