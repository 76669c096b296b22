//! What can go wrong in a command, with what to do about it.

use crate::output::hex;
use midair::control::{ControlError, Socket};
use midair::symbols::{FileSymbol, ImageError, ModuleError, SymbolError};
use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why a command has no answer.
#[derive(Debug)]
pub(crate) enum Error {
    /// The file cannot be used.
    Image(ImageError),
    /// There is no such process and no such file.
    NoProcess { text: String },
    /// The process cannot be looked at.
    Modules { pid: i32, source: ModuleError },
    /// No function has that name, or none that can be chosen.
    Symbol(SymbolError),
    /// Several functions have that name.
    Ambiguous {
        query: String,
        candidates: Vec<FileSymbol>,
    },
    /// No function of that name is at the address asked for.
    NotThere {
        query: String,
        at: u64,
        candidates: Vec<FileSymbol>,
    },
    /// The address is not the start of a function.
    InsideFunction {
        at: u64,
        start: u64,
        name: Option<String>,
    },
    /// The address is not code.
    NotCode { at: u64, path: PathBuf },
    /// A program cannot be built or run.
    Run { why: String },
    /// The folders of control sockets cannot be used.
    Sockets(ControlError),
    /// No program that was asked for has a control socket, or several have.
    NoSocket {
        asked: Option<String>,
        there: Vec<Socket>,
    },
    /// The program does not answer, or not in a way that is understood.
    Talk { path: PathBuf, source: io::Error },
    /// Lines cannot be read from the terminal.
    Terminal { why: String },
    /// Nothing can be written to stdout.
    Output { source: io::Error },
}

/// How many candidates are printed.
const PRINTED: usize = 20;

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Image(error) => fmt::Display::fmt(error, f),
            Self::NoProcess { text } => write!(
                f,
                "no process {text} is running and no file has that name; \
                 for a file write ./{text}"
            ),
            Self::Modules { pid, source } => {
                write!(f, "cannot list the modules of process {pid}: {source}")
            }
            Self::Symbol(error) => fmt::Display::fmt(error, f),
            Self::Ambiguous { query, candidates } => {
                write!(f, "`{query}` names {} functions:", candidates.len())?;
                list(f, candidates)?;
                f.write_str("\nchoose one with --at ADDRESS, or use its raw name")
            }
            Self::NotThere {
                query,
                at,
                candidates,
            } => {
                write!(f, "no function `{query}` is at {}; there is:", hex(*at))?;
                list(f, candidates)
            }
            Self::InsideFunction { at, start, name } => {
                write!(f, "{} is not the start of a function", hex(*at))?;
                let name = name.as_deref().unwrap_or("one");
                let offset = at.wrapping_sub(*start);
                write!(
                    f,
                    "; it is {} bytes into {name}, ask for {}",
                    hex(offset),
                    hex(*start)
                )
            }
            Self::NotCode { at, path } => {
                write!(f, "no code is at {} of {}", hex(*at), path.display())?;
                f.write_str("; give the address that the file states, without the load address")
            }
            Self::Run { why } => f.write_str(why),
            Self::Sockets(error) => fmt::Display::fmt(error, f),
            Self::NoSocket { asked, there } => no_socket(f, asked.as_deref(), there),
            Self::Talk { path, source } => {
                write!(f, "cannot talk to {}: {source}", path.display())
            }
            Self::Terminal { why } => write!(f, "cannot read from the terminal: {why}"),
            Self::Output { source } => write!(f, "cannot write to stdout: {source}"),
        }
    }
}

fn no_socket(f: &mut fmt::Formatter<'_>, asked: Option<&str>, there: &[Socket]) -> fmt::Result {
    match asked {
        Some(asked) if there.iter().any(|s| s.name == asked) => {
            write!(
                f,
                "several programs are called {asked}; give the number of one:"
            )?;
        }
        Some(asked) if there.is_empty() => {
            return write!(
                f,
                "no program {asked} has a control socket, nor has any other; it must call \
                 midair::control::serve()"
            );
        }
        Some(asked) => write!(f, "no program {asked} has a control socket; there is:")?,
        None if there.is_empty() => {
            return f.write_str(
                "no program has a control socket; it must call midair::control::serve()",
            );
        }
        None => f.write_str("several programs have a control socket; name one:")?,
    }
    for socket in there {
        write!(f, "\n  {} {}", socket.pid, socket.name)?;
    }
    Ok(())
}

fn list(f: &mut fmt::Formatter<'_>, candidates: &[FileSymbol]) -> fmt::Result {
    for symbol in candidates.iter().take(PRINTED) {
        write!(f, "\n  {symbol}")?;
        if symbol.raw_name != symbol.name {
            write!(f, "\n    {}", symbol.raw_name)?;
        }
    }
    match candidates.len().checked_sub(PRINTED) {
        Some(more) if more > 0 => write!(f, "\n  and {more} more"),
        _ => Ok(()),
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Image(error) => error.source(),
            Self::Modules { source, .. } => Some(source),
            Self::Symbol(error) => error.source(),
            Self::Sockets(error) => error.source(),
            Self::Talk { source, .. } => Some(source),
            Self::Output { source } => Some(source),
            _ => None,
        }
    }
}

impl From<ImageError> for Error {
    fn from(error: ImageError) -> Self {
        Self::Image(error)
    }
}

impl From<SymbolError> for Error {
    fn from(error: SymbolError) -> Self {
        Self::Symbol(error)
    }
}

impl From<io::Error> for Error {
    fn from(source: io::Error) -> Self {
        Self::Output { source }
    }
}
