//! The workspace that is edited.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

static TURN: Mutex<()> = Mutex::new(());

/// The copy of the fixture, for one test at a time.
pub(crate) struct Workspace {
    root: PathBuf,
    _turn: MutexGuard<'static, ()>,
}

impl Workspace {
    /// The fixture, and what was built of it.
    pub(crate) fn fresh() -> Self {
        Self::of("cli/tests/fixtures/live", "live")
    }

    /// The sources of a folder of the repository, and what was built of them.
    pub(crate) fn of(folder: &str, name: &str) -> Self {
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let fixture = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("..")
            .join(folder);
        restore(&fixture, &root);
        Self { root, _turn: turn }
    }

    /// The same of an example that uses midair, which is where it is.
    pub(crate) fn with_midair(folder: &str, name: &str) -> Self {
        let workspace = Self::of(folder, name);
        let midair = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
        let manifest = workspace.read("Cargo.toml").replace("../..", midair);
        workspace.write("Cargo.toml", &manifest);
        // midair is built once for all of them.
        std::fs::create_dir_all(workspace.root.join(".cargo")).unwrap();
        workspace.write(
            ".cargo/config.toml",
            "[build]\ntarget-dir = \"../with-midair\"\n",
        );
        workspace
    }

    /// What is in a folder, as it is.
    #[allow(dead_code, reason = "for tests/replay.rs")]
    pub(crate) fn at(root: &Path) -> Self {
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        Self {
            root: root.to_owned(),
            _turn: turn,
        }
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn read(&self, file: &str) -> String {
        let path = self.root.join(file);
        std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
    }

    pub(crate) fn write(&self, file: &str, text: &str) {
        std::fs::write(self.root.join(file), text).unwrap();
    }

    /// `text` with this one place replaced.
    pub(crate) fn replaced(&self, file: &str, from: &str, to: &str) -> String {
        let text = self.read(file);
        assert_eq!(text.matches(from).count(), 1, "{from:?} in {file}");
        text.replace(from, to)
    }
}

/// Makes `to` like `from`, apart from what was built; a file that is the same is
/// not written, so that cargo builds nothing for it.
pub(crate) fn restore(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    let names = |folder: &Path| -> Vec<_> {
        let entries = std::fs::read_dir(folder).unwrap();
        entries.map(|entry| entry.unwrap().file_name()).collect()
    };
    let wanted = names(from);
    for name in names(to) {
        let path = to.join(&name);
        let is_built = name == "target" || name == "Cargo.lock";
        if !wanted.contains(&name) && !is_built {
            if path.is_dir() {
                std::fs::remove_dir_all(path).unwrap();
            } else {
                std::fs::remove_file(path).unwrap();
            }
        }
    }
    for name in wanted.iter().filter(|name| *name != "target") {
        let (source, copy) = (from.join(name), to.join(name));
        if source.is_dir() {
            restore(&source, &copy);
        } else {
            let text = std::fs::read(&source).unwrap();
            if std::fs::read(&copy).ok().as_ref() != Some(&text) {
                std::fs::write(&copy, text).unwrap();
            }
        }
    }
}
