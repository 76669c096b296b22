//! Files that were edited.
//!
//! Folders are watched, not files: editors write a new file and rename it. What
//! counts is the content: a file that was touched or written as it was is not
//! edited.

use notify::event::{AccessKind, AccessMode, EventKind};
use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher as _};
use std::collections::{BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// After a file was closed or renamed: others that are written with it.
pub(crate) const SETTLED: Duration = Duration::from_millis(3);
/// After anything else: the file may be written on.
pub(crate) const UNSETTLED: Duration = Duration::from_millis(30);

/// How late files' times may be: they are those of the kernel's last tick.
const COARSE: Duration = Duration::from_millis(20);

pub(crate) struct Watch {
    watcher: RecommendedWatcher,
    folders: BTreeSet<PathBuf>,
    contents: HashMap<PathBuf, Option<Content>>,
}

/// What a file was when it was looked at.
#[derive(Clone, Copy)]
struct Content {
    hash: u64,
    written: SystemTime,
}

/// What has become of a file since it was looked at before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    Edited,
    /// It was written as it was.
    Saved,
    /// Nothing, or it is away: perhaps it is being replaced.
    Same,
}

/// Something has happened to files.
#[derive(Debug)]
pub(crate) struct Touched {
    pub(crate) paths: Vec<PathBuf>,
    /// How long to wait for more.
    pub(crate) quiet: Duration,
}

impl Watch {
    pub(crate) fn new(mut tell: impl FnMut(Touched) + Send + 'static) -> Result<Self, String> {
        let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            let Ok(event) = event else {
                return;
            };
            let quiet = match event.kind {
                EventKind::Access(AccessKind::Close(AccessMode::Write)) => SETTLED,
                EventKind::Modify(notify::event::ModifyKind::Name(_)) => SETTLED,
                EventKind::Access(_) => return,
                _ => UNSETTLED,
            };
            tell(Touched {
                paths: event.paths,
                quiet,
            });
        });
        Ok(Self {
            watcher: watcher.map_err(|e| format!("files cannot be watched: {e}"))?,
            folders: BTreeSet::new(),
            contents: HashMap::new(),
        })
    }

    /// Watches these files, too.
    pub(crate) fn add(&mut self, sources: &[PathBuf]) -> Result<(), String> {
        for source in sources {
            if !self.contents.contains_key(source) {
                self.contents.insert(source.clone(), content(source));
            }
            let Some(folder) = source.parent() else {
                continue;
            };
            if self.folders.insert(folder.to_owned()) {
                let watched = self.watcher.watch(folder, RecursiveMode::NonRecursive);
                watched.map_err(|e| format!("{}: {e}", folder.display()))?;
            }
        }
        Ok(())
    }

    /// Watches the files of a build; answers with those that were written since it
    /// began, of which nobody knows what it has read. They count as edited.
    pub(crate) fn add_of_build(
        &mut self,
        sources: &[PathBuf],
        begun: SystemTime,
    ) -> Result<Vec<PathBuf>, String> {
        self.add(sources)?;
        let is_late = |path: &&PathBuf| {
            let written = path.metadata().and_then(|file| file.modified());
            written.is_ok_and(|written| written + COARSE >= begun)
        };
        let late: Vec<PathBuf> = sources.iter().filter(is_late).cloned().collect();
        for path in &late {
            self.contents.insert(path.clone(), None);
        }
        Ok(late)
    }

    /// Whether a file is to be built: it is another one now, or it is the same that was
    /// not built, `again`.
    pub(crate) fn is_new(&mut self, path: &Path, again: bool) -> bool {
        match self.look(path) {
            Look::Edited => true,
            Look::Saved => again,
            Look::Same => false,
        }
    }

    /// Whether a file has another content than when it was looked at last.
    pub(crate) fn look(&mut self, path: &Path) -> Look {
        let Some(now) = content(path) else {
            return Look::Same;
        };
        match self.contents.insert(path.to_owned(), Some(now)).flatten() {
            Some(before) if before.hash != now.hash => Look::Edited,
            Some(before) if before.written != now.written => Look::Saved,
            Some(_) => Look::Same,
            None => Look::Edited,
        }
    }
}

fn content(path: &Path) -> Option<Content> {
    let written = path.metadata().and_then(|file| file.modified()).ok()?;
    let bytes = std::fs::read(path).ok()?;
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    Some(Content {
        hash: hasher.finish(),
        written,
    })
}
