//! The command.

use super::report::Report;
use super::{choose, text};
use crate::args::Inspect;
use crate::climb::Ground;
use crate::error::Error;
use crate::output;
use midair::symbols::Image;
use std::process::ExitCode;

pub(crate) fn run(args: &Inspect) -> Result<ExitCode, Error> {
    let image = Image::open(&args.file)?;
    let subject = choose::function(&image, args.symbol.as_deref(), args.at)?;
    let report = Report::of(&Ground::of(&image), &subject);
    if args.json {
        output::json(&report)?;
    } else {
        output::print(&text::page(&report))?;
    }
    Ok(if report.refusal.is_none() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
