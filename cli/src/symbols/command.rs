//! The command: what the target is, then the search.

use super::{find, text};
use crate::args::Symbols;
use crate::error::Error;
use crate::output;
use std::path::Path;
use std::process::ExitCode;

/// What functions are looked for in.
enum Target<'a> {
    Process(i32),
    File(&'a Path),
}

pub(crate) fn run(args: &Symbols) -> Result<ExitCode, Error> {
    let found = match target(&args.target)? {
        Target::Process(pid) => find::in_process(pid, &args.glob)?,
        Target::File(path) => find::in_file(path, &args.glob)?,
    };
    if args.json {
        output::json(&found)?;
    } else {
        output::print(&text::table(&found))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// A number that is a live process means that process.
fn target(text: &Path) -> Result<Target<'_>, Error> {
    let digits = text
        .to_str()
        .filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    let Some(digits) = digits.filter(|digits| !digits.is_empty()) else {
        return Ok(Target::File(text));
    };
    match digits.parse() {
        Ok(pid) if Path::new("/proc").join(digits).is_dir() => Ok(Target::Process(pid)),
        _ if text.exists() => Ok(Target::File(text)),
        _ => Err(Error::NoProcess {
            text: digits.to_owned(),
        }),
    }
}
