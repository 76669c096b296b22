//! Crates that were edited are built anew, and so are those that use them.

use super::state::Session;
use crate::run::report::{self, Latency, Report, milliseconds};
use crate::run::shadow::{self, Shadow};
use crate::run::{agent_file, crates, replay};
use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

/// Why what was edited is not live.
#[derive(Debug)]
pub(super) enum NotLive {
    /// rustc's errors.
    Broken(String),
    Failed(String),
}

impl NotLive {
    /// For somebody who does not see this program's stderr.
    pub(super) fn with_errors(&self) -> String {
        match self {
            Self::Broken(errors) => format!("{self}; nothing has changed\n{errors}"),
            Self::Failed(_) => format!("{self}; nothing has changed"),
        }
    }
}

impl fmt::Display for NotLive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Broken(_) => f.write_str("it does not compile"),
            Self::Failed(why) => f.write_str(why),
        }
    }
}

impl From<String> for NotLive {
    fn from(why: String) -> Self {
        Self::Failed(why)
    }
}

impl Session {
    /// Whether any of these files is another one now; its crates are stale then.
    pub(super) fn touched(&mut self, paths: &[PathBuf]) -> bool {
        let failed = !self.stale.is_empty();
        let mut any = false;
        for path in paths {
            let users = self.users_of(path);
            // A file that the last build has missed, perhaps.
            let may_be_missing = failed && path.extension().is_some_and(|end| end == "rs");
            let is_ours = !users.is_empty() || may_be_missing;
            // Who saves a file as it was, after the disk was full, tries again.
            if is_ours && self.watch.is_new(path, self.again) {
                self.stale.extend(users);
                self.edited.insert(path.clone());
                any = true;
                let typed = self.overlay.forget(path);
                if !typed.is_empty() {
                    let text = format!(
                        "what was typed for {} gives way to the file",
                        typed.join(", ")
                    );
                    report::say(self.say.json, &text);
                }
            }
        }
        any
    }

    /// Builds what is stale and makes it live. What rustc has to say is shown, or only
    /// given back.
    pub(super) fn renew(&mut self, begun: Instant, is_shown: bool) -> Result<Report, NotLive> {
        let report = self.built_and_reloaded(begun, is_shown);
        self.again = report.is_err();
        report
    }

    fn built_and_reloaded(&mut self, begun: Instant, is_shown: bool) -> Result<Report, NotLive> {
        let watch = begun.elapsed();
        let (replayed, mut rustc) = (Instant::now(), Duration::ZERO);
        let rebuilt = self.rebuild(is_shown, &mut rustc)?;
        let mut latency = Latency {
            watch: milliseconds(watch),
            sources: milliseconds(replayed.elapsed().saturating_sub(rustc)),
            rustc: milliseconds(rustc),
            ..Latency::default()
        };
        let mut report = self.reload(&rebuilt, &mut latency)?;
        let names = rebuilt.iter().map(|n| self.crates[*n].capture.crate_name());
        report.built = names.flatten().map(str::to_owned).collect();
        latency.total = milliseconds(begun.elapsed());
        report.milliseconds = latency;
        self.look_back(&mut report);
        Ok(report)
    }

    /// Builds the crates that are stale, and those that use them if they see a
    /// difference.
    pub(super) fn rebuild(
        &mut self,
        is_shown: bool,
        took: &mut Duration,
    ) -> Result<Vec<usize>, NotLive> {
        self.rebuild_between();
        let mut done = Vec::new();
        for n in 0..self.crates.len() {
            if !self.stale.contains(&n) {
                continue;
            }
            // cargo must not take what is built now for what the files say.
            self.crates[n].capture.forget_build()?;
            if !self.build_shadow(n, took)? {
                self.build_files(n, is_shown, took)?;
            }
            done.push(n);
        }
        Ok(done)
    }

