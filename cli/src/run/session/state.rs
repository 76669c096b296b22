//! What is known of the program that runs.

use super::undo::Steps;
use crate::args::Run;
use crate::run::base::Base;
use crate::run::build::Build;
use crate::run::conventions::Conventions;
use crate::run::crates::{self, Crate};
use crate::run::eval::overlay::Overlay;
use crate::run::lines::Lines;
use crate::run::names::Names;
use crate::run::pool::Pool;
use crate::run::process::Agent;
use crate::run::report::{self, Say};
use crate::run::shadow::{self, Texts};
use crate::run::units::Units;
use crate::run::watch::{self, Touched, Watch};
use cargo_midair::run::gate;
use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A program that runs, and the newest edit in it.
pub(super) struct Session {
    pub(super) crates: Vec<Crate>,
    pub(super) names: Names,
    pub(super) lines: Lines,
    /// The types of what runs.
    pub(super) types: gate::Running,
    pub(super) pool: Pool,
    pub(super) agent: Agent,
    pub(super) watch: Watch,
    pub(super) folder: PathBuf,
    /// Crates whose sources are newer than what runs.
    pub(super) stale: BTreeSet<usize>,
    /// The sources that were edited since.
    pub(super) edited: BTreeSet<PathBuf>,
    /// Those of them that use a crate of which they see a difference.
    pub(super) affected: BTreeSet<usize>,
    /// Crates that run as they were built of a shadow, and those that use them.
    pub(super) unsettled: BTreeSet<usize>,
    /// Those of them of which rustc's warnings were not shown.
    pub(super) unsaid: BTreeSet<usize>,
    pub(super) known_texts: shadow::Known,
    pub(super) conventions: Conventions,
    /// The reload at work is to put such crates right.
    pub(super) settles: bool,
    /// Of what the former are being built.
    pub(super) settling: Option<Vec<Option<Texts>>>,
    pub(super) images: usize,
    pub(super) reserve: u64,
    /// The last edit was not built; it may be, as it is.
    pub(super) again: bool,
    /// Why images stay, if they all do.
    pub(super) stays: String,
    /// How things are said.
    pub(super) say: Say,
    /// What was typed in place of functions in files.
    pub(super) overlay: Overlay,
    /// The same for what runs.
    pub(super) running_overlay: Overlay,
    /// The way back.
    pub(super) steps: Steps,
    pub(super) overlay_library: Option<PathBuf>,
    /// Files of which cargo has to be asked.
    pub(super) inputs: BTreeSet<PathBuf>,
    /// Such a file was edited, and what runs is not of that.
    pub(super) needs_cargo: bool,
    /// Of refused edits, what can be applied alone is (`--partial`).
    pub(super) is_partial: bool,
    /// What was applied of such edits: it runs newer than its crate.
    pub(super) partly: HashSet<(String, String)>,
    /// What runs, for `cargo midair check`.
    base: Base,
}

