//! A manifest, a build script, a procedural macro or the like was edited: cargo builds,
//! and what it has built is compared with what runs as after any other edit.
//!
//! cargo gives a crate with another version, other features or dependencies another
//! identity; it is built once more, under the old one ([`identity`]).

use super::stale::NotLive;
use super::state::Session;
use crate::run::build::Build;
use crate::run::identity::Kept;
use crate::run::report::{Latency, Report, milliseconds};
use crate::run::{crates, identity, shadow};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::{Duration, Instant};

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
    pub(super) fn configured(
        &mut self,
        build: &mut Build,
        begun: Instant,
    ) -> Result<Report, NotLive> {
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
        let refuse = |refused| {
            Ok(Report {
                refused,
                ..Report::default()
            })
        };
        let Kept {
            captures,
            others,
            places,
        } = match identity::kept(&self.crates, build) {
            Ok(kept) => kept,
            Err(refused) => return refuse(refused),
        };
        let known = self.pool.libraries();
        let libraries = identity::new_libraries(&build.libraries, known, &build.captures);
        if let Err(why) = self.pool.add(&libraries) {
            return refuse(vec![why]);
        }
        for (one, capture) in self.crates.iter_mut().zip(captures) {
            one.capture = capture;
        }
        if !places.is_sorted() {
            self.reorder(&places);
        }
        crates::connect(&mut self.crates);
        let others: Vec<usize> = others.into_iter().map(|n| places[n]).collect();
        build.captures = self.crates.iter().map(|one| one.capture.clone()).collect();
        build.libraries = self.pool.libraries().to_vec();
        let mut latency = Latency::default();
        if !others.is_empty() {
            // cargo has built these as others.
            for n in &others {
                self.crates[*n].texts = None;
            }
            self.stale.extend(others);
            let mut rustc = Duration::ZERO;
            self.rebuild(true, &mut rustc)?;
        }
        for one in &mut self.crates {
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
        let mut all = self.crates.iter();
        if all.any(identity::is_configured_otherwise) {
            let now = self.crates.iter().flat_map(|one| &one.sources);
            let refused = self.conventions.by_configuration(&now.collect());
            if !refused.is_empty() {
                return refuse(refused);
            }
        }
        self.unsettled = BTreeSet::new();
        self.unsaid = BTreeSet::new();
        let all: Vec<usize> = (0..self.crates.len()).collect();
        latency.rustc = milliseconds(begun.elapsed());
        let mut report = self.reload(&all, &mut latency)?;
        latency.total = milliseconds(begun.elapsed());
        report.milliseconds = latency;
        report.built = vec!["cargo".to_owned()];
        self.needs_cargo = !report.refused.is_empty();
        self.look_back(&mut report);
        Ok(report)
    }
}
