//! The program, and the agent in it.

use super::agent_file;
use super::capture::Capture;
use super::runner::Runner;
use crate::args::Run;
use midair::reload::protocol::{
    self, Active, Answer, Hello, Images, Load, Loaded, PROGRAM as OF_PROGRAM, QUESTIONS, Request,
    SOCKET, Undone, VERSION,
};
use std::os::fd::AsRawFd as _;
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::time::{Duration, Instant};

/// How long the agent may take to say something.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long a program that says nothing more may take to end.
const LAST_MOMENT: Duration = Duration::from_millis(500);

/// The program's number, for the handler of signals.
static PROGRAM: AtomicI32 = AtomicI32::new(0);
/// Whether a signal has asked this program to end.
static ASKED_TO_END: AtomicBool = AtomicBool::new(false);

/// A program that was started.
pub(crate) struct Started {
    pub(crate) child: Child,
    /// Where the agent in it answers.
    pub(crate) agent: UnixStream,
    /// Where it asks.
    pub(crate) questions: UnixStream,
}

/// Starts `copy` of the executable as cargo would start the executable, with the
/// agent in it.
pub(crate) fn start(
    copy: &Path,
    executable: &Path,
    capture: &Capture,
    agent: &Path,
    args: &Run,
) -> Result<Started, String> {
    let (own, its) = inherited_pair()?;
    let (questions, its_questions) = inherited_pair()?;
    let mut preload = agent_file::preloaded(agent)?;
    if let Some(before) = std::env::var_os("LD_PRELOAD").filter(|before| !before.is_empty()) {
        preload.push(":");
        preload.push(before);
    }
    let mut command = match Runner::of(capture.target())? {
        None => {
            let mut command = Command::new(copy);
            command.arg0(executable).env("LD_PRELOAD", preload);
            command
        }
        Some(runner) => runner.command(copy, executable, &preload),
    };
    command.args(&args.args);
    let of_cargo = capture.env.iter().filter(|(name, _)| is_for_programs(name));
    command.envs(of_cargo).env(OF_PROGRAM, copy);
    command
        .env(SOCKET, its.as_raw_fd().to_string())
        .env(QUESTIONS, its_questions.as_raw_fd().to_string());
    if args.interactive {
        // Keys are not for it.
        command.stdin(Stdio::null());
    }
    handle_signals();
    let child = command
        .spawn()
        .map_err(|e| format!("{}: {e}", executable.display()))?;
    PROGRAM.store(child.id() as i32, Ordering::Relaxed);
    Ok(Started {
        child,
        agent: own,
        questions,
    })
}

/// Two ends; a program that is started inherits the second.
fn inherited_pair() -> Result<(UnixStream, UnixStream), String> {
    let (own, its) = UnixStream::pair().map_err(|e| format!("a socket: {e}"))?;
    // SAFETY: clears a flag of a descriptor of ours.
    unsafe { libc::fcntl(its.as_raw_fd(), libc::F_SETFD, 0) };
    Ok((own, its))
}

/// What `cargo run` sets for a program.
fn is_for_programs(name: &str) -> bool {
    name == "CARGO"
        || name == "LD_LIBRARY_PATH"
        || name.starts_with("CARGO_PKG_")
        || name.starts_with("CARGO_MANIFEST_")
}

/// Signals are for the program: one of the terminal reaches it by itself, others
/// are passed on. This program ends when it does.
fn handle_signals() {
    extern "C" fn asked(_: i32) {
        ASKED_TO_END.store(true, Ordering::Relaxed);
    }
    extern "C" fn pass_on(number: i32) {
        ASKED_TO_END.store(true, Ordering::Relaxed);
        signal(number);
    }
    let handlers = [
        (libc::SIGINT, asked as extern "C" fn(i32)),
        (libc::SIGQUIT, asked),
        (libc::SIGTERM, pass_on),
        (libc::SIGHUP, pass_on),
    ];
    for (signal, handler) in handlers {
        // SAFETY: the handlers call nothing but `kill`. A program that is started
        // has the default again.
        unsafe { libc::signal(signal, handler as *const () as libc::sighandler_t) };
    }
}

/// Sends a signal to the program, if it runs. May be called by a handler.
pub(crate) fn signal(number: i32) {
    let program = PROGRAM.load(Ordering::Relaxed);
    if program > 0 {
        // SAFETY: sends a signal.
        unsafe { libc::kill(program, number) };
    }
}

