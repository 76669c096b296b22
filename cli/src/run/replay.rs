//! rustc again, as cargo called it, but with a linker that does nothing.
//!
//! Which linker it is does not count among the things that incremental builds
//! depend on, so nothing is compiled again for that. Its other arguments stay as
//! they are, to the letter.

use super::capture::Capture;
use super::report::again;
use std::ffi::OsString;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// As the library that is preloaded into rustc knows it.
const LIST: &str = "MIDAIR_OVERLAY";
/// That library takes so many files.
pub(crate) const MOST: usize = 64;

/// More than that nobody reads; rustc may have thousands of times as much to say, since
/// each error quotes its line.
const ENOUGH: usize = 256 << 10;

/// Calls rustc, which is `prepare`d; whether it had no errors, and the errors. What it
/// has to say is shown as cargo shows it, if it `is_shown`; if it is not, rustc is ended
/// when it has said enough.
pub(crate) fn replay(
    capture: &Capture,
    prepare: impl FnOnce(&mut Command) -> Result<(), String>,
    is_shown: bool,
) -> Result<Replayed, String> {
    let fail = |e: &dyn std::fmt::Display| format!("{}: {e}", capture.rustc);
    let mut command = capture.command();
    prepare(&mut command)?;
    if !capture.has_crate_type("lib") && !capture.has_crate_type("rlib") {
        command.arg("-Clinker=true");
    }
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let begun = Instant::now();
    let mut child = command.spawn().map_err(|e| fail(&e))?;
    let (mut errors, mut kept) = (Vec::new(), Vec::new());
    let (mut said, mut is_ended) = (0, false);
    if let Some(messages) = child.stderr.take() {
        for line in BufReader::new(messages).lines() {
            let line = line.map_err(|e| fail(&e))?;
            if is_shown {
                show(&line);
            }
            if let Some(error) = error(&line).filter(|_| said < ENOUGH) {
                said += error.len();
                errors.push(error);
            }
            if is_shown {
                continue;
            }
            if said >= ENOUGH {
                child.kill().map_err(|e| fail(&e))?;
                is_ended = true;
                errors.push("rustc had more to say, and was ended".to_owned());
                break;
            }
            kept.push(line);
        }
    }
    let status = child.wait().map_err(|e| fail(&e))?;
    if let Some(signal) = status.signal().filter(|_| !is_ended) {
        return Err(format!("rustc was killed by signal {signal}"));
    }
    if !status.success() && errors.is_empty() {
        // It has crashed, and says so as text; behind the first line is its stack.
        errors.extend(kept.iter().find(|line| !line.starts_with('{')).cloned());
        errors.push(format!("rustc has ended without an error: {status}"));
    }
    Ok(Replayed {
        is_built: status.success(),
        took: begun.elapsed(),
        errors: errors.join("\n"),
        kept,
    })
}

/// What has come of it.
pub(crate) struct Replayed {
    pub(crate) is_built: bool,
    /// From its start to its end.
    pub(crate) took: Duration,
    /// As rustc words them, without colours.
    pub(crate) errors: String,
    /// What was not shown.
    pub(crate) kept: Vec<String>,
}

/// Lets a call of rustc read other files: those in the `list`, each in place of the one
/// before it, by the `library`. If anybody but rustc's parser reads one of them, who gets
/// the file, `mark` is made.
pub(crate) fn read_instead(
    command: &mut Command,
    library: &Path,
    mark: &Path,
    list: &[(OsString, PathBuf)],
) -> Result<(), String> {
    let mut lines = OsString::new();
    let pairs = list
        .iter()
        .flat_map(|(file, instead)| [file.as_os_str(), instead.as_os_str()]);
    for path in std::iter::once(mark.as_os_str()).chain(pairs) {
        if path.as_encoded_bytes().contains(&b'\n') {
            return Err(format!("{path:?} has a line break in its name"));
        }
        lines.push(path);
        lines.push("\n");
    }
    if !list.is_empty() {
        let mut preload = library.as_os_str().to_owned();
        let mut variables = command.get_envs();
        let before = variables.find_map(|(name, value)| value.filter(|_| name == "LD_PRELOAD"));
        if let Some(before) = before.filter(|before| !before.is_empty()) {
            preload.push(":");
            preload.push(before);
        }
        command.env(LIST, lines).env("LD_PRELOAD", preload);
    }
    Ok(())
}

/// The text of a diagnostic that is an error.
fn error(line: &str) -> Option<String> {
    let message: serde_json::Value = serde_json::from_str(line).ok()?;
    if message.get("level")? != "error" {
        return None;
    }
    let text = message.get("rendered")?.as_str()?;
    Some(anstream::adapter::strip_str(text).to_string())
}

/// Shows one line of rustc's: a diagnostic in JSON, or text.
pub(crate) fn show(line: &str) {
    let message: Option<serde_json::Value> = serde_json::from_str(line).ok();
    let text = match &message {
        Some(message) => message.get("rendered").and_then(|text| text.as_str()),
        None => Some(line),
    };
    if let Some(text) = text.filter(|text| message.is_none() || !again::was_said(text)) {
        // Nowhere to say that stderr is gone.
        let _ = writeln!(anstream::stderr(), "{}", text.trim_end_matches('\n'));
    }
}
