//! The sources of a crate as they are at one moment, and how they are written to
//! disk as an editor or `git checkout` would.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// File names, relative to `src`, and what is in them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tree(pub(crate) BTreeMap<PathBuf, String>);

impl Tree {
    /// The library in `folder`: programs of the package are left out, the drivers
    /// stand for them.
    pub(crate) fn read(folder: &Path) -> Self {
        let mut files = BTreeMap::new();
        collect(folder, Path::new(""), &mut files);
        files.retain(|path, _| path != Path::new("main.rs") && !path.starts_with("bin"));
        Self(files)
    }

    /// Makes `folder` like this, all files within a moment. Those that are like
    /// this already are not touched.
    pub(crate) fn write(&self, folder: &Path) {
        let mut old = BTreeMap::new();
        if folder.exists() {
            collect(folder, Path::new(""), &mut old);
        }
        let changed = || {
            let all = self.0.iter();
            all.filter(|(path, text)| old.get(*path) != Some(*text))
        };
        let staged = folder.with_extension("staged");
        for (path, text) in changed() {
            let (new, parent) = (staged.join(path), folder.join(path));
            std::fs::create_dir_all(new.parent().unwrap()).unwrap();
            std::fs::create_dir_all(parent.parent().unwrap()).unwrap();
            std::fs::write(new, text).unwrap();
        }
        for (path, _) in changed() {
            std::fs::rename(staged.join(path), folder.join(path)).unwrap();
        }
        for path in old.keys().filter(|path| !self.0.contains_key(*path)) {
            std::fs::remove_file(folder.join(path)).unwrap();
        }
    }
}

fn collect(root: &Path, below: &Path, files: &mut BTreeMap<PathBuf, String>) {
    for entry in std::fs::read_dir(root.join(below)).unwrap() {
        let entry = entry.unwrap();
        let path = below.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            collect(root, &path, files);
        } else if path.extension().is_some_and(|end| end == "rs") {
            files.insert(
                path.clone(),
                std::fs::read_to_string(root.join(&path)).unwrap(),
            );
        }
    }
}
