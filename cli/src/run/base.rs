//! What runs, or ran last, as files: what `cargo midair check` compares an edit with.
//!
//! A session writes it when the program starts and after each reload: links to the
//! executable and to the objects that run, the calls of rustc, and what the sources were.
//! It stays when the session has ended. There is one for each program (and features, and
//! target) of a target folder.

use super::build::Build;
use super::capture::Capture;
use super::crates::{self, Crate};
use super::names::Names;
use super::units::Units;
use crate::args::Program;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};

/// What the files are called.
const PROGRAM: &str = "program";
const LIST: &str = "base.json";

/// Where it is.
pub(crate) struct Base(PathBuf);

/// What is told of it.
#[derive(Deserialize, Serialize)]
pub(crate) struct Told {
    pub(crate) crates: Vec<ToldCrate>,
    /// What cargo reads and rustc does not.
    pub(crate) inputs: Texts,
}

/// One crate of the program.
#[derive(Deserialize, Serialize)]
pub(crate) struct ToldCrate {
    pub(crate) capture: Capture,
    /// Where rustc keeps its builds.
    pub(crate) incremental: PathBuf,
    /// None if what runs is of other sources than those on the disk.
    pub(crate) sources: Option<Texts>,
}

/// A hash of each file; none if it cannot be read.
pub(crate) type Texts = BTreeMap<PathBuf, Option<u64>>;

/// What files are now.
pub(crate) fn texts<'a>(paths: impl IntoIterator<Item = &'a PathBuf>) -> Texts {
    let hash = |path: &PathBuf| {
        let mut hasher = DefaultHasher::new();
        std::fs::read(path).ok()?.hash(&mut hasher);
        Some(hasher.finish())
    };
    paths
        .into_iter()
        .map(|path| (path.clone(), hash(path)))
        .collect()
}

impl Base {
    /// That of a program, in midair's `folder`.
    pub(crate) fn of(args: &Program, folder: &Path) -> Self {
        let mut hasher = DefaultHasher::new();
        args.for_cargo().hash(&mut hasher);
        Self(folder.join("base").join(format!("{:x}", hasher.finish())))
    }

    pub(crate) fn is_there(&self) -> bool {
        self.0.join(LIST).exists()
    }

    /// The executable.
    pub(crate) fn program(&self) -> PathBuf {
        self.0.join(PROGRAM)
    }

    /// What was cargo's last build becomes the base.
    pub(crate) fn begin(&self, build: &Build) -> Result<(), String> {
        let names = Names::of_executable(&build.executable, 0)?;
        let files = names.files();
        let mut all: Vec<Crate> = Vec::new();
        for capture in &build.captures {
            let units = Units::find(capture, &files, &all)?;
            let mut one = Crate::of(capture, units);
            one.has_read(crates::read(capture));
            all.push(one);
        }
        self.write_program(&build.executable)?;
        self.write(&all, &build.inputs, |_| true)
    }

    /// The executable is another one.
    pub(crate) fn write_program(&self, file: &Path) -> Result<(), String> {
        let fail = |e: std::io::Error| format!("{}: {e}", self.0.display());
        // There may be none.
        let _ = std::fs::remove_dir_all(&self.0);
        std::fs::create_dir_all(&self.0).map_err(fail)?;
        // cargo links anew over its own.
        std::fs::copy(file, self.program()).map(drop).map_err(fail)
    }

    /// These crates run; whether of the sources on the disk `is_as_written` tells.
    pub(crate) fn write<'a>(
        &self,
        all: &[Crate],
        inputs: impl IntoIterator<Item = &'a PathBuf>,
        is_as_written: impl Fn(usize) -> bool,
    ) -> Result<(), String> {
        let list = self.0.join(LIST);
        // Half of it would be a wrong answer; without the list there is none.
        let _ = std::fs::remove_file(&list);
        let mut told = Told {
            crates: Vec::new(),
            inputs: texts(inputs),
        };
        for (n, one) in all.iter().enumerate() {
            let folder = self.units(&one.capture);
            let kept = one.units.keep(&folder);
            kept.map_err(|e| format!("{}: {e}", folder.display()))?;
            told.crates.push(ToldCrate {
                capture: one.capture.clone(),
                incremental: one.units.folder().to_owned(),
                sources: is_as_written(n).then(|| texts(&one.sources)),
            });
        }
        let json = serde_json::to_vec(&told).map_err(|e| e.to_string())?;
        std::fs::write(&list, json).map_err(|e| format!("{}: {e}", list.display()))
    }

    pub(crate) fn read(&self) -> Result<Told, String> {
        let list = self.0.join(LIST);
        let fail = |e: &dyn std::fmt::Display| format!("{}: {e}", list.display());
        let bytes = std::fs::read(&list).map_err(|e| fail(&e))?;
        serde_json::from_slice(&bytes).map_err(|e| fail(&e))
    }

    /// The objects of a crate that run.
    pub(crate) fn units(&self, capture: &Capture) -> PathBuf {
        self.0.join(capture.stem())
    }
}
