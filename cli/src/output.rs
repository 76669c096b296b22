//! Text for people and JSON for programs.
//!
//! Colour only where stdout is a terminal (anstream decides and honours
//! `NO_COLOR`); the text is the same without.

use crate::error::Error;
use anstyle::{AnsiColor, Style};
use serde::Serialize;
use std::io::Write as _;
use std::path::Path;

/// Names and headings.
pub(crate) const STRONG: Style = Style::new().bold();
/// What a jump displaces or replaces.
pub(crate) const CHANGED: Style = AnsiColor::Yellow.on_default();
/// What is as it should be.
pub(crate) const GOOD: Style = AnsiColor::Green.on_default();
/// What is not.
pub(crate) const BAD: Style = AnsiColor::Red.on_default().bold();
/// What matters less.
pub(crate) const FAINT: Style = Style::new().dimmed();

/// `text` in `style`, for a stream that strips it where it must.
pub(crate) fn styled(style: Style, text: impl std::fmt::Display) -> String {
    format!("{style}{text}{style:#}")
}

/// Puts `text` on stdout.
pub(crate) fn print(text: &str) -> Result<(), Error> {
    let mut out = anstream::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(())
}

/// Puts `value` on stdout as JSON.
pub(crate) fn json(value: &impl Serialize) -> Result<(), Error> {
    let mut out = std::io::stdout().lock();
    serde_json::to_writer_pretty(&mut out, value).map_err(std::io::Error::from)?;
    out.write_all(b"\n")?;
    Ok(())
}

/// Puts an error on stderr.
pub(crate) fn error(error: &dyn std::error::Error) {
    anstream::eprintln!("{BAD}error{BAD:#}: {error}");
}

/// An address or an offset for people and for JSON.
pub(crate) fn hex(number: u64) -> String {
    format!("{number:#x}")
}

/// Bytes for people and for JSON: `55 48 89 e5`.
pub(crate) fn bytes(bytes: &[u8]) -> String {
    let bytes: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    bytes.join(" ")
}

/// The last part of a path.
pub(crate) fn file_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or(path.as_os_str());
    name.to_string_lossy().into_owned()
}
