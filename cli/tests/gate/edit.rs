//! An edit: two versions of a crate, compiled into one incremental folder.

use cargo_midair::run::gate::{Changed, GateError, Object, Outcome, Running, Verdict, compare};
use object::{Object as _, ObjectSection as _, ObjectSymbol as _, RelocationTarget};
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What the gate says of an edit.
pub(crate) struct Edit {
    pub(crate) outcome: Outcome,
    /// The functions' paths and verdicts.
    verdicts: Vec<(String, Verdict)>,
}

/// Paths in symbols: of the two manglings, the old has a hash of the type.
#[derive(Clone, Copy)]
pub(crate) enum Mangling {
    Legacy,
    V0,
}

/// A folder of a crate named `app`.
pub(crate) struct Crate {
    folder: PathBuf,
    flags: Vec<String>,
}

/// A function's code, and what it refers to.
#[derive(PartialEq, Eq)]
struct Code {
    bytes: Vec<u8>,
    names: Vec<(u64, String)>,
    /// The constants: of panics, where they are in the source.
    constants: Vec<Vec<u8>>,
}

impl Crate {
    pub(crate) fn new(flags: &[&str]) -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("{}-{number}", std::process::id());
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .join("gate")
            .join(name);
        std::fs::create_dir_all(&folder).unwrap();
        let flags = flags.iter().map(|flag| (*flag).to_owned()).collect();
        Self { folder, flags }
    }

    /// Compiles a version. Returns all of its objects.
    pub(crate) fn compile(&self, source: &str) -> Vec<PathBuf> {
        std::fs::write(self.folder.join("app.rs"), source).unwrap();
        let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
        let output = Command::new(rustc)
            .args("--crate-name app --crate-type lib --edition 2024 -Awarnings".split(' '))
            .args("-Cdebuginfo=2 -Copt-level=0 -Cembed-bitcode=no -Cincremental=inc".split(' '))
            .args(&self.flags)
            .arg("app.rs")
            .current_dir(&self.folder)
            .output()
            .unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{errors}");
        let files = |folder: PathBuf| {
            let entries = std::fs::read_dir(folder).unwrap();
            entries
                .map(|entry| entry.unwrap().path())
                .collect::<Vec<_>>()
        };
        let krate = files(self.folder.join("inc")).remove(0);
        // The session before may still be there. The names begin with the time.
        let sessions = files(krate).into_iter().filter(|path| path.is_dir());
        let session = sessions.max().unwrap();
        let mut objects = files(session);
        objects.retain(|path| path.extension().is_some_and(|e| e == "o"));
        objects
    }

    /// Links the objects of a version to an executable, with debug information.
    pub(crate) fn link(&self, objects: &[PathBuf]) -> PathBuf {
        let executable = self.folder.join("app");
        let output = Command::new("cc")
            .args(["-shared", "-Wl,--unresolved-symbols=ignore-all", "-o"])
            .arg(&executable)
            .args(objects)
            .output()
            .unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{errors}");
        executable
    }

    /// Compiles two versions and asks the gate.
    pub(crate) fn edit(&self, before: &str, after: &str) -> Result<Edit, GateError> {
        let mut running = Running::new();
        let mut inodes = BTreeSet::new();
        let mut old = BTreeMap::new();
        for path in self.compile(before) {
            inodes.insert(std::fs::metadata(&path).unwrap().ino());
            old.append(&mut functions(&path));
            running.add(Arc::new(Object::open(&path).unwrap()));
        }
        let mut new = Vec::new();
        let mut changed = BTreeMap::new();
        for path in self.compile(after) {
            if !inodes.contains(&std::fs::metadata(&path).unwrap().ino()) {
                changed.append(&mut functions(&path));
                new.push(Arc::new(Object::open(&path).unwrap()));
            }
        }
        let pairs = pair(&old, &changed);
        let functions: Vec<_> = pairs
            .iter()
            .map(|(old, new, moved)| Changed {
                old,
                new,
                moved: *moved,
            })
            .collect();
        let outcome = compare(&running, &new, &functions)?;
        let names = functions.iter().map(|f| demangled(f.new));
        let verdicts = names.zip(outcome.verdicts.iter().cloned()).collect();
        Ok(Edit { outcome, verdicts })
    }
}

