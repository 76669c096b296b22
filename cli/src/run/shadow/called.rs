//! How rustc calls the files of a crate, and by which names it is given bodies.
//!
//! A body has to come from a file of another name than its own, or rustc takes it for the
//! file that it knows already. And the name is in panics, in `file!()`, in debug
//! information. So the other name is the file's with a folder before it that is nowhere
//! (`/~1/src/main.rs`), one for each body of a file, and rustc leaves that folder out of all
//! that it writes: by `--remap-path-prefix`, which has to be among its arguments from the
//! first build on. `--remap-path-scope` says that diagnostics have whole names, of which
//! rustc makes this: it tells files by their whole names. (Of scope `all` it does not.)

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What names begin with that no file has; the library that is preloaded knows it, too.
const NO_FILE: &str = "/~";
/// How many bodies of one file may be different.
pub(super) const MOST: usize = 15;
/// The first release (1.x) that has `--remap-path-scope`.
const RELEASE: u32 = 95;

/// Arguments that have to be added to this call of rustc. None if they mean something
/// else beside those that are there, or to this compiler.
pub(crate) fn arguments(rustc: &Path, args: &[String]) -> Vec<String> {
    let Some(kind) = args.iter().find_map(|arg| Kind::of_root(arg)) else {
        return Vec::new();
    };
    let is_remapped = args
        .iter()
        .any(|arg| arg.contains("remap-") || arg.starts_with('@'));
    if is_remapped || release(rustc).is_none_or(|release| release < RELEASE) {
        return Vec::new();
    }
    let mut added = vec![SCOPE.to_owned()];
    added.extend((1..=MOST).map(|number| kind.argument(number)));
    added
}

const SCOPE: &str = "--remap-path-scope=macro,debuginfo";

/// The release of a compiler that is stable, of others the one before.
fn release(rustc: &Path) -> Option<u32> {
    let said = Command::new(rustc).arg("-vV").output().ok()?;
    let said = String::from_utf8(said.stdout).ok()?;
    let release = said
        .lines()
        .find_map(|line| line.strip_prefix("release: 1."))?;
    let minor: u32 = release.split('.').next()?.parse().ok()?;
    Some(minor - u32::from(release.contains('-')))
}

/// How the crate's first file is called, and with it all others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Relative,
    Absolute,
}

impl Kind {
    fn of_root(arg: &str) -> Option<Self> {
        let is_root = arg.ends_with(".rs") && !arg.starts_with('-');
        is_root.then(|| Self::of(arg))
    }

    fn of(name: &str) -> Self {
        match Path::new(name).is_absolute() {
            true => Self::Absolute,
            false => Self::Relative,
        }
    }

    /// The folder before the name of a file's body of this number.
    fn folder(self, number: usize) -> String {
        match self {
            Self::Relative => format!("{NO_FILE}{number:x}/"),
            Self::Absolute => format!("{NO_FILE}{number:x}~"),
        }
    }

    fn argument(self, number: usize) -> String {
        let to = match self {
            Self::Relative => "",
            Self::Absolute => "/",
        };
        let folder = self.folder(number);
        format!("--remap-path-prefix={}={to}", folder.trim_end_matches('/'))
    }
}

/// The names of a crate's files.
#[derive(Clone, Debug)]
pub(crate) struct Called {
    kind: Kind,
    names: HashMap<PathBuf, String>,
}

impl Called {
    /// By what rustc was called with, and the files that it has read: how it calls them, and
    /// where they are. None if rustc would write other names.
    pub(crate) fn of(args: &[String], read: &[(String, PathBuf)]) -> Option<Self> {
        let kind = args.iter().find_map(|arg| Kind::of_root(arg))?;
        let added = |wanted: &str| args.iter().any(|arg| arg == wanted);
        if !added(SCOPE) || !(1..=MOST).all(|number| added(&kind.argument(number))) {
            return None;
        }
        let mut names = HashMap::new();
        for (name, path) in read {
            let is_plain = Kind::of(name) == kind && !name.contains(['"', '\\', '\n', '\r']);
            let other = names.insert(path.clone(), name.clone());
            if !is_plain || other.is_some_and(|other| other != *name) {
                // One that cannot be said.
                names.insert(path.clone(), String::new());
            }
        }
        Some(Self { kind, names })
    }

    /// The name for a body of a file.
    pub(super) fn name(&self, file: &Path, number: usize) -> Option<String> {
        let name = self.names.get(file).filter(|name| !name.is_empty())?;
        let is_one = (1..=MOST).contains(&number);
        let name = name.strip_prefix('/').unwrap_or(name);
        let between = match self.kind {
            Kind::Relative => "",
            Kind::Absolute => "/",
        };
        is_one.then(|| format!("{}{between}{name}", self.kind.folder(number)))
    }
}
