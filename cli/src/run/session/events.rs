//! What a session waits for: edits, keys, questions, and the program's end.

use super::asked::Asked;
use super::keys::Key;
use crate::run::quiet::Quiet;
use crate::run::watch::Touched;
use std::process::ExitStatus;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant, SystemTime};

/// How often is looked whether somebody has asked this program to end.
const LOOK: Duration = Duration::from_millis(200);

pub(super) enum Event {
    Touched(Touched),
    /// The program has ended, by its number.
    Ended(u32, std::io::Result<ExitStatus>),
    Key(Key),
    Asked(Asked),
    /// The executable was linked in the background, since then; and what rustc has said of
    /// crates of which it was not shown yet.
    Linked(Arc<Quiet>, Option<SystemTime>, Vec<String>),
}

/// Events in their order.
pub(super) struct Events {
    pub(super) tell: Sender<Event>,
    coming: Receiver<Event>,
    next: Option<Event>,
}

impl Events {
    pub(super) fn new() -> Self {
        let (tell, coming) = mpsc::channel();
        Self {
            tell,
            coming,
            next: None,
        }
    }

    /// The next one; none if there is none for so long.
    pub(super) fn next(&mut self, wait: Option<Duration>) -> Option<Event> {
        if let Some(event) = self.next.take() {
            return Some(event);
        }
        self.coming.recv_timeout(wait.unwrap_or(LOOK)).ok()
    }

    /// Adds to `touched` what is written together with it.
    pub(super) fn settle(&mut self, touched: &mut Touched) {
        while self.next.is_none() {
            match self.coming.recv_timeout(touched.quiet) {
                Ok(Event::Touched(more)) => {
                    touched.paths.extend(more.paths);
                    touched.quiet = more.quiet;
                }
                Ok(event) => self.next = Some(event),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
            }
        }
        touched.paths.sort();
        touched.paths.dedup();
    }

    /// Waits for the program's end; what else comes meanwhile is old by then.
    pub(super) fn end_of(
        &mut self,
        program: u32,
        patience: Duration,
    ) -> Option<std::io::Result<ExitStatus>> {
        let begun = Instant::now();
        while let Some(rest) = patience.checked_sub(begun.elapsed()) {
            if let Some(Event::Ended(id, status)) = self.next(Some(rest))
                && id == program
            {
                return Some(status);
            }
        }
        None
    }
}
