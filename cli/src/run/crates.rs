//! The workspace's crates that are in the program: each with the call of rustc
//! that builds it, its sources and its units.

use super::capture::Capture;
use super::shadow::Texts;
use super::shadow::called::Called;
use super::units::Units;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};

/// One crate.
pub(crate) struct Crate {
    /// How it is built.
    pub(crate) capture: Capture,
    /// How what runs of it was built.
    pub(crate) live: Capture,
    pub(crate) units: Units,
    /// As of its last build.
    pub(crate) sources: Vec<PathBuf>,
    /// Positions of the crates that use it.
    pub(crate) users: Vec<usize>,
    /// The metadata that these were built with, as a hash.
    pub(crate) known: Option<u64>,
    /// How rustc calls them, if a shadow can be read by such names.
    pub(crate) called: Option<Called>,
    /// While it is built, its sources are read by others than rustc's parser.
    pub(crate) is_looked_at: bool,
    /// What its sources were when it was last built of nothing else, if that is known.
    pub(crate) texts: Option<Texts>,
}

impl Crate {
    /// One of which nothing more is known.
    pub(crate) fn of(capture: &Capture, units: Units) -> Self {
        Self {
            capture: capture.clone(),
            live: capture.clone(),
            units,
            sources: Vec::new(),
            users: Vec::new(),
            known: None,
            called: None,
            is_looked_at: false,
            texts: None,
        }
    }

    /// Its sources are these.
    pub(crate) fn has_read(&mut self, read: Vec<(String, PathBuf)>) {
        self.called = Called::of(&self.capture.args, &read);
        self.sources = read.into_iter().map(|(_, path)| path).collect();
    }

    /// What other crates read of it.
    pub(crate) fn metadata(&self) -> PathBuf {
        let stem = self.capture.stem();
        self.capture.out_folder().join(format!("lib{stem}.rmeta"))
    }

    /// It as it is now, as a hash.
    pub(crate) fn read_metadata(&self) -> Option<u64> {
        let mut hasher = DefaultHasher::new();
        std::fs::read(self.metadata()).ok()?.hash(&mut hasher);
        Some(hasher.finish())
    }
}

/// Tells each of them which others use it, as they are built now.
pub(crate) fn connect(crates: &mut [Crate]) {
    let externs: Vec<Vec<PathBuf>> = crates
        .iter()
        .map(|user| user.capture.externs().collect())
        .collect();
    for used in crates {
        let metadata = used.metadata();
        let is_user = |(_, files): &(usize, &Vec<PathBuf>)| {
            files
                .iter()
                .any(|file| file.with_extension("rmeta") == metadata)
        };
        let users = externs.iter().enumerate().filter(is_user);
        used.users = users.map(|(n, _)| n).collect();
    }
}

/// `program` and the captured crates that it uses, used ones first.
pub(crate) fn order(program: &Capture, all: &[Capture]) -> Vec<Capture> {
    let by_file: HashMap<PathBuf, &Capture> = all
        .iter()
        .flat_map(|capture| {
            let stem = capture.out_folder().join(format!("lib{}", capture.stem()));
            ["rlib", "rmeta"].map(|ending| (with_ending(&stem, ending), capture))
        })
        .collect();
    let mut done = Vec::new();
    visit(program, &by_file, &mut done);
    done
}

/// `with_extension` would cut a name with a dot in it.
fn with_ending(stem: &Path, ending: &str) -> PathBuf {
    let mut path = stem.as_os_str().to_owned();
    path.push(".");
    path.push(ending);
    path.into()
}

fn visit(capture: &Capture, by_file: &HashMap<PathBuf, &Capture>, done: &mut Vec<Capture>) {
    if done.iter().any(|other| other.stem() == capture.stem()) {
        return;
    }
    for used in capture.externs() {
        if let Some(used) = by_file.get(&used) {
            visit(used, by_file, done);
        }
    }
    done.push(capture.clone());
}

/// The files that a build has read, from rustc's list for `make`: how rustc calls them,
/// and where they are.
pub(crate) fn read(capture: &Capture) -> Vec<(String, PathBuf)> {
    let list = capture.out_folder().join(format!("{}.d", capture.stem()));
    let text = std::fs::read_to_string(list).unwrap_or_default();
    let rule = text.lines().find_map(|line| line.split_once(": "));
    let mut sources = Vec::new();
    let mut name = String::new();
    let mut characters = rule.map_or("", |(_, sources)| sources).chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\\' if characters.peek() == Some(&' ') => {
                name.push(' ');
                characters.next();
            }
            ' ' => sources.push(std::mem::take(&mut name)),
            other => name.push(other),
        }
    }
    sources.push(name);
    sources.retain(|name| !name.is_empty());
    let place = |name: &String| {
        let path = capture.directory.join(name);
        path.canonicalize().unwrap_or(path)
    };
    let named = sources.into_iter().map(|name| (place(&name), name));
    named.map(|(path, name)| (name, path)).collect()
}
