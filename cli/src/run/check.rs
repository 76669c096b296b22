//! `cargo midair check`: would the edit on disk become live?
//!
//! Crates whose sources are not what they were are built, and those that use them, by the
//! same calls of rustc, but into a folder of their own, with a copy (of links) of what
//! rustc keeps of its builds. Neither a program nor a session is disturbed. What was
//! built is compared with what runs or ran last ([`base`](super::base)), as a reload does.
//!
//! What only a running program tells is not known here: which threads are in old code, and
//! whether there is memory for the new one. If a manifest or the like was edited, cargo
//! would have to build everything, and the answer is no.

use super::base::{self, Base, Told};
use super::capture::Capture;
use super::crates::Crate;
use super::judge::Running;
use super::names::Names;
use super::report::{Latency, Report};
use super::units::{self, Units};
use super::{build, replay};
use crate::args::Check;
use cargo_midair::run::gate;
use serde::Serialize;
use std::collections::HashSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

/// As cargo's, for a program that does not compile.
const BROKEN: u8 = 101;

/// What is said.
#[derive(Serialize)]
struct Answer<'a> {
    is_reloadable: bool,
    /// Why that is not known.
    error: Option<&'a str>,
    #[serde(flatten)]
    report: &'a Report,
}

pub(crate) fn check(args: &Check) -> Result<ExitCode, String> {
    let folder = build::folder(&args.program)?;
    let base = Base::of(&args.program, &folder);
    if args.base || !base.is_there() {
        let Some(build) = build::build(&args.program, &folder)? else {
            return Ok(ExitCode::from(BROKEN));
        };
        base.begin(&build)?;
        let text = "this is what the next check compares with";
        super::report::say(args.json(), text);
        return answer(args, &Report::default(), None);
    }
    let told = base.read()?;
    let edited = edited(&told);
    if !edited.is_empty() {
        let report = Report {
            refused: edited,
            ..Report::default()
        };
        return answer(args, &report, None);
    }
    let scratch = Scratch::new(&folder)?;
    match scratch.judge(&base, &told)? {
        Some(report) => answer(args, &report, None),
        None => answer(args, &Report::default(), Some("it does not compile")),
    }
}

/// What cargo reads, and was edited.
fn edited(told: &Told) -> Vec<String> {
    let now = base::texts(told.inputs.keys());
    let edited = now
        .iter()
        .filter(|(path, text)| told.inputs.get(*path) != Some(*text));
    edited
        .map(|(path, _)| {
            format!(
                "{} was edited: only cargo can tell what that means",
                path.display()
            )
        })
        .collect()
}

/// A folder for what is built.
struct Scratch(PathBuf);

impl Scratch {
    fn new(parent: &Path) -> Result<Self, String> {
        let path = parent.join(format!("check-{}", std::process::id()));
        std::fs::create_dir_all(path.join("out"))
            .map_err(|e| format!("{}: {e}", path.display()))?;
        Ok(Self(path))
    }

    /// The report of a reload that did not take place; none if it does not compile.
    fn judge(&self, base: &Base, told: &Told) -> Result<Option<Report>, String> {
        let names = Names::of_executable(&base.program(), 0)?;
        let mut types = gate::Running::new();
        let mut crates: Vec<Crate> = Vec::new();
        let mut rebuilt = Vec::new();
        let mut built: Vec<OsString> = Vec::new();
        for (n, one) in told.crates.iter().enumerate() {
            let is_as_it_was = one
                .sources
                .as_ref()
                .is_some_and(|sources| base::texts(sources.keys()) == *sources);
            let mut used = one.capture.externs();
            let is_stale = !is_as_it_was
                || used.any(|file| built.iter().any(|one| Some(&**one) == file.file_name()));
            let incremental = match is_stale {
                true => self.copy(&one.capture, &one.incremental)?,
                false => one.incremental.clone(),
            };
            if is_stale {
                let parent = incremental.parent().unwrap_or(&incremental);
                let call = one.capture.elsewhere(&self.out(), parent, &built);
                if !replay::replay(&call, |_| Ok(()), true)?.is_built {
                    return Ok(None);
                }
                let stem = one.capture.stem();
                built.extend(["rlib", "rmeta"].map(|end| format!("lib{stem}.{end}").into()));
                rebuilt.push(n);
            }
            let units = Units::kept(&base.units(&one.capture), incremental)?;
            for unit in units.running.values() {
                types.add(Arc::clone(&unit.types));
            }
            crates.push(Crate::of(&one.capture, units));
        }
        let running = Running {
            crates: &crates,
            names: &names,
            types: &types,
            partly: &HashSet::new(),
        };
        let mut latency = Latency::default();
        let mut report = running.judge(&rebuilt, false, &mut latency)?.report;
        let built = rebuilt.iter().map(|n| crates[*n].capture.crate_name());
        report.built = built.flatten().map(str::to_owned).collect();
        report.milliseconds = latency;
        Ok(Some(report))
    }

    /// Where libraries go.
    fn out(&self) -> PathBuf {
        self.0.join("out")
    }

    /// Links to what rustc keeps of a crate's newest build, in a folder of the same name.
    fn copy(&self, capture: &Capture, folder: &Path) -> Result<PathBuf, String> {
        let fail = |e: std::io::Error| format!("{}: {e}", folder.display());
        let build = units::newest_build(folder)?;
        let name = folder.file_name().unwrap_or_default();
        let own = self.0.join(capture.stem()).join(name);
        let name = build.file_name().unwrap_or_default();
        let copy = own.join(name);
        std::fs::create_dir_all(&copy).map_err(fail)?;
        for entry in std::fs::read_dir(&build).map_err(fail)? {
            let entry = entry.map_err(fail)?;
            std::fs::hard_link(entry.path(), copy.join(entry.file_name())).map_err(fail)?;
        }
        // rustc locks this one.
        let name = name.to_string_lossy();
        let lock = name.rsplit_once('-').map_or(&*name, |(name, _)| name);
        std::fs::write(own.join(format!("{lock}.lock")), "").map_err(fail)?;
        Ok(own)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What stays is in the target folder, where nobody keeps things.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Says it; the exit code.
fn answer(args: &Check, report: &Report, error: Option<&str>) -> Result<ExitCode, String> {
    let is_reloadable = error.is_none() && !report.is_refused();
    let answer = Answer {
        is_reloadable,
        error,
        report,
    };
    let text = if args.json() {
        let json = serde_json::json!({ "check": answer });
        json.to_string()
    } else {
        report.would_be(error)
    };
    let mut out = anstream::stdout();
    std::io::Write::write_all(&mut out, format!("{text}\n").as_bytes())
        .map_err(|e| format!("stdout: {e}"))?;
    Ok(match (is_reloadable, error) {
        (true, _) => ExitCode::SUCCESS,
        (false, None) => ExitCode::FAILURE,
        (false, Some(_)) => ExitCode::from(BROKEN),
    })
}
