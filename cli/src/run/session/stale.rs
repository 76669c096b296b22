//! Crates that were edited are built anew, and so are those that use them.

use super::state::Session;
use crate::run::report::{Latency, milliseconds};
use crate::run::{crates, replay};
use std::path::PathBuf;
use std::time::Instant;

impl Session {
    /// Makes live what was edited, if anything was.
    pub(super) fn edited(&mut self, paths: &[PathBuf], begun: Instant) -> Result<(), String> {
        let failed = !self.stale.is_empty();
        let mut any = false;
        for path in paths {
            let users: Vec<usize> = (0..self.crates.len())
                .filter(|n| self.crates[*n].sources.contains(path))
                .collect();
            // A file that the last build has missed, perhaps.
            let may_be_missing = failed && path.extension().is_some_and(|end| end == "rs");
            if (!users.is_empty() || may_be_missing) && self.watch.is_edited(path) {
                self.stale.extend(users);
                any = true;
            }
        }
        if !any {
            return Ok(());
        }
        let watch = begun.elapsed();
        let replayed = Instant::now();
        let Some(rebuilt) = self.rebuild()? else {
            return Err("it does not compile".to_owned());
        };
        let mut latency = Latency {
            watch: milliseconds(watch),
            rustc: milliseconds(replayed.elapsed()),
            ..Latency::default()
        };
        let mut report = self.reload(&rebuilt, &mut latency)?;
        latency.total = milliseconds(begun.elapsed());
        report.milliseconds = latency;
        report.print(self.json);
        Ok(())
    }

    /// Builds the crates that are stale, and those that use them if they see a
    /// difference. None if one does not compile.
    fn rebuild(&mut self) -> Result<Option<Vec<usize>>, String> {
        let mut done = Vec::new();
        let mut n = 0;
        while n < self.crates.len() {
            if self.stale.contains(&n) {
                let before = std::fs::read(self.crates[n].metadata()).ok();
                let succeeded = replay::replay(&self.crates[n].capture)?;
                // Also a build that fails says what it has read.
                let sources = crates::sources(&self.crates[n].capture);
                if !sources.is_empty() {
                    self.watch.add(&sources)?;
                    self.crates[n].sources = sources;
                }
                if !succeeded {
                    return Ok(None);
                }
                done.push(n);
                let metadata = self.crates[n].metadata();
                if before.is_none() || std::fs::read(metadata).ok() != before {
                    self.stale.extend(self.crates[n].users.clone());
                }
            }
            n += 1;
        }
        Ok(Some(done))
    }
}
