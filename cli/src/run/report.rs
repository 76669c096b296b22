//! What is said of each reload: all of it in JSON, to people what they asked for in
//! [`words`].

pub(crate) mod again;
mod words;

use crate::args::Run;
use crate::output::FAINT;
use rustc_demangle::demangle;
use serde::Serialize;
use std::time::Duration;

/// One reload.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Report {
    /// Crates that were built for it.
    pub(crate) built: Vec<String>,
    /// Functions whose calls go to new code.
    pub(crate) redirected: Vec<String>,
    /// Functions that are the same but for lines in their panics.
    pub(crate) moved: Vec<String>,
    /// Functions of which old callers keep the old one.
    pub(crate) versioned: Vec<Versioned>,
    /// Constants that were overwritten.
    pub(crate) overwritten: Vec<String>,
    /// Statics that keep their values though their first value is another one.
    pub(crate) kept: Vec<String>,
    /// Functions that are patched by hand: where calls go.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) above: Vec<String>,
    /// Threads that are in the old code of a function.
    pub(crate) active: Vec<ActiveIn>,
    /// Why nobody knows that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) active_unknown: Option<String>,
    /// What is in memory of this reload and of those before.
    pub(crate) images: Images,
    /// The functions that were redirected, by their addresses.
    #[serde(skip)]
    pub(crate) functions: Vec<(u64, String)>,
    /// Functions that are in no new code; who has them keeps them.
    pub(crate) removed: Vec<String>,
    /// Why nothing was done, or not all.
    pub(crate) refused: Vec<String>,
    /// What can be was applied all the same (`--partial`).
    pub(crate) is_partial: bool,
    /// Functions that stay as they are for that.
    pub(crate) left_out: Vec<String>,
    /// Bytes of memory that were added.
    pub(crate) bytes: u64,
    pub(crate) milliseconds: Latency,
    /// The crates of the workspace: people are told of their functions.
    #[serde(skip)]
    pub(crate) workspace: Vec<String>,
}

/// A function and a reason.
#[derive(Debug, Serialize)]
pub(crate) struct Versioned {
    pub(crate) what: String,
    pub(crate) why: String,
}

/// A thread that runs the old code of a function until it calls it anew.
#[derive(Debug, Serialize)]
pub(crate) struct ActiveIn {
    pub(crate) what: String,
    pub(crate) thread: u64,
    /// The thread's name.
    pub(crate) name: String,
    pub(crate) file: Option<String>,
    pub(crate) line: Option<u32>,
    /// Or it is only by what is on its stack that it may be there.
    pub(crate) is_certain: bool,
}

/// The images of all reloads.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Images {
    pub(crate) loaded: usize,
    pub(crate) bytes: u64,
    pub(crate) unloaded: u64,
    /// Those that were replaced and are there still, and why.
    pub(crate) held: Vec<HeldImage>,
}

/// An image that was replaced.
#[derive(Debug, Serialize)]
pub(crate) struct HeldImage {
    pub(crate) number: u64,
    pub(crate) why: String,
}

impl From<midair::reload::protocol::Images> for Images {
    fn from(images: midair::reload::protocol::Images) -> Self {
        let old = images.loaded.iter().filter(|image| image.is_old);
        Self {
            loaded: images.loaded.len(),
            bytes: images.loaded.iter().map(|image| image.bytes).sum(),
            unloaded: images.unloaded,
            held: old
                .map(|image| HeldImage {
                    number: image.number,
                    why: image.why.clone(),
                })
                .collect(),
        }
    }
}

/// Where the time went, in milliseconds.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Latency {
    pub(crate) watch: f64,
    /// To read what was edited, and to make a shadow of it.
    pub(crate) sources: f64,
    /// rustc itself, from its start to its end.
    pub(crate) rustc: f64,
    pub(crate) diff: f64,
    pub(crate) gate: f64,
    pub(crate) link: f64,
    pub(crate) load: f64,
    pub(crate) swap: f64,
    pub(crate) total: f64,
}

pub(crate) fn milliseconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e5).round() / 100.0
}

/// A linker name as a Rust path.
pub(crate) fn path(name: &str) -> String {
    format!("{:#}", demangle(name))
}

/// How things are said.
#[derive(Clone, Copy)]
pub(crate) struct Say {
    pub(crate) json: bool,
    /// Keys are listened to.
    pub(crate) interactive: bool,
    /// People are told where the time went, too.
    pub(crate) verbose: bool,
}

impl From<&Run> for Say {
    fn from(args: &Run) -> Self {
        Self {
            json: args.json(),
            interactive: args.interactive,
            verbose: args.verbose,
        }
    }
}

/// Says something that is not about one reload.
pub(crate) fn say(json: bool, text: &str) {
    if json {
        let line = serde_json::json!({ "message": text });
        eprintln!("{line}");
    } else {
        anstream::eprintln!("{FAINT}midair{FAINT:#}: {text}");
    }
}

/// Says that something has happened, which people need not know.
pub(crate) fn event(json: bool, event: &str, text: &str) {
    if json {
        eprintln!("{}", serde_json::json!({ event: text }));
    }
}

impl Report {
    /// Nothing was applied.
    pub(crate) fn is_refused(&self) -> bool {
        !self.refused.is_empty() && !self.is_partial
    }

    pub(crate) fn print(&self, say: Say) {
        if !self.is_refused() {
            again::forget();
        }
        if say.json {
            match serde_json::to_string(self) {
                Ok(line) => eprintln!("{{\"reload\":{line}}}"),
                Err(error) => eprintln!("midair: {error}"),
            }
        } else {
            let text = self.text(say);
            if !(self.is_refused() && again::was_said(&text)) {
                anstream::eprintln!("{text}");
            }
        }
    }

    /// As [`print`](Self::print), of what was put right in the background. A person is
    /// told if it was refused.
    pub(crate) fn print_settled(&self, say: Say) {
        if say.json {
            eprintln!("{}", serde_json::json!({ "settled": self }));
        } else if !self.refused.is_empty() {
            let why = self.refused.join("; ");
            self::say(false, &format!("lines are those of before the edit: {why}"));
        }
    }

    /// The same without colours, for somebody elsewhere.
    pub(crate) fn words(&self, say: Say) -> String {
        let text = anstream::adapter::strip_str(&self.text(say)).to_string();
        text.strip_prefix("midair: ").unwrap_or(&text).to_owned()
    }
}

impl std::fmt::Display for ActiveIn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let certainty = if self.is_certain {
            "active"
        } else {
            "perhaps active"
        };
        write!(
            f,
            "{}: {certainty} in thread {} ({})",
            self.what, self.name, self.thread
        )?;
        if let (Some(file), Some(line)) = (&self.file, self.line) {
            write!(f, " at {file}:{line}")?;
        }
        f.write_str("; live on its next call")
    }
}
