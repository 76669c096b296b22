//! The command: one file after the other, then the total and the verdict.

use super::tally::Tally;
use super::{measure, text};
use crate::args::Coverage;
use crate::error::Error;
use crate::output;
use midair::symbols::Image;
use serde::Serialize;
use std::path::Path;
use std::process::ExitCode;

/// What `--json` prints.
#[derive(Serialize)]
struct Report {
    files: Vec<Tally>,
    unreadable: Vec<Unreadable>,
    total: Tally,
}

#[derive(Serialize)]
struct Unreadable {
    file: String,
    error: String,
}

pub(crate) fn run(args: &Coverage) -> Result<ExitCode, Error> {
    let width = text::width(&args.files);
    let mut report = Report {
        files: Vec::new(),
        unreadable: Vec::new(),
        total: Tally::total(),
    };
    if !args.json {
        output::print(&text::header(width))?;
    }
    for file in &args.files {
        match measured(file) {
            Ok(tally) => {
                if !args.json {
                    output::print(&text::row(&tally, width))?;
                }
                report.total.add(&tally);
                report.files.push(tally);
            }
            Err(error) => {
                output::error(&error);
                let file = file.display().to_string();
                report.unreadable.push(Unreadable {
                    file,
                    error: error.to_string(),
                });
            }
        }
    }
    if args.json {
        output::json(&report)?;
    } else {
        output::print(&text::row(&report.total, width))?;
        for tally in &report.files {
            output::print(&text::details(tally, args.list))?;
        }
    }
    let mut good = report.unreadable.is_empty();
    for tally in &report.files {
        if let Some(text) = text::failure(tally, args.min_jump) {
            anstream::eprintln!("{}", output::styled(output::BAD, text));
            good = false;
        }
    }
    Ok(if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn measured(file: &Path) -> Result<Tally, Error> {
    let image = Image::open(file)?;
    Ok(measure::file(&image))
}
