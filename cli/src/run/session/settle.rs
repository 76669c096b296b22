//! What runs as it was built of a shadow is put right in the background: lines of what has
//! moved.
//!
//! The crates are built of their files, and so are those that use them, before the
//! executable is linked; then what is different is made live once more. It is the
//! same code, so nobody is told but whoever reads JSON, and an undo takes both back.
//! What rustc warns of is shown now, for now it has the lines of the files.

use super::relink::Call;
use super::state::Session;
use crate::run::report::{Latency, Report};
use crate::run::shadow;
use std::collections::BTreeSet;

impl Session {
    /// The calls of rustc that have to be made, the program's last.
    pub(super) fn begin_settling(&mut self) -> Result<Vec<Call>, String> {
        let mut all = std::mem::take(&mut self.unsettled);
        for n in 0..self.crates.len() {
            if all.contains(&n) {
                all.extend(&self.crates[n].users);
            }
        }
        self.unsettled = all;
        let texts = |n: &usize| shadow::read(&self.crates[*n].sources);
        self.settling = Some(self.unsettled.iter().map(texts).collect());
        let program = self.crates.len() - 1;
        let mut calls = Vec::new();
        let call = |n: &usize| Call::of(&self.crates[*n].capture, self.unsaid.contains(n));
        for n in self.unsettled.iter().filter(|n| **n != program) {
            self.crates[*n].capture.forget_build()?;
            calls.push(call(n));
        }
        calls.push(call(&program));
        Ok(calls)
    }

    /// Those calls have failed; whether something runs as it was built of a shadow.
    pub(super) fn has_failed_to_settle(&mut self) -> bool {
        self.settling = None;
        !self.unsettled.is_empty() && self.stale.is_empty()
    }

    /// Those calls were made, and the program's; the report, if anything came of it.
    pub(super) fn settle(&mut self) -> Result<Option<Report>, String> {
        let Some(built) = self.settling.take() else {
            return Ok(None);
        };
        let now = self
            .unsettled
            .iter()
            .map(|n| shadow::read(&self.crates[*n].sources));
        let now: Vec<_> = now.collect();
        // Another edit is on its way.
        if self.unsettled.is_empty() || !self.stale.is_empty() || now != built {
            return Ok(None);
        }
        self.unsaid.clear();
        let rebuilt: Vec<usize> = self.unsettled.iter().copied().collect();
        for n in &rebuilt {
            self.read_sources(*n)?;
        }
        self.settles = true;
        let report = self.reload(&rebuilt, &mut Latency::default());
        self.settles = false;
        let report = report?;
        if report.refused.is_empty() {
            for (n, texts) in rebuilt.into_iter().zip(now) {
                let one = &mut self.crates[n];
                one.texts = texts;
                one.known = one.read_metadata();
            }
            self.unsettled = BTreeSet::new();
        }
        Ok(Some(report))
    }
}
