//! A command that nobody waits for: at low priority, silent but for what is kept of it,
//! and ended at once when its files are needed.

use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What is added to its niceness.
const NICE: i32 = 15;
/// How long its processes may take to be gone once they are killed.
const PATIENCE: Duration = Duration::from_millis(200);

#[derive(Default)]
pub(crate) struct Quiet(Mutex<Stage>);

#[derive(Clone, Copy, Default)]
enum Stage {
    #[default]
    Idle,
    /// Its process group.
    AtWork(i32),
    Cancelled,
}

impl Quiet {
    /// Runs a command in a process group of its own; what it has to say is added to
    /// `heard`.
    pub(crate) fn run(
        &self,
        command: &mut Command,
        heard: Option<&mut Vec<String>>,
    ) -> std::io::Result<ExitStatus> {
        let mut child = self.spawn(command, heard.is_some())?;
        if let (Some(heard), Some(said)) = (heard, child.stderr.take()) {
            heard.extend(BufReader::new(said).lines().map_while(Result::ok));
        }
        let status = child.wait();
        let mut stage = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*stage, Stage::AtWork(_)) {
            *stage = Stage::Idle;
        }
        status
    }

    fn spawn(&self, command: &mut Command, is_heard: bool) -> std::io::Result<Child> {
        let mut stage = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*stage, Stage::Cancelled) {
            return Err(std::io::ErrorKind::Interrupted.into());
        }
        let stderr = if is_heard {
            Stdio::piped()
        } else {
            Stdio::null()
        };
        let child = command.stderr(stderr).process_group(0).spawn()?;
        // SAFETY: sets a priority, which those that it starts inherit.
        unsafe { libc::setpriority(libc::PRIO_PROCESS, child.id(), NICE) };
        *stage = Stage::AtWork(child.id() as i32);
        Ok(child)
    }

    /// Ends it, now or before it begins.
    pub(crate) fn cancel(&self) {
        let mut stage = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Stage::AtWork(group) = *stage {
            // SAFETY: sends a signal to processes that were started for this.
            unsafe { libc::kill(-group, libc::SIGKILL) };
            let begun = Instant::now();
            // What is killed may be within a write.
            // SAFETY: asks whether there are any.
            while unsafe { libc::kill(-group, 0) } == 0 && begun.elapsed() < PATIENCE {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        *stage = Stage::Cancelled;
    }
}
