//! What was built is compared with what runs; the gate is asked, an image is
//! linked and loaded.

use super::state::Session;
use super::undo::{Before, Named};
use crate::run::changes::{Changes, Difference, key};
use crate::run::judge::{self, Judged, Running};
use crate::run::link;
use crate::run::link::plan::{Piece, Sources};
use crate::run::names::Place;
use crate::run::object::{Kind, Object};
use crate::run::report::{self, Latency, Report, milliseconds};
use crate::run::units::Objects;
use midair::reload::protocol::{Bytes, Load, Swap};
use std::sync::Arc;
use std::time::Instant;

impl Session {
    /// Makes what was built live.
    pub(super) fn reload(
        &mut self,
        rebuilt: &[usize],
        latency: &mut Latency,
    ) -> Result<Report, String> {
        if !self.settles {
            let refused = self.conventions.refused(&self.edited);
            if !refused.is_empty() {
                return Ok(Report {
                    refused,
                    ..Report::default()
                });
            }
        }
        let running = Running {
            crates: &self.crates,
            names: &self.names,
            types: &self.types,
            partly: &self.partly,
        };
        let Judged {
            newest,
            changes,
            types,
            mut report,
        } = running.judge(rebuilt, self.is_partial, latency)?;
        if report.is_refused() {
            return Ok(report);
        }
        let mut step = Before::nothing(self.running_overlay.clone());
        if !changes.is_empty() {
            step.named = self.call_by_new_names(&changes);
            if let Err(why) = self.apply(&changes, &newest, latency, &mut report, &mut step) {
                self.forget(&step.named);
                return Err(why);
            }
        }
        if !report.refused.is_empty() {
            // What runs is still what it was, apart from this.
            self.partly.extend(changes.keys());
            self.steps.add(step, self.settles);
            self.edited.clear();
            return Ok(report);
        }
        self.partly.clear();
        for (n, objects) in newest {
            let one = &mut self.crates[n];
            // As long as the code is the same, nothing of what is new in the call runs.
            if !changes.is_empty() {
                one.live.clone_from(&one.capture);
            }
            let before = std::mem::replace(&mut one.units.running, objects);
            step.units.push((n, before));
        }
        self.steps.add(step, self.settles);
        types.into_iter().for_each(|types| self.types.add(types));
        self.stale.clear();
        self.running_overlay = self.overlay.clone();
        if !self.settles {
            self.conventions.are_live(&self.edited);
        }
        self.edited.clear();
        self.affected.clear();
        Ok(report)
    }

    /// What was renamed is found under its new name from now on.
    fn call_by_new_names(&mut self, changes: &Changes) -> Vec<Named> {
        let functions = changes.functions.iter();
        let renamed = functions.filter(|one| one.was.is_some() && one.versioned.is_none());
        let mut done = Vec::new();
        for function in renamed {
            let place = Place::At(function.target);
            self.names.add(&function.object, function.symbol, place);
            done.push((Arc::clone(&function.object), function.symbol, place));
        }
        done
    }

    fn apply(
        &mut self,
        changes: &Changes,
        newest: &[(usize, Objects)],
        latency: &mut Latency,
        report: &mut Report,
        step: &mut Before,
    ) -> Result<(), String> {
        let begun = Instant::now();
        let functions = || changes.functions.iter().filter(|one| one.is_linked());
        let pieces = functions().map(|function| Piece {
            object: Arc::clone(&function.object),
            section: function.section,
        });
        let constants = changes
            .constants
            .iter()
            .map(|constant| constant.piece.clone());
        let roots: Vec<Piece> = pieces.chain(constants).collect();
        if roots.is_empty() {
            return Ok(());
        }
        let all = judge::units(&self.crates, newest);
        let objects: Vec<Arc<Object>> = all.iter().map(|unit| Arc::clone(&unit.object)).collect();
        let newer = changes.newer();
        let mut sources = Sources {
            names: &self.names,
            newer: &newer,
            pool: &mut self.pool,
            objects: &objects,
            area: self.agent.hello.images(),
        };
        let path = self.folder.join(format!("edit-{}.so", self.images + 1));
        let threads = path.with_extension("threads.so");
        let agent = &mut self.agent;
        let image = link::link(&roots, &mut sources, agent, self.reserve, &threads)?;
        std::fs::write(&path, &image.bytes).map_err(|e| format!("{}: {e}", path.display()))?;
        latency.link = milliseconds(begun.elapsed());
        let mut load = Load {
            file: path
                .to_str()
                .ok_or("the target folder's name is not UTF-8")?
                .to_owned(),
            address: image.at,
            len: image.len,
            caches: self.names.caches.clone(),
            sources: self
                .edited
                .iter()
                .map(|path| path.display().to_string())
                .collect(),
            settles: self.settles,
            ..Load::default()
        };
        for function in functions().filter(|function| !function.is_other) {
            if function.versioned.is_some() {
                continue;
            }
            let symbol = &function.object.symbols[function.symbol];
            let section = image.address(&function.object, function.section);
            let replacement = section.ok_or("a changed function is missing in the image")?;
            load.swaps.push(Swap {
                target: function.target,
                replacement: replacement + symbol.value,
            });
            if function.difference != Difference::Lines {
                let name = report::path(function.object.symbol_name(function.symbol));
                report.functions.push((function.target, name));
            }
        }
        for constant in &changes.constants {
            let linked = image.linked(&constant.piece);
            load.writes.push(Bytes {
                address: constant.address,
                bytes: linked
                    .ok_or("a changed constant is missing in the image")?
                    .to_vec(),
            });
        }
        let new: Vec<_> = image
            .named()
            .filter(|(object, symbol, _)| {
                let (file, name) = key(object, *symbol);
                newer.contains(&(file.to_owned(), name.to_owned()))
                    || self.names.find(object, *symbol).is_none()
            })
            .map(|(object, symbol, place)| (Arc::clone(object), symbol, place))
            .collect();
        let called = new
            .iter()
            .map(|(object, symbol, _)| object.symbol_name(*symbol));
        load.contents = image.contents(called.map(report::path).collect());
        load.contents.stays.clone_from(&self.stays);
        let loaded = self.agent.load(load)?;
        latency.load = loaded.load_nanoseconds as f64 / 1e6;
        latency.swap = loaded.swap_nanoseconds as f64 / 1e6;
        if !loaded.unlisted.is_empty() {
            let text = format!("debuggers do not see this edit: {}", loaded.unlisted);
            report::say(self.say.json, &text);
        }
        let is_in = |function| report.functions.iter().any(|(at, _)| *at == function);
        let above = loaded.above.into_iter().filter(|it| is_in(it.function));
        report.above = above.map(|it| it.said).collect();
        report.bytes = image.len;
        self.images += 1;
        self.lines.add(image.at..image.at + image.len, &path);
        self.reserve = image.reserve();
        for (object, symbol, place) in &new {
            self.names.add(object, *symbol, *place);
        }
        // What is no code keeps its value, and is the same if it comes again.
        let is_code = |(object, symbol, _): &(Arc<Object>, usize, _)| {
            let section = object.symbols[*symbol].section;
            section.is_some_and(|section| object.sections[section].kind == Kind::Text)
        };
        step.named.extend(new.into_iter().filter(is_code));
        step.generation = Some(loaded.generation);
        Ok(())
    }
}
