//! What was built is compared with what runs; the gate is asked, an image is
//! linked and loaded.

use super::state::Session;
use crate::run::changes::{Changes, key};
use crate::run::link;
use crate::run::link::plan::{Piece, Sources};
use crate::run::object::Object;
use crate::run::report::{self, Latency, Report, Versioned, milliseconds};
use crate::run::units::{self, Objects};
use cargo_midair::run::gate;
use midair::reload::protocol::{Bytes, Load, Swap};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Instant;

impl Session {
    /// Makes what was built live.
    pub(super) fn reload(
        &mut self,
        rebuilt: &[usize],
        latency: &mut Latency,
    ) -> Result<Report, String> {
        let begun = Instant::now();
        let mut newest: Vec<(usize, Objects)> = Vec::new();
        let mut changes = Changes::default();
        let mut types = Vec::new();
        for n in rebuilt {
            let units = &self.crates[*n].units;
            let objects = units.newest()?;
            let old = units::only_in(&units.running, &objects);
            let new = units::only_in(&objects, &units.running);
            changes.add(&old, &new, &units.running, &self.names);
            types.extend(new.iter().map(|unit| Arc::clone(&unit.types)));
            newest.push((*n, objects));
        }
        latency.diff = milliseconds(begun.elapsed());
        let begun = Instant::now();
        self.ask_gate(&types, &mut changes)?;
        latency.gate = milliseconds(begun.elapsed());
        let mut report = Report {
            refused: changes.refused.clone(),
            kept: changes.kept.iter().map(|name| report::path(name)).collect(),
            ..Report::default()
        };
        if !report.refused.is_empty() {
            return Ok(report);
        }
        if !changes.is_empty() {
            self.apply(&changes, &newest, latency, &mut report)?;
        }
        for (n, objects) in newest {
            self.crates[n].units.running = objects;
        }
        types.into_iter().for_each(|types| self.types.add(types));
        self.stale.clear();
        self.edited.clear();
        Ok(report)
    }

    /// Asks the gate which functions old callers may be led to.
    fn ask_gate(&self, new: &[Arc<gate::Object>], changes: &mut Changes) -> Result<(), String> {
        let changed = changes.functions.iter().map(|function| {
            let name = function.object.symbol_name(function.symbol);
            gate::Changed {
                old: name,
                new: name,
                moved: function.is_moved,
            }
        });
        let changed: Vec<gate::Changed<'_>> = changed.collect();
        let outcome = gate::compare(&self.types, new, &changed).map_err(|e| e.to_string())?;
        if !outcome.refusals.is_empty() {
            // It has better words for what was noticed without it.
            changes.refused = outcome
                .refusals
                .iter()
                .map(|refusal| refusal.to_string())
                .collect();
        }
        for (function, verdict) in changes.functions.iter_mut().zip(outcome.verdicts) {
            if let gate::Verdict::Versioned { reason } = verdict {
                function.versioned = Some(reason.to_string());
            }
        }
        Ok(())
    }

    fn apply(
        &mut self,
        changes: &Changes,
        newest: &[(usize, Objects)],
        latency: &mut Latency,
        report: &mut Report,
    ) -> Result<(), String> {
        let begun = Instant::now();
        let functions = changes.functions.iter().map(|function| Piece {
            object: Arc::clone(&function.object),
            section: function.section,
        });
        let constants = changes
            .constants
            .iter()
            .map(|constant| constant.piece.clone());
        let roots: Vec<Piece> = functions.chain(constants).collect();
        let rebuilt = newest.iter().map(|(_, objects)| objects);
        let others = self.crates.iter().enumerate();
        let others = others.filter(|(n, _)| newest.iter().all(|(newer, _)| newer != n));
        let objects: Vec<Arc<Object>> = rebuilt
            .chain(others.map(|(_, other)| &other.units.running))
            .flat_map(|objects| objects.values().map(|unit| Arc::clone(&unit.object)))
            .collect();
        let versioned = changes
            .functions
            .iter()
            .filter(|function| function.versioned.is_some());
        let newer: HashSet<(String, String)> = versioned
            .map(|function| key(&function.object, function.symbol))
            .map(|(file, name)| (file.to_owned(), name.to_owned()))
            .collect();
        let mut sources = Sources {
            names: &self.names,
            newer: &newer,
            pool: &mut self.pool,
            objects: &objects,
            area: self.agent.hello.images(),
        };
        let image = link::link(&roots, &mut sources, &mut self.agent, self.reserve)?;
        let path = self.folder.join(format!("edit-{}.so", self.images + 1));
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
            ..Load::default()
        };
        for function in &changes.functions {
            let name = report::path(function.object.symbol_name(function.symbol));
            if let Some(why) = &function.versioned {
                report.versioned.push(Versioned {
                    what: name,
                    why: why.clone(),
                });
                continue;
            }
            let symbol = &function.object.symbols[function.symbol];
            let section = image.address(&function.object, function.section);
            let replacement = section.ok_or("a changed function is missing in the image")?;
            load.swaps.push(Swap {
                target: function.target,
                replacement: replacement + symbol.value,
            });
            let names = if function.is_moved {
                &mut report.moved
            } else {
                report.functions.push((function.target, name.clone()));
                &mut report.redirected
            };
            names.push(name);
        }
        for constant in &changes.constants {
            let linked = image.linked(&constant.piece);
            report.overwritten.push(report::path(&constant.name));
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
        let loaded = self.agent.load(load)?;
        latency.load = loaded.load_nanoseconds as f64 / 1e6;
        latency.swap = loaded.swap_nanoseconds as f64 / 1e6;
        if !loaded.unlisted.is_empty() {
            let text = format!("debuggers do not see this edit: {}", loaded.unlisted);
            report::say(self.say.json, &text);
        }
        report.bytes = image.len;
        self.images += 1;
        self.lines.add(image.at..image.at + image.len, &path);
        self.reserve = image.reserve();
        for (object, symbol, place) in new {
            self.names.add(&object, symbol, place);
        }
        Ok(())
    }
}
