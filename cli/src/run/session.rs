//! One edit after the other, until the program ends.

use super::build::{self, Build};
use super::changes::{Changes, key};
use super::crates::{self, Crate};
use super::link;
use super::link::plan::{Piece, Sources};
use super::names::Names;
use super::object::Object;
use super::pool::Pool;
use super::process::{self, Agent};
use super::report::{self, Latency, Report, Versioned, milliseconds};
use super::units::{self, Objects, Units};
use super::watch::{Touched, Watch};
use super::{agent_file, replay};
use crate::args::Run;
use cargo_midair::run::gate;
use midair::reload::protocol::{Bytes, Load, Swap};
use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::process::{ExitCode, ExitStatus};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::Instant;

/// What a session waits for.
enum Event {
    Touched(Touched),
    Ended(std::io::Result<ExitStatus>),
}

pub(crate) fn run(args: &Run) -> Result<ExitCode, String> {
    let Some(build) = build::build(args)? else {
        return Ok(ExitCode::FAILURE);
    };
    let own = Folder::new(&build.folder)?;
    let name = build.executable.file_name().unwrap_or_default();
    // cargo will link anew over the executable.
    let copy = own.0.join(name);
    std::fs::copy(&build.executable, &copy).map_err(|e| format!("{}: {e}", copy.display()))?;
    let agent = agent_file::in_folder(&own.0)?;
    let program = build.captures.last().ok_or("cargo has built nothing")?;
    let (mut child, socket) =
        process::start(&copy, &build.executable, program, &agent, &args.args)?;
    let (tell, events) = mpsc::channel();
    let ended = tell.clone();
    std::thread::spawn(move || ended.send(Event::Ended(child.wait())));
    let session = Session::new(args, &build, &copy, socket, own.0.clone(), move |touched| {
        // Nobody listens any more once the program has ended.
        let _ = tell.send(Event::Touched(touched));
    });
    let status = match session {
        Ok(mut session) => session.serve(&events),
        Err(why) => {
            report::say(args.json(), &format!("edits will not become live: {why}"));
            wait(&events)
        }
    };
    let status = status.map_err(|e| format!("the program: {e}"))?;
    Ok(ExitCode::from(process::code(status)))
}

/// Waits for the program's end.
fn wait(events: &Receiver<Event>) -> std::io::Result<ExitStatus> {
    loop {
        match events.recv() {
            Ok(Event::Ended(status)) => return status,
            Ok(Event::Touched(_)) => {}
            Err(_) => return Err(std::io::Error::other("nobody waits for it")),
        }
    }
}

/// A folder of this run's files, which goes with it.
struct Folder(PathBuf);

impl Folder {
    fn new(parent: &Path) -> Result<Self, String> {
        let folder = parent.join(format!("run-{}", std::process::id()));
        std::fs::create_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
        Ok(Self(folder))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What stays is in the target folder, where nobody keeps things.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

struct Session {
    crates: Vec<Crate>,
    names: Names,
    /// The types of what runs.
    types: gate::Running,
    pool: Pool,
    agent: Agent,
    watch: Watch,
    folder: PathBuf,
    /// Crates whose sources are newer than what runs.
    stale: BTreeSet<usize>,
    images: usize,
    reserve: u64,
    json: bool,
}

impl Session {
    fn new(
        args: &Run,
        build: &Build,
        copy: &Path,
        socket: std::os::unix::net::UnixStream,
        folder: PathBuf,
        tell: impl FnMut(Touched) + Send + 'static,
    ) -> Result<Self, String> {
        let mut watch = Watch::new(tell)?;
        let mut agent = Agent::greet(socket)?;
        let names = Names::of_executable(copy, agent.hello.slide)?;
        let files = names.files();
        let mut crates: Vec<Crate> = Vec::new();
        for capture in &build.captures {
            let incremental = capture.codegen("incremental").unwrap_or_default();
            let incremental = capture.directory.join(incremental);
            let name = capture.crate_name().unwrap_or_default();
            let sources = crates::sources(capture);
            watch.add(&sources)?;
            crates.push(Crate {
                units: Units::find(&incremental, name, &files)?,
                capture: capture.clone(),
                sources,
                users: Vec::new(),
            });
        }
        let externs: Vec<Vec<PathBuf>> = crates
            .iter()
            .map(|user| user.capture.externs().collect())
            .collect();
        for used in &mut crates {
            let metadata = used.metadata();
            let is_user = |(_, files): &(usize, &Vec<PathBuf>)| {
                files
                    .iter()
                    .any(|file| file.with_extension("rmeta") == metadata)
            };
            used.users = externs
                .iter()
                .enumerate()
                .filter(is_user)
                .map(|(n, _)| n)
                .collect();
        }
        // The first patch would wait for this.
        if let Some(main) = names.global("main") {
            agent.prepare(main)?;
        }
        report::say(args.json(), &format!("watching {} crates", crates.len()));
        let mut types = gate::Running::new();
        for unit in crates.iter().flat_map(|one| one.units.running.values()) {
            types.add(Arc::clone(&unit.types));
        }
        Ok(Self {
            crates,
            names,
            types,
            pool: Pool::new(build.libraries.clone()),
            agent,
            watch,
            folder,
            stale: BTreeSet::new(),
            images: 0,
            reserve: 0,
            json: args.json(),
        })
    }

    /// Reloads until the program ends.
    fn serve(&mut self, events: &Receiver<Event>) -> std::io::Result<ExitStatus> {
        loop {
            let mut touched = match events.recv() {
                Ok(Event::Touched(touched)) => touched,
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

    fn edited(&mut self, paths: &[PathBuf], begun: Instant) -> Result<(), String> {
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

    /// Makes what was built live.
    fn reload(&mut self, rebuilt: &[usize], latency: &mut Latency) -> Result<Report, String> {
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
        let loaded = self.agent.load(load)?;
        latency.load = loaded.load_nanoseconds as f64 / 1e6;
        latency.swap = loaded.swap_nanoseconds as f64 / 1e6;
        if !loaded.unlisted.is_empty() {
            let text = format!("debuggers do not see this edit: {}", loaded.unlisted);
            report::say(self.json, &text);
        }
        report.bytes = image.len;
        self.images += 1;
        self.reserve = image.reserve();
        let new: Vec<_> = image
            .named()
            .filter(|(object, symbol, _)| {
                let (file, name) = key(object, *symbol);
                newer.contains(&(file.to_owned(), name.to_owned()))
                    || self.names.find(object, *symbol).is_none()
            })
            .map(|(object, symbol, place)| (Arc::clone(object), symbol, place))
            .collect();
        for (object, symbol, place) in new {
            self.names.add(&object, symbol, place);
        }
        Ok(())
    }
}
