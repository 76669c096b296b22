//! A manifest, a build script, a procedural macro or the like was edited: cargo builds,
//! and what it has built is compared with what runs as after any other edit.
//!
//! cargo gives a crate with another version, other features, dependencies or settings
//! another identity: its types and statics are not those of the crate that runs. Such an
//! edit is refused. What a build script or a macro generates has no part in that.

use super::stale::NotLive;
use super::state::Session;
use crate::run::build::Build;
use crate::run::capture::Capture;
use crate::run::report::{Latency, Report, milliseconds};
use crate::run::{crates, shadow};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Instant;

impl Session {
    /// Whether cargo reads one of these files, and it is another one now.
    pub(super) fn is_configured_anew(&mut self, paths: &[PathBuf]) -> bool {
        let mut any = false;
        for path in paths {
            any |= self.inputs.contains(path) && self.watch.is_new(path, self.again);
        }
        self.needs_cargo |= any;
        any
    }

    /// Makes live what cargo has built since `begun`.
    pub(super) fn configured(&mut self, build: &Build, begun: Instant) -> Result<Report, NotLive> {
        self.inputs = build.inputs.iter().cloned().collect();
        self.watch.add(&build.inputs)?;
        // What was edited meanwhile is another edit.
        let is_older = |path: &PathBuf| {
            let written = path.metadata().and_then(|file| file.modified());
            written.is_ok_and(|written| written < build.begun)
        };
        for path in build.inputs.iter().filter(|path| is_older(path)) {
            self.watch.look(path);
        }
        let refused = self.other_crates(build);
        if !refused.is_empty() {
            return Ok(Report {
                refused,
                ..Report::default()
            });
        }
        for one in &mut self.crates {
            let stem = one.capture.stem();
            let newer = build.captures.iter().find(|newer| newer.stem() == stem);
            one.capture = newer.unwrap_or(&one.capture).clone();
            one.has_read(crates::read(&one.capture));
            self.watch.add(&one.sources)?;
            // What a build script has written was written before rustc was called.
            let generated = one.capture.env.get("OUT_DIR").map(PathBuf::from);
            let is_generated = |path: &PathBuf| {
                let mut generated = generated.iter();
                generated.any(|folder| path.starts_with(folder))
            };
            let (seen, later): (Vec<&PathBuf>, Vec<&PathBuf>) = one
                .sources
                .iter()
                .partition(|path| is_generated(path) || is_older(path));
            for path in seen {
                self.watch.look(path);
            }
            one.texts = shadow::read(&one.sources).filter(|_| later.is_empty());
            one.known = one.read_metadata();
        }
        self.unsettled = BTreeSet::new();
        self.unsaid = BTreeSet::new();
        let all: Vec<usize> = (0..self.crates.len()).collect();
        let mut latency = Latency {
            rustc: milliseconds(begun.elapsed()),
            ..Latency::default()
        };
        let mut report = self.reload(&all, &mut latency)?;
        latency.total = milliseconds(begun.elapsed());
        report.milliseconds = latency;
        report.built = vec!["cargo".to_owned()];
        self.needs_cargo = !report.refused.is_empty();
        self.look_back(&mut report);
        Ok(report)
    }

    /// Why crates are other ones than those that run.
    fn other_crates(&self, build: &Build) -> Vec<String> {
        let mut refused = Vec::new();
        for one in &self.crates {
            let old = &one.capture;
            let name = old.crate_name().unwrap_or_default();
            if build.captures.iter().any(|new| new.stem() == old.stem()) {
                continue;
            }
            let is_it =
                |new: &&Capture| new.crate_name() == Some(name) && new.is_of_package_of(old);
            refused.push(match build.captures.iter().find(is_it) {
                None => format!("crate `{name}` is not part of the program any more"),
                Some(new) => format!(
                    "`{name}` is another crate for cargo now, with other types and statics: {}",
                    difference(old, new)
                ),
            });
        }
        refused
    }
}

/// What of a crate's identity has changed.
fn difference(old: &Capture, new: &Capture) -> String {
    let mut words = Vec::new();
    let version = |of: &Capture| of.env.get("CARGO_PKG_VERSION").cloned().unwrap_or_default();
    if version(old) != version(new) {
        words.push(format!("version {}, was {}", version(new), version(old)));
    }
    let mut sets = |what: &str, old: BTreeSet<String>, new: BTreeSet<String>| {
        let came: Vec<&str> = new.difference(&old).map(String::as_str).collect();
        let went: Vec<&str> = old.difference(&new).map(String::as_str).collect();
        if !came.is_empty() {
            words.push(format!("{what} {} is new", came.join(", ")));
        }
        if !went.is_empty() {
            words.push(format!("{what} {} is gone", went.join(", ")));
        }
    };
    sets("feature", old.features(), new.features());
    sets("dependency", old.extern_names(), new.extern_names());
    if words.is_empty() {
        words.push("a dependency, the profile or the compiler changed".to_owned());
    }
    words.join("; ")
}
