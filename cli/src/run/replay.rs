//! rustc again, as cargo called it, but with a linker that does nothing.
//!
//! Which linker it is does not count among the things that incremental builds
//! depend on, so nothing is compiled again for that. Its other arguments stay as
//! they are, to the letter.

use super::capture::Capture;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::Stdio;

/// Calls rustc; whether it had no errors. What it has to say is shown as cargo
/// shows it.
pub(crate) fn replay(capture: &Capture) -> Result<bool, String> {
    let fail = |e: &dyn std::fmt::Display| format!("{}: {e}", capture.rustc);
    let mut command = capture.command();
    if !capture.has_crate_type("lib") && !capture.has_crate_type("rlib") {
        command.arg("-Clinker=true");
    }
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|e| fail(&e))?;
    if let Some(messages) = child.stderr.take() {
        for line in BufReader::new(messages).lines() {
            show(&line.map_err(|e| fail(&e))?);
        }
    }
    Ok(child.wait().map_err(|e| fail(&e))?.success())
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
