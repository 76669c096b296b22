//! The executable is linked anew while the program runs, so that a restart need not
//! wait for it.
//!
//! It is rustc's call for the program, at low priority and in a process group of its
//! own, and it is ended before the next edit is built. (cargo is no good for that: it
//! removes libraries before it builds them, and when it is ended they are missing.)
//! What it builds is not what runs: the program has a copy of its own, and objects are
//! compared with those that it was made of.

use super::events::Event;
use crate::run::capture::Capture;
use crate::run::quiet::Quiet;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

/// How long after a reload it begins: one edit is often followed by another.
const DELAY: Duration = Duration::from_millis(300);

/// A call of rustc.
pub(super) struct Call {
    command: Command,
    /// What it has to say was not shown yet.
    is_heard: bool,
}

impl Call {
    pub(super) fn of(capture: &Capture, is_heard: bool) -> Self {
        let mut command = capture.command();
        command.stdin(Stdio::null()).stdout(Stdio::null());
        Self { command, is_heard }
    }
}

pub(super) struct Relink {
    tell: Sender<Event>,
    begin: Option<Instant>,
    at_work: Option<(Arc<Quiet>, JoinHandle<()>)>,
    /// When it was begun with the newest code.
    done: Option<SystemTime>,
}

impl Relink {
    pub(super) fn new(tell: Sender<Event>) -> Self {
        Self {
            tell,
            begin: None,
            at_work: None,
            done: None,
        }
    }

    /// What was built is newer than the executable.
    pub(super) fn soon(&mut self) {
        self.begin = Some(Instant::now() + DELAY);
    }

    /// How long until [`begin`](Self::begin) is to be called.
    pub(super) fn wait(&self) -> Option<Duration> {
        let begin = self.begin?;
        Some(begin.saturating_duration_since(Instant::now()))
    }

    /// Whether it is time to [`begin`](Self::begin).
    pub(super) fn is_due(&self) -> bool {
        self.wait() == Some(Duration::ZERO)
    }

    /// Makes these calls, of which the last one links the program.
    pub(super) fn begin(&mut self, calls: Vec<Call>) {
        self.cancel();
        let quiet = Arc::new(Quiet::default());
        let (tell, own) = (self.tell.clone(), Arc::clone(&quiet));
        let work = std::thread::spawn(move || {
            let begun = SystemTime::now();
            let mut heard = Vec::new();
            let linked = calls.into_iter().all(|mut call| {
                let heard = call.is_heard.then_some(&mut heard);
                let ended = own.run(&mut call.command, heard);
                ended.is_ok_and(|status| status.success())
            });
            // Nobody listens any more once the program has ended.
            let _ = tell.send(Event::Linked(own, linked.then_some(begun), heard));
        });
        self.at_work = Some((quiet, work));
    }

    /// Ends it: files are about to change.
    pub(super) fn cancel(&mut self) {
        self.begin = None;
        self.done = None;
        if let Some((quiet, work)) = self.at_work.take() {
            quiet.cancel();
            // It has nothing to say if it panicked.
            let _ = work.join();
        }
    }

    /// It has ended; whether there is an executable of the newest code now. None if that
    /// was another one.
    pub(super) fn ended(&mut self, which: &Arc<Quiet>, begun: Option<SystemTime>) -> Option<bool> {
        let is_it = |(quiet, _): &mut (Arc<Quiet>, _)| Arc::ptr_eq(quiet, which);
        self.at_work.take_if(is_it)?;
        // What failed is said by a restart, which tries again.
        self.done = begun;
        Some(self.done.is_some())
    }

    /// When the newest code was linked, if it was.
    pub(super) fn take(&mut self) -> Option<SystemTime> {
        self.done.take()
    }
}

impl Drop for Relink {
    fn drop(&mut self) {
        self.cancel();
    }
}
