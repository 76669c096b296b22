//! What cargo takes for another crate is built as the one that runs.
//!
//! To cargo a crate with another version, other features or other dependencies is another
//! crate: it calls rustc with another `-C metadata`, which is part of every symbol and of
//! every `TypeId`, and gives the files another name. The types and statics of such a crate
//! would not be those of the program. So the new call is made under the old identity, with
//! the new arguments otherwise, and what comes of it is an edit like any other: it goes
//! through the gate.
//!
//! That is no way out where code that cannot be built anew would be another one as well: a
//! dependency that was in the program and has another version or other features now, a
//! profile, a compiler.

use super::build::Build;
use super::capture::Capture;
use super::crates::Crate;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// How the crates that run are built from now on.
pub(crate) struct Kept {
    /// One for each of the crates.
    pub(crate) captures: Vec<Capture>,
    /// Which of them are built under another identity than cargo's.
    pub(crate) others: BTreeSet<usize>,
    /// At which place each of them is built: used ones first.
    pub(crate) places: Vec<usize>,
}

/// How the crates that run are built from now on, or why that is not possible.
pub(crate) fn kept(crates: &[Crate], build: &Build) -> Result<Kept, Vec<String>> {
    let (mut pairs, mut places, mut refused) = (Vec::new(), Vec::new(), Vec::new());
    for one in crates {
        let old = &one.live;
        let is_same = |new: &Capture| new.stem() == old.stem();
        let is_it = |new: &Capture| is_of_one_target(new, old);
        let all = &build.captures;
        let place = all.iter().position(is_same);
        match place.or_else(|| all.iter().position(is_it)) {
            Some(place) => {
                pairs.push((old, &all[place]));
                places.push(place);
            }
            None => refused.push(format!(
                "crate `{}` is not part of the program any more",
                old.crate_name().unwrap_or_default()
            )),
        }
    }
    let runs = |new: &Capture| pairs.iter().any(|(_, other)| other.stem() == new.stem());
    for new in build.captures.iter().filter(|new| !runs(new)) {
        let name = new.crate_name().unwrap_or_default();
        refused.push(format!("crate `{name}` was not part of the program"));
    }
    let mut files = HashMap::new();
    for (old, new) in &pairs {
        for end in ["rlib", "rmeta"] {
            let file = |of: &Capture| OsString::from(format!("lib{}.{end}", of.stem()));
            files.insert(file(new), old.out_folder().join(file(old)));
        }
    }
    let mut captures = Vec::new();
    let mut others = BTreeSet::new();
    for (n, (old, new)) in pairs.into_iter().enumerate() {
        if old.stem() != new.stem() {
            others.insert(n);
            if let Some(why) = difference(old, new, &files) {
                refused.push(why);
            }
        }
        captures.push(new.under(old, &files));
    }
    match refused.is_empty() {
        true => Ok(Kept {
            captures,
            others,
            places,
        }),
        false => Err(refused),
    }
}

/// Whether both are the same library, or the same program, of the same package. (A library and
/// a program may be of one name.)
fn is_of_one_target(new: &Capture, old: &Capture) -> bool {
    let is_program = |of: &Capture| of.values("--crate-type").any(|one| one == "bin");
    new.crate_name() == old.crate_name()
        && new.is_of_package_of(old)
        && is_program(new) == is_program(old)
}

/// Whether other parts of the sources are compiled than in what runs: by features, or by
/// what build scripts say.
pub(crate) fn is_configured_otherwise(one: &Crate) -> bool {
    configuration(&one.live) != configuration(&one.capture)
}

fn configuration(of: &Capture) -> BTreeSet<&str> {
    of.values("--cfg").collect()
}

