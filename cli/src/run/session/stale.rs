//! Crates that were edited are built anew, and so are those that use them.

use super::state::Session;
use crate::run::report::{self, Latency, Report, milliseconds};
use crate::run::{agent_file, crates, replay, shadow};
use std::fmt;
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

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
        let replayed = Instant::now();
        let rebuilt = self.rebuild(is_shown)?;
        let mut latency = Latency {
            watch: milliseconds(watch),
            rustc: milliseconds(replayed.elapsed()),
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
    fn rebuild(&mut self, is_shown: bool) -> Result<Vec<usize>, NotLive> {
        let mut done = Vec::new();
        for n in 0..self.crates.len() {
            if !self.stale.contains(&n) {
                continue;
            }
            // cargo must not take what is built now for what the files say.
            self.crates[n].capture.forget_build()?;
            if !self.build_shadow(n, is_shown)? {
                self.build_files(n, is_shown)?;
            }
            done.push(n);
        }
        Ok(done)
    }

    /// Builds a crate of its files, and of what was typed in place of them.
    fn build_files(&mut self, n: usize, is_shown: bool) -> Result<(), NotLive> {
        let before = shadow::read(&self.crates[n].sources);
        let prepare = |rustc: &mut Command| match &self.overlay_library {
            Some(library) => self.overlay.apply(rustc, library, &self.folder),
            None => Ok(()),
        };
        let replayed = replay::replay(&self.crates[n].capture, prepare, is_shown)?;
        // Also a build that fails says what it has read.
        let sources = crates::sources(&self.crates[n].capture);
        if !sources.is_empty() {
            self.watch.add(&sources)?;
            self.crates[n].sources = sources;
        }
        if !replayed.is_built {
            return Err(NotLive::Broken(replayed.errors));
        }
        self.unsettled.remove(&n);
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

    /// Builds a crate of a shadow of its sources. Not if an edit has changed more than
    /// bodies, or if other crates see of it; they have to be built as well then. Nor if it
    /// fails, for whatever reason.
    fn build_shadow(&mut self, n: usize, is_shown: bool) -> Result<bool, NotLive> {
        let one = &self.crates[n];
        if !self.overlay.is_empty() || self.affected.contains(&n) {
            return Ok(false);
        }
        let (Some(built), Some(now)) = (&one.texts, shadow::read(&one.sources)) else {
            return Ok(false);
        };
        if one.users.is_empty() && shadow::is_in_place(built, &now) {
            return Ok(false);
        }
        let shadow = shadow::of(built, &now);
        let Some(shadow) = shadow.filter(|new| one.users.is_empty() || new.is_private) else {
            return Ok(false);
        };
        let library = match self.overlay_library.take() {
            Some(library) => library,
            None => agent_file::overlay_in_folder(&self.folder)?,
        };
        let library = self.overlay_library.insert(library);
        let prepare = |rustc: &mut Command| shadow.apply(rustc, library, &self.folder);
        let replayed = replay::replay(&one.capture, prepare, false)?;
        if !replayed.is_built {
            return Ok(false);
        }
        if is_shown {
            let kept = replayed.kept.iter();
            kept.for_each(|line| replay::show(&shadow.rename(line)));
        }
        self.unsettled.insert(n);
        Ok(true)
    }
}
