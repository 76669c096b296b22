//! What a session waits for: edits, and the program's end.

use super::asked::Asked;
use super::state::Session;
use crate::run::report;
use crate::run::watch::Touched;
use std::process::ExitStatus;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Instant;

/// What a session waits for.
pub(super) enum Event {
    Touched(Touched),
    Ended(std::io::Result<ExitStatus>),
    Asked(Asked),
}

/// Waits for the program's end; edits do not become live for this reason.
pub(super) fn wait(events: &Receiver<Event>, why: &str) -> std::io::Result<ExitStatus> {
    loop {
        match events.recv() {
            Ok(Event::Ended(status)) => return status,
            Ok(Event::Touched(_)) => {}
            Ok(Event::Asked(asked)) => asked.refuse(why),
            Err(_) => return Err(std::io::Error::other("nobody waits for it")),
        }
    }
}

impl Session {
    /// Reloads until the program ends.
    pub(super) fn serve(&mut self, events: &Receiver<Event>) -> std::io::Result<ExitStatus> {
        let mut next = None;
        loop {
            let mut touched = match next.take().map_or_else(|| events.recv(), Ok) {
                Ok(Event::Touched(touched)) => touched,
                Ok(Event::Asked(asked)) => {
                    let told = self.asked(&asked.question);
                    asked.answer(&told);
                    continue;
                }
                Ok(Event::Ended(status)) => return status,
                Err(_) => return Err(std::io::Error::other("nobody waits for it")),
            };
            let begun = Instant::now();
            loop {
                match events.recv_timeout(touched.quiet) {
                    Ok(Event::Touched(more)) => {
                        touched.paths.extend(more.paths);
                        touched.quiet = more.quiet;
                    }
                    Ok(Event::Ended(status)) => return status,
                    Ok(other) => {
                        next = Some(other);
                        break;
                    }
                    Err(RecvTimeoutError::Timeout) => break,
                    Err(RecvTimeoutError::Disconnected) => break,
                }
            }
            touched.paths.sort();
            touched.paths.dedup();
            if let Err(why) = self.edited(&touched.paths, begun) {
                report::say(self.json, &format!("{why}; the old code keeps running"));
            }
        }
    }
}