impl Session {
    pub(super) fn new(
        args: &Run,
        build: &Build,
        copy: &Path,
        socket: std::os::unix::net::UnixStream,
        folder: PathBuf,
        mut tell: impl FnMut(Touched) + Clone + Send + 'static,
    ) -> Result<Self, String> {
        let mut watch = Watch::new(tell.clone())?;
        let mut agent = Agent::greet(socket)?;
        let names = Names::of_executable(copy, agent.hello.slide)?;
        let lines = Lines::of_executable(copy, agent.hello.slide);
        let files = names.files();
        let mut crates: Vec<Crate> = Vec::new();
        let mut late = Vec::new();
        let target = build.folder.parent().unwrap_or(&build.folder);
        for capture in &build.captures {
            let read = crates::read(capture);
            let sources = read.iter().map(|(_, path)| path);
            // What cargo has generated is as it was read.
            let (generated, written): (Vec<PathBuf>, Vec<PathBuf>) =
                sources.cloned().partition(|path| path.starts_with(target));
            watch.add(&generated)?;
            late.extend(watch.add_of_build(&written, build.begun)?);
            let units = Units::find(capture, &files, &crates)?;
            let mut one = Crate::of(capture, units);
            one.has_read(read);
            crates.push(one);
        }
        // cargo itself writes its lock.
        let (locks, inputs): (Vec<PathBuf>, Vec<PathBuf>) = build
            .inputs
            .iter()
            .cloned()
            .partition(|path| path.ends_with("Cargo.lock"));
        watch.add(&locks)?;
        late.extend(watch.add_of_build(&inputs, build.begun)?);
        if late.is_empty() {
            for one in &mut crates {
                one.texts = shadow::read(&one.sources);
            }
        }
        let mut conventions = Conventions::default();
        for texts in crates.iter().filter_map(|one| one.texts.as_ref()) {
            conventions.run(texts);
        }
        for one in &mut crates {
            one.known = one.read_metadata();
        }
        crates::connect(&mut crates);
        // The first patch would wait for this.
        if let Some(main) = names.global("main") {
            agent.prepare(main)?;
        }
        let base = Base::of(&args.program, &build.folder);
        let kept = base
            .write_program(copy)
            .and_then(|()| base.write(&crates, &build.inputs, |_| late.is_empty()));
        if let Err(why) = kept {
            report::say(args.json(), &no_base(&why));
        }
        report::say(args.json(), &control(&agent));
        report::say(
            args.json(),
            &match crates.len() {
                1 => "watching 1 crate".to_owned(),
                several => format!("watching {several} crates"),
            },
        );
        if !late.is_empty() {
            tell(Touched {
                paths: late,
                quiet: watch::SETTLED,
            });
        }
        let mut types = gate::Running::new();
        for unit in crates.iter().flat_map(|one| one.units.running.values()) {
            types.add(Arc::clone(&unit.types));
        }
        Ok(Self {
            crates,
            names,
            lines,
            types,
            pool: Pool::new(build.libraries.clone()),
            agent,
            watch,
            folder,
            stale: BTreeSet::new(),
            edited: BTreeSet::new(),
            affected: BTreeSet::new(),
            unsettled: BTreeSet::new(),
            unsaid: BTreeSet::new(),
            known_texts: shadow::Known::default(),
            conventions,
            settles: false,
            settling: None,
            images: 0,
            reserve: 0,
            again: false,
            stays: build.optimised.as_deref().map_or_else(String::new, stays),
            say: args.into(),
            overlay: Overlay::default(),
            running_overlay: Overlay::default(),
            steps: Steps::default(),
            overlay_library: None,
            inputs: build.inputs.iter().cloned().collect(),
            needs_cargo: false,
            is_partial: args.partial,
            partly: HashSet::new(),
            base,
        })
    }
}

impl Session {
    /// The program's control socket.
    pub(super) fn control(&self) -> Option<PathBuf> {
        let path = &self.agent.hello.control;
        (!path.is_empty()).then(|| path.into())
    }

    /// The crates are at these places from now on: one uses another that it did not use,
    /// and that has to be built first.
    pub(super) fn reorder(&mut self, places: &[usize]) {
        let placed = |n: &usize| places[*n];
        let mut crates: Vec<_> = self.crates.drain(..).zip(places).collect();
        crates.sort_by_key(|(_, place)| **place);
        self.crates = crates.into_iter().map(|(one, _)| one).collect();
        for all in [
            &mut self.stale,
            &mut self.affected,
            &mut self.unsettled,
            &mut self.unsaid,
        ] {
            *all = all.iter().map(placed).collect();
        }
        self.steps.reorder(places);
        self.settling = None;
    }

    /// Tells `cargo midair check` what runs.
    pub(super) fn keep_base(&self) {
        // Of what was applied in part, there are no objects; and what was configured in
        // vain is still to be refused.
        if self.partly.is_empty() && !self.needs_cargo {
            let is_as_written = |n| !self.stale.contains(&n) && self.overlay.is_empty();
            let kept = self.base.write(&self.crates, &self.inputs, is_as_written);
            if let Err(why) = kept {
                report::say(self.say.json, &no_base(&why));
            }
        }
    }
}

fn no_base(why: &str) -> String {
    format!("`cargo midair check` does not know what runs: {why}")
}

/// Of a library that is optimised.
fn stays(library: &str) -> String {
    format!(
        "`{library}` is optimised, so that a thread may have an address of it in a register \
         for long, where nobody sees it"
    )
}

/// Where the control socket is, in words.
fn control(agent: &Agent) -> String {
    let hello = &agent.hello;
    match hello.control.as_str() {
        "" => format!("there is no control socket: {}", hello.no_control),
        path => format!("control socket {path}; `cargo midair repl {}`", hello.pid),
    }
}
