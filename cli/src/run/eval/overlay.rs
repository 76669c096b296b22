//! What rustc reads in place of files.
//!
//! A library that is preloaded into rustc opens another file where it opens this one
//! (package `midair-overlay`). Arguments and names of files stay what they are, so an
//! incremental build compiles the function that is different and nothing else. The
//! text that is read has as many lines as the file, so that no other function moves,
//! unless the definition is longer than the one in the file, or about to be written.

use super::definition::Definition;
use super::find::Function;
use crate::run::replay::{self, MOST};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A definition in the place of one in a file.
#[derive(Clone, Debug)]
struct Typed {
    name: String,
    bytes: std::ops::Range<usize>,
    text: String,
    keeps_lines: bool,
}

/// The files that are not read as they are.
#[derive(Clone, Default)]
pub(crate) struct Overlay {
    files: BTreeMap<PathBuf, Covered>,
}

/// A file that is not.
#[derive(Clone)]
struct Covered {
    /// What it holds. If it holds something else by now, places in it mean nothing.
    text: String,
    /// What was typed, in the order of places.
    typed: Vec<Typed>,
}

impl Overlay {
    /// Puts a definition in the place of a function. What was typed for it before is
    /// forgotten. What comes behind it in the file `keeps_lines`, or not.
    pub(crate) fn put(
        &mut self,
        function: &Function,
        definition: &Definition,
        keeps_lines: bool,
    ) -> Result<(), String> {
        let is_new = !self.files.contains_key(&function.file);
        if is_new && self.files.len() == MOST {
            return Err(format!(
                "definitions were typed for {MOST} files; write some of them with --write"
            ));
        }
        let text = read(&function.file)?;
        let typed = Vec::new();
        let covered = self.files.entry(function.file.clone());
        let covered = covered.or_insert(Covered { text, typed });
        covered.typed.retain(|other| other.bytes != function.bytes);
        covered.typed.push(Typed {
            name: function.name(),
            bytes: function.bytes.clone(),
            text: definition.text.clone(),
            keeps_lines,
        });
        covered.typed.sort_by_key(|one| one.bytes.start);
        Ok(())
    }

    /// Reads a file as it is from now on; the names of the functions that were typed.
    pub(crate) fn forget(&mut self, file: &Path) -> Vec<String> {
        let covered = self.files.remove(file);
        let typed = covered.map_or_else(Vec::new, |covered| covered.typed);
        typed.into_iter().map(|one| one.name).collect()
    }

    /// Without files that hold something else by now.
    pub(crate) fn of_files_as_they_are(mut self) -> Self {
        self.files
            .retain(|file, covered| covered.check(file).is_ok());
        self
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// The file with one function written into it, and what remains to be read in place
    /// of files then.
    pub(crate) fn written(&self, function: &Function) -> Result<(String, Self), String> {
        let mut rest = self.clone();
        let covered = rest.files.get_mut(&function.file);
        let covered = covered.ok_or_else(|| moved(&function.file))?;
        covered.check(&function.file)?;
        let is_it = |one: &Typed| one.bytes == function.bytes;
        let at = covered.typed.iter().position(is_it);
        let one = covered
            .typed
            .remove(at.ok_or_else(|| moved(&function.file))?);
        covered.text.replace_range(one.bytes.clone(), &one.text);
        for later in &mut covered.typed {
            if later.bytes.start > one.bytes.start {
                let shift = |at: usize| at - one.bytes.len() + one.text.len();
                later.bytes = shift(later.bytes.start)..shift(later.bytes.end);
            }
        }
        let text = covered.text.clone();
        if covered.typed.is_empty() {
            rest.files.remove(&function.file);
        }
        Ok((text, rest))
    }

    /// Lets a call of rustc read what was typed.
    pub(crate) fn apply(
        &self,
        command: &mut Command,
        library: &Path,
        folder: &Path,
    ) -> Result<(), String> {
        let mut list = Vec::new();
        for (n, (file, covered)) in self.files.iter().enumerate() {
            covered.check(file)?;
            let instead = folder.join(format!("overlay-{n}.rs"));
            std::fs::write(&instead, covered.with_typed())
                .map_err(|e| format!("{}: {e}", instead.display()))?;
            list.push((file.clone().into_os_string(), instead));
        }
        // A macro that reads a source reads the file, where this was not typed.
        replay::read_instead(command, library, &folder.join("overlay-seen"), &list)
    }
}

impl Covered {
    fn check(&self, file: &Path) -> Result<(), String> {
        match read(file)? == self.text {
            true => Ok(()),
            false => Err(moved(file)),
        }
    }

    /// With as many lines, or more.
    fn with_typed(&self) -> String {
        let mut text = self.text.clone();
        for one in self.typed.iter().rev() {
            let lines = |text: &str| text.matches('\n').count();
            let were = if one.keeps_lines {
                lines(&text[one.bytes.clone()])
            } else {
                0
            };
            let missing = were.saturating_sub(lines(&one.text));
            let padded = format!("{}{}", one.text, "\n".repeat(missing));
            text.replace_range(one.bytes.clone(), &padded);
        }
        text
    }
}

fn read(file: &Path) -> Result<String, String> {
    std::fs::read_to_string(file).map_err(|e| format!("{}: {e}", file.display()))
}

fn moved(file: &Path) -> String {
    format!("{} was edited just now; try again", file.display())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::eval::find;

    const TEXT: &str = "fn a() {\n    1\n}\nfn b() { 2 }\nfn c() { 3 }\n";

    fn put(overlay: &mut Overlay, all: &[Function], typed: &str) -> Function {
        let definition = Definition::parse(typed).unwrap();
        let function = find::only(all, &definition).unwrap().clone();
        overlay.put(&function, &definition, true).unwrap();
        function
    }

    #[test]
    fn what_was_typed_is_in_its_place_and_lines_stay_and_one_can_be_written() {
        let folder = std::env::temp_dir().join(format!("midair-overlay-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.canonicalize().unwrap().join("main.rs");
        std::fs::write(&file, TEXT).unwrap();
        let all = find::functions("x", &file, std::slice::from_ref(&file)).unwrap();
        let mut overlay = Overlay::default();
        put(&mut overlay, &all, "fn c() { 30 }");
        put(&mut overlay, &all, "fn a() { 0 }");
        let a = put(&mut overlay, &all, "fn a() { 10 }");
        let covered = &overlay.files[&file];
        assert_eq!(
            covered.with_typed(),
            "fn a() { 10 }\n\n\nfn b() { 2 }\nfn c() { 30 }\n"
        );
        let (text, rest) = overlay.written(&a).unwrap();
        assert_eq!(text, "fn a() { 10 }\nfn b() { 2 }\nfn c() { 3 }\n");
        assert_eq!(
            rest.files[&file].with_typed(),
            "fn a() { 10 }\nfn b() { 2 }\nfn c() { 30 }\n"
        );
        std::fs::write(&file, "fn c() {}").unwrap();
        assert!(overlay.written(&a).is_err(), "the file is another one");
        assert_eq!(overlay.forget(&file), ["x::a", "x::c"]);
        std::fs::remove_dir_all(folder).unwrap();
    }
}