impl Drop for Crate {
    fn drop(&mut self) {
        // A folder that stays harms nobody.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// The changed functions of both: of one symbol, or of one path if the hash
/// in the symbol changed.
fn pair<'a>(
    old: &'a BTreeMap<String, Code>,
    new: &'a BTreeMap<String, Code>,
) -> Vec<(&'a str, &'a str, bool)> {
    let mut found = Vec::new();
    for (symbol, code) in new {
        let before = old.get_key_value(symbol).or_else(|| {
            let path = demangled(symbol);
            let of_path = |map: &'a BTreeMap<String, Code>| {
                let named = map.iter().filter(|(s, _)| demangled(s) == path);
                named.collect::<Vec<_>>()
            };
            let gone: Vec<_> = of_path(old)
                .into_iter()
                .filter(|(s, _)| !new.contains_key(*s))
                .collect();
            match (&gone[..], &of_path(new)[..]) {
                ([one], [_]) => Some(*one),
                _ => None,
            }
        });
        let Some((before, was)) = before else {
            continue;
        };
        if was != code {
            let moved = was.bytes == code.bytes && was.names == code.names;
            found.push((before.as_str(), symbol.as_str(), moved));
        }
    }
    found
}

fn demangled(symbol: &str) -> String {
    format!("{:#}", rustc_demangle::demangle(symbol))
}

fn functions(path: &Path) -> BTreeMap<String, Code> {
    let data = std::fs::read(path).unwrap();
    let file = object::File::parse(&*data).unwrap();
    let mut found = BTreeMap::new();
    for symbol in file.symbols() {
        if symbol.kind() != object::SymbolKind::Text || !symbol.is_definition() {
            continue;
        }
        let section = file
            .section_by_index(symbol.section_index().unwrap())
            .unwrap();
        let mut code = Code {
            bytes: section.data().unwrap().to_vec(),
            names: Vec::new(),
            constants: Vec::new(),
        };
        for (offset, relocation) in section.relocations() {
            let RelocationTarget::Symbol(index) = relocation.target() else {
                continue;
            };
            let target = file.symbol_by_index(index).unwrap();
            let constant = target
                .section_index()
                .map(|i| file.section_by_index(i).unwrap());
            let constant = constant.filter(|s| s.name().unwrap().contains("Lanon"));
            match constant {
                Some(constant) => code.constants.push(constant.data().unwrap().to_vec()),
                None => code.names.push((offset, target.name().unwrap().to_owned())),
            }
        }
        found.insert(symbol.name().unwrap().to_owned(), code);
    }
    found
}

impl Edit {
    pub(crate) fn with(mangling: Mangling, before: &str, after: &str) -> Self {
        let flag = match mangling {
            Mangling::Legacy => "-Csymbol-mangling-version=legacy",
            Mangling::V0 => "-Csymbol-mangling-version=v0",
        };
        let legacy = matches!(mangling, Mangling::Legacy);
        // The old mangling is what a stable rustc does by default.
        let flags: &[&str] = if legacy { &[] } else { &[flag] };
        Crate::new(flags).edit(before, after).unwrap()
    }

    pub(crate) fn of(before: &str, after: &str) -> Self {
        Self::with(Mangling::Legacy, before, after)
    }

    /// The verdict on a changed function.
    #[track_caller]
    pub(crate) fn verdict(&self, path: &str) -> &Verdict {
        let found: Vec<_> = self.verdicts.iter().filter(|(p, _)| p == path).collect();
        assert_eq!(found.len(), 1, "{path} in {:#?}", self.verdicts);
        &found[0].1
    }

    /// Nothing refuses the edit, and that function may be led to the new one.
    #[track_caller]
    pub(crate) fn same(&self, path: &str) {
        assert_eq!(self.verdict(path), &Verdict::Same);
        self.refuses(&[]);
    }

    /// Nothing refuses the edit, and that function is kept for old callers.
    #[track_caller]
    pub(crate) fn versioned(&self, path: &str, words: &str) {
        self.refuses(&[]);
        let verdict = self.verdict(path).to_string();
        assert_eq!(verdict, format!("old callers keep the old one: {words}"));
    }

    /// The edit is refused with these words.
    #[track_caller]
    pub(crate) fn refuses(&self, words: &[&str]) {
        let mut said: Vec<_> = self
            .outcome
            .refusals
            .iter()
            .map(ToString::to_string)
            .collect();
        let mut words: Vec<_> = words.iter().map(ToString::to_string).collect();
        said.sort();
        words.sort();
        assert_eq!(said, words, "{:#?}", self.verdicts);
    }

    /// All changed functions may be led to the new ones.
    #[track_caller]
    pub(crate) fn all_same(&self) {
        self.refuses(&[]);
        for (path, verdict) in &self.verdicts {
            assert_eq!(verdict, &Verdict::Same, "{path}");
        }
    }

    /// How many functions changed.
    pub(crate) fn changed(&self) -> usize {
        self.verdicts.len()
    }
}

impl Edit {
    /// How many changed functions have that path.
    pub(crate) fn changed_named(&self, path: &str) -> usize {
        self.verdicts_named(path).len()
    }

    /// The verdicts on all changed functions of that path.
    pub(crate) fn verdicts_named(&self, path: &str) -> Vec<&Verdict> {
        let named = self.verdicts.iter().filter(|(p, _)| p == path);
        named.map(|(_, verdict)| verdict).collect()
    }
}