/// What of a crate's identity has changed that cannot stay as it was.
fn difference(old: &Capture, new: &Capture, files: &HashMap<OsString, PathBuf>) -> Option<String> {
    let mut words = Vec::new();
    if old.rustc != new.rustc {
        words.push("the compiler changed".to_owned());
    }
    if settings(old) != settings(new) || old.out_folder() != new.out_folder() {
        words.push("the profile or what is linked changed".to_owned());
    }
    let was: BTreeMap<&str, PathBuf> = old.externs_by_name().collect();
    let is: BTreeSet<PathBuf> = new.externs().collect();
    for (name, path) in new.externs_by_name() {
        let file = path.file_name().unwrap_or_default();
        let is_known = files.contains_key(file);
        // Also under another name, unless both are used.
        let crate_name = without_hash(&path);
        let is_another = |(of, was): (&&str, &PathBuf)| {
            let is_gone = || without_hash(was) == crate_name && !is.contains(was);
            *was != path && (*of == name || is_gone())
        };
        if !is_known && was.iter().any(is_another) {
            words.push(format!(
                "dependency {name} has another version or other features"
            ));
        }
    }
    let name = old.crate_name().unwrap_or_default();
    (!words.is_empty()).then(|| {
        format!(
            "`{name}` is another crate for cargo now, with other types and statics: {}",
            words.join("; ")
        )
    })
}

/// The crate that a library is of.
fn without_hash(library: &Path) -> Option<String> {
    let stem = library.file_stem()?.to_string_lossy();
    stem.rsplit_once('-').map(|(name, _)| name.to_owned())
}

/// What code is generated by, and for what.
fn settings(capture: &Capture) -> BTreeSet<String> {
    let names = ["-C", "--codegen", "-Z", "--target", "--crate-type", "-l"];
    let all = names.iter().flat_map(|name| {
        let values = capture.values(name);
        values.map(move |value| format!("{name} {value}"))
    });
    let own = ["metadata=", "extra-filename="];
    all.filter(|text| !own.iter().any(|name| text.contains(name)))
        .collect()
}

/// Those of `libraries` that no crate of the program is, and that the program did not
/// have.
pub(crate) fn new_libraries(
    libraries: &[PathBuf],
    known: &[PathBuf],
    captures: &[Capture],
) -> Vec<PathBuf> {
    let is_edited = |path: &Path| {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        captures
            .iter()
            .any(|one| stem == format!("lib{}", one.stem()))
    };
    let new = libraries.iter().filter(|path| !known.contains(path));
    new.filter(|path| !is_edited(path)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn capture(args: &str) -> Capture {
        Capture {
            rustc: "rustc".to_owned(),
            args: args.split(' ').map(str::to_owned).collect(),
            env: BTreeMap::new(),
            directory: "/w".into(),
        }
    }

    const OLD: &str = "--crate-name app src/main.rs --crate-type bin -C opt-level=0 \
                       -C metadata=11 -C extra-filename=-12 --out-dir t -C incremental=i \
                       -L dependency=t --extern words=t/libwords-1.rlib --extern far=t/libfar-1.rlib";

    fn files() -> HashMap<OsString, PathBuf> {
        HashMap::from([("libwords-2.rlib".into(), "/w/t/libwords-1.rlib".into())])
    }

    #[test]
    fn a_call_with_other_features_is_made_under_the_old_identity() {
        let new = OLD
            .replace("metadata=11", "metadata=21")
            .replace("-12", "-22");
        let new = new.replace("words-1", "words-2") + " --cfg feature=\"loud\"";
        let (old, new) = (capture(OLD), capture(&new));
        assert_ne!(configuration(&old), configuration(&new));
        assert_eq!(difference(&old, &new, &files()), None);
        let expected = OLD.replace("=t/libwords", "=/w/t/libwords") + " --cfg feature=\"loud\"";
        assert_eq!(new.under(&old, &files()).args.join(" "), expected);
    }

    #[test]
    fn a_dependency_that_is_new_is_taken_and_another_one_of_the_same_name_is_not() {
        let old = capture(OLD);
        let with = |text: &str| difference(&old, &capture(text), &files());
        assert_eq!(with(&format!("{OLD} --extern new=t/libnew-1.rlib")), None);
        let why = with(&OLD.replace("far-1", "far-2")).unwrap();
        assert!(why.contains("dependency far has another version"), "{why}");
        let why = with(&OLD.replace("far=t/libfar-1", "distant=t/libfar-2")).unwrap();
        assert!(
            why.contains("dependency distant has another version"),
            "{why}"
        );
        let both = format!("{OLD} --extern distant=t/libfar-2.rlib");
        assert_eq!(with(&both), None);
        let why = with(&OLD.replace("opt-level=0", "opt-level=1")).unwrap();
        assert!(why.contains("the profile"), "{why}");
        let why = with(&format!("{OLD} -l static=z")).unwrap();
        assert!(why.contains("what is linked"), "{why}");
    }
}