    /// What was built of a shadow has other metadata, of which its users know nothing yet. If
    /// one of them is about to be built, those between have to be as well, or rustc
    /// misses the version that they were built with.
    fn rebuild_between(&mut self) {
        let of_unsettled = |n: usize| self.unsettled.contains(&n) && !self.stale.contains(&n);
        let mut behind: BTreeSet<usize> = BTreeSet::new();
        for n in 0..self.crates.len() {
            if of_unsettled(n) || behind.contains(&n) {
                behind.extend(&self.crates[n].users);
            }
        }
        if behind.iter().any(|n| self.stale.contains(n)) {
            self.stale.extend(behind);
        }
    }

    /// Builds a crate of its files, and of what was typed in place of them.
    fn build_files(
        &mut self,
        n: usize,
        is_shown: bool,
        took: &mut Duration,
    ) -> Result<(), NotLive> {
        let before = shadow::read(&self.crates[n].sources);
        let prepare = |rustc: &mut Command| match &self.overlay_library {
            Some(library) => self.overlay.apply(rustc, library, &self.folder),
            None => Ok(()),
        };
        let replayed = replay::replay(&self.crates[n].capture, prepare, is_shown)?;
        *took += replayed.took;
        // Also a build that fails says what it has read.
        self.read_sources(n)?;
        if !replayed.is_built {
            return Err(NotLive::Broken(replayed.errors));
        }
        self.unsettled.remove(&n);
        self.unsaid.remove(&n);
        let one = &mut self.crates[n];
        // They may have been edited meanwhile.
        let after = shadow::read(&one.sources).filter(|_| self.overlay.is_empty());
        one.texts = after.filter(|after| shadow::is_part(after, before.as_ref()));
        // Compared with what those that use it were built with: somebody may have
        // built it meanwhile.
        let metadata = one.read_metadata();
        if metadata.is_none() || metadata != one.known {
            one.known = metadata;
            self.stale.extend(&one.users);
            self.affected.extend(&one.users);
        }
        Ok(())
    }

    /// What rustc has read last of files is what is watched.
    pub(super) fn read_sources(&mut self, n: usize) -> Result<(), String> {
        let read = crates::read(&self.crates[n].capture);
        if !read.is_empty() {
            let one = &mut self.crates[n];
            one.has_read(read);
            self.watch.add(&one.sources)?;
        }
        Ok(())
    }

    /// Builds a crate of a shadow of its sources. Not if an edit has changed more than
    /// bodies, or if other crates see of it; they have to be built as well then. Nor if it
    /// fails, for whatever reason.
    fn build_shadow(&mut self, n: usize, took: &mut Duration) -> Result<bool, NotLive> {
        let one = &self.crates[n];
        if !self.overlay.is_empty() || self.affected.contains(&n) || one.is_looked_at {
            return Ok(false);
        }
        let (Some(built), Some(called), Some(now)) =
            (&one.texts, &one.called, shadow::read(&one.sources))
        else {
            return Ok(false);
        };
        if one.users.is_empty() && shadow::is_in_place(built, &now) {
            return Ok(false);
        }
        let shadow = shadow::of(built, &now, called, &mut self.known_texts);
        let Some(shadow) = shadow.filter(|new| one.users.is_empty() || new.is_private) else {
            return Ok(false);
        };
        let library = match self.overlay_library.take() {
            Some(library) => library,
            None => agent_file::overlay_in_folder(&self.folder)?,
        };
        let library = self.overlay_library.insert(library);
        let mut is_written = true;
        let prepare = |rustc: &mut Command| {
            let applied = shadow.apply(rustc, library, &self.folder);
            applied.inspect_err(|_| is_written = false)
        };
        let replayed = match replay::replay(&one.capture, prepare, false) {
            // Why not is told when the files are built, if that fails as well.
            Err(_) if !is_written => return Ok(false),
            replayed => replayed?,
        };
        *took += replayed.took;
        if Shadow::was_seen(&self.folder) {
            self.crates[n].is_looked_at = true;
            return Ok(false);
        }
        if !replayed.is_built || !shadow.was_read(&one.capture) {
            return Ok(false);
        }
        // In them are lines of before.
        if !replayed.kept.is_empty() {
            self.unsaid.insert(n);
        }
        self.unsettled.insert(n);
        Ok(true)
    }
}
