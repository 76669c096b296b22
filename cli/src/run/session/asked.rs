//! What is asked over the program's control socket: `reload`, `eval` and their like.

use super::events::Event;
use super::state::Session;
use super::undo;
use crate::run::agent_file;
use crate::run::eval::definition::Definition;
use crate::run::eval::find::{self, Function};
use crate::run::report::{self, Report};
use midair::reload::protocol::{self, Question, Told};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::mpsc::Sender;
use std::time::Instant;

/// A question, and where its answer goes.
pub(super) struct Asked {
    pub(super) question: Question,
    socket: UnixStream,
}

impl Asked {
    pub(super) fn answer(mut self, told: &Told) {
        // A program that has ended need not be told.
        let _ = protocol::send(&mut self.socket, told);
    }

    /// Nobody can do that.
    pub(super) fn refuse(self, why: &str) {
        self.answer(&Told {
            text: why.to_owned(),
            ..Told::default()
        });
    }
}

/// Tells of questions as they come.
pub(super) fn listen(socket: UnixStream, tell: Sender<Event>) {
    std::thread::spawn(move || {
        let mut questions = socket;
        while let Ok(question) = protocol::receive(&mut questions) {
            // Without a way back there is nobody who waits.
            let Ok(socket) = questions.try_clone() else {
                return;
            };
            if tell.send(Event::Asked(Asked { question, socket })).is_err() {
                return;
            }
        }
    });
}

impl Session {
    pub(super) fn asked(&mut self, question: &Question) -> Told {
        let done = match question {
            Question::Reload(file) => self.reload_now(file),
            Question::Eval {
                definition,
                is_written,
            } => self.eval(definition, *is_written),
            Question::Sources => Ok(self.sources()),
            Question::Undo => self.undo_and_tell(),
        };
        done.unwrap_or_else(|text| Told {
            text,
            ..Told::default()
        })
    }

    /// Makes what the files say live.
    fn reload_now(&mut self, file: &str) -> Result<Told, String> {
        let begun = Instant::now();
        let mut paths: Vec<PathBuf> = self.all_sources();
        if !file.is_empty() {
            paths.retain(|path| path.ends_with(file));
            match paths.as_slice() {
                [] => return Err(format!("no source of the program is called {file}")),
                [only] => self.read_as_it_is(&only.clone()),
                several => {
                    let names: Vec<String> = several.iter().map(|path| shown(path)).collect();
                    return Err(format!("which one? {}", names.join(", ")));
                }
            }
        }
        self.touched(&paths);
        if self.stale.is_empty() {
            return Ok(Told {
                is_done: true,
                text: "nothing has changed; what runs is what the files say".to_owned(),
                ..Told::default()
            });
        }
        self.renew(begun, true)
            .map_err(|why| why.with_errors())
            .and_then(|report| self.tell(&report, ""))
    }

    fn undo_and_tell(&mut self) -> Result<Told, String> {
        let undone = self.undo()?;
        let text = undo::text(&undone);
        report::say(self.say.json, &text);
        let data = serde_json::json!({
            "generation": undone.generation,
            "undone": undone.reload,
            "left": undone.left,
        });
        Ok(Told {
            is_done: true,
            text,
            data: data.to_string(),
        })
    }

    /// What was typed for this file counts no more.
    fn read_as_it_is(&mut self, file: &Path) {
        if !self.overlay.forget(file).is_empty() {
            let users = self.users_of(file);
            self.stale.extend(users);
        }
    }

    fn eval(&mut self, typed: &str, is_written: bool) -> Result<Told, String> {
        let begun = Instant::now();
        let definition = Definition::parse(typed)?;
        let function = self.function(&definition)?;
        let before = self.overlay.clone();
        if self.overlay_library.is_none() {
            self.overlay_library = Some(agent_file::overlay_in_folder(&self.folder)?);
        }
        self.overlay.put(&function, &definition, !is_written)?;
        let users = self.users_of(&function.file);
        self.stale.extend(users);
        // What is typed is live or it is not.
        let is_partial = std::mem::take(&mut self.is_partial);
        let report = self.renew(begun, false);
        self.is_partial = is_partial;
        if report.as_ref().map_or(true, Report::is_refused) {
            // Crates that were built with it are still stale.
            self.overlay = before;
        }
        let report = report.map_err(|why| why.with_errors())?;
        if report.is_refused() {
            return self.tell(&report, "");
        }
        let file = shown(&function.file);
        if !is_written {
            let until = format!("{file} is as it was; edit and save it, and it counts again");
            return self.tell(&report, &until);
        }
        let (text, rest) = self.overlay.written(&function)?;
        write(&function.file, &text)
            .map_err(|e| format!("it is live, and cannot be written: {file}: {e}"))?;
        // Nobody is to take this for an edit.
        self.watch.look(&function.file);
        self.overlay = rest;
        self.tell(&report, &format!("written to {file}"))
    }

    fn function(&self, definition: &Definition) -> Result<Function, String> {
        let mut all = Vec::new();
        for one in &self.crates {
            let name = one.capture.crate_name().unwrap_or_default();
            let root = one
                .capture
                .root()
                .ok_or("rustc was called without a source")?;
            let root = root.canonicalize().unwrap_or(root);
            all.extend(find::functions(name, &root, &one.sources)?);
        }
        find::only(&all, definition).cloned()
    }

    /// Also the terminal is told, for the program is another one now.
    fn tell(&self, report: &Report, more: &str) -> Result<Told, String> {
        report.print(self.say);
        let mut text = report.words(self.say);
        if report.is_refused() {
            return Err(text);
        }
        if !more.is_empty() {
            text = format!("{text}\n{more}");
        }
        let data = serde_json::to_string(report).map_err(|e| e.to_string())?;
        Ok(Told {
            is_done: true,
            text,
            data,
        })
    }

    fn sources(&self) -> Told {
        let names: Vec<String> = self.all_sources().iter().map(|path| shown(path)).collect();
        Told {
            is_done: true,
            text: names.join("\n"),
            data: serde_json::json!(names).to_string(),
        }
    }

    fn all_sources(&self) -> Vec<PathBuf> {
        let sources = self.crates.iter().flat_map(|one| &one.sources);
        let mut sources: Vec<PathBuf> = sources.cloned().collect();
        sources.sort();
        sources.dedup();
        sources
    }

    /// Whether all that was built last is what the files say.
    pub(super) fn is_as_written(&self) -> bool {
        self.overlay.is_empty() && !self.needs_cargo
    }

    /// The crates that have the file.
    pub(super) fn users_of(&self, file: &Path) -> Vec<usize> {
        let has_it = |n: &usize| self.crates[*n].sources.iter().any(|source| source == file);
        (0..self.crates.len()).filter(has_it).collect()
    }
}

/// As one would write it here.
fn shown(path: &Path) -> String {
    let here = std::env::current_dir().and_then(|here| here.canonicalize());
    let below = here
        .ok()
        .and_then(|here| path.strip_prefix(here).ok().map(Path::to_owned));
    below.as_deref().unwrap_or(path).display().to_string()
}

/// Whole or not at all.
fn write(file: &Path, text: &str) -> std::io::Result<()> {
    let mut name = file.file_name().unwrap_or_default().to_owned();
    name.push(".midair-new");
    let new = file.with_file_name(name);
    let written = std::fs::write(&new, text)
        .and_then(|()| std::fs::set_permissions(&new, file.metadata()?.permissions()))
        .and_then(|()| std::fs::rename(&new, file));
    if written.is_err() {
        // The error is told.
        let _ = std::fs::remove_file(&new);
    }
    written
}