/// It runs no more, and its number may soon be another process's.
pub(crate) fn has_ended(id: u32) {
    // Another one may run by now; then there is nothing to do.
    let _ = PROGRAM.compare_exchange(id as i32, 0, Ordering::Relaxed, Ordering::Relaxed);
}

/// Whether the program runs no more. One that does not answer may be about to end.
pub(crate) fn runs_no_more() -> bool {
    let begun = Instant::now();
    while PROGRAM.load(Ordering::Relaxed) > 0 {
        if begun.elapsed() > LAST_MOMENT {
            return false;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    true
}

/// Whether a signal has asked this program to end.
pub(crate) fn is_asked_to_end() -> bool {
    ASKED_TO_END.load(Ordering::Relaxed)
}

/// What this program ends with if the other one ended like this.
pub(crate) fn code(status: ExitStatus) -> u8 {
    let signal = status.signal().map(|signal| 128 + signal);
    status.code().or(signal).map_or(1, |code| code as u8)
}

/// The agent of a running program.
pub(crate) struct Agent {
    socket: UnixStream,
    pub(crate) hello: Hello,
}

impl Agent {
    pub(crate) fn greet(mut socket: UnixStream) -> Result<Self, String> {
        let absent = |e: std::io::Error| {
            format!(
                "the program does not answer ({e}); a static executable has to call \
                 `midair::agent()` at the start of `main`"
            )
        };
        socket.set_read_timeout(Some(PATIENCE)).map_err(absent)?;
        let hello: Hello = protocol::receive(&mut socket).map_err(absent)?;
        if hello.version != VERSION {
            return Err(format!(
                "the agent in the program speaks version {} of the protocol, not {VERSION}; \
                 use the same version of midair in both",
                hello.version
            ));
        }
        Ok(Self { socket, hello })
    }

    fn ask(&mut self, request: &Request) -> Result<Answer, String> {
        let lost = |e| format!("the agent in the program is lost: {e}");
        protocol::send(&mut self.socket, request).map_err(lost)?;
        match protocol::receive(&mut self.socket).map_err(lost)? {
            Answer::Failed(why) => Err(why),
            answer => Ok(answer),
        }
    }

    pub(crate) fn resolve(&mut self, names: Vec<String>) -> Result<Vec<u64>, String> {
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let count = names.len();
        match self.ask(&Request::Resolve(names))? {
            Answer::Addresses(addresses) if addresses.len() == count => Ok(addresses),
            _ => Err(confused()),
        }
    }

    pub(crate) fn room(&mut self, len: u64) -> Result<u64, String> {
        match self.ask(&Request::Room(len))? {
            Answer::Room(at) => Ok(at),
            _ => Err(confused()),
        }
    }

    /// Gives all threads the thread-local data of a library.
    pub(crate) fn thread_data(&mut self, file: &str) -> Result<i64, String> {
        match self.ask(&Request::Threads(file.to_owned()))? {
            Answer::Threads(distance) => Ok(distance),
            _ => Err(confused()),
        }
    }

    pub(crate) fn load(&mut self, load: Load) -> Result<Loaded, String> {
        match self.ask(&Request::Load(load))? {
            Answer::Loaded(loaded) => Ok(loaded),
            _ => Err(confused()),
        }
    }

    /// Goes back to the code before the last reload that was not undone. What
    /// comes next has to be compared with that code.
    pub(crate) fn undo(&mut self) -> Result<Undone, String> {
        match self.ask(&Request::Undo)? {
            Answer::Undone(undone) => Ok(undone),
            _ => Err(confused()),
        }
    }

    /// Who is in the old code of what the last reload has changed.
    pub(crate) fn active(&mut self) -> Result<Vec<Active>, String> {
        match self.ask(&Request::Active)? {
            Answer::Active(active) => Ok(active),
            _ => Err(confused()),
        }
    }

    /// Which images are loaded; `look` unloads what can be before that.
    pub(crate) fn images(&mut self, look: bool) -> Result<Images, String> {
        match self.ask(&Request::Images(u64::from(look)))? {
            Answer::Images(images) => Ok(images),
            _ => Err(confused()),
        }
    }

    pub(crate) fn prepare(&mut self, function: u64) -> Result<(), String> {
        self.ask(&Request::Prepare(function)).map(drop)
    }
}

fn confused() -> String {
    "the agent in the program answers something else than it was asked".to_owned()
}
