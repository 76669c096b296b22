//! rustc again, as cargo called it, but with a linker that does nothing.
//!
//! Which linker it is does not count among the things that incremental builds
//! depend on, so nothing is compiled again for that. Its other arguments stay as
//! they are, to the letter.

use super::capture::Capture;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};

/// Calls rustc, which is `prepare`d; whether it had no errors, and the errors. What it
/// has to say is shown as cargo shows it, if it `is_shown`.
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
    let mut child = command.spawn().map_err(|e| fail(&e))?;
    let mut errors = Vec::new();
    if let Some(messages) = child.stderr.take() {
        for line in BufReader::new(messages).lines() {
            let line = line.map_err(|e| fail(&e))?;
            errors.extend(error(&line));
            if is_shown {
                show(&line);
            }
        }
    }
    Ok(Replayed {
        is_built: child.wait().map_err(|e| fail(&e))?.success(),
        errors: errors.join("\n"),
    })
}

/// What has come of it.
pub(crate) struct Replayed {
    pub(crate) is_built: bool,
    /// As rustc words them, without colours.
    pub(crate) errors: String,
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
    if let Some(text) = text {
        // Nowhere to say that stderr is gone.
        let _ = writeln!(anstream::stderr(), "{}", text.trim_end_matches('\n'));
    }
}
