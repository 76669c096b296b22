//! `cargo midair`: hot reload; symbols, inspection and coverage of native code; a line to
//! programs that run.
//!
//! `run` builds and runs a program and makes edits live in it; `check` tells whether it
//! would. `symbols`, `inspect` and
//! `coverage` look at files and processes; none of them changes anything. `attach` and
//! `repl` talk to a program that has opened its control socket.
//! What a command finds goes to stdout, as text or JSON; errors and progress
//! go to stderr. The exit code is 0, or 1 if there is no good answer, or 2 for
//! a command line that makes no sense.

mod args;
mod climb;
mod control;
mod coverage;
mod error;
mod gates;
mod inspect;
mod output;
mod progress;
mod run;
mod symbols;

use args::{Args, Command};
use clap::Parser as _;
use error::Error;
use std::process::ExitCode;

fn main() -> ExitCode {
    if let Some(code) = run::capture::stand_in() {
        return code;
    }
    let args = Args::parse_from(args::without_cargo(std::env::args_os()));
    let done = match &args.command {
        Command::Symbols(args) => symbols::run(args),
        Command::Inspect(args) => inspect::run(args),
        Command::Coverage(args) => coverage::run(args),
        Command::Run(args) => run::run(args),
        Command::Check(args) => run::check(args),
        Command::Attach(args) => control::attach(args),
        Command::Repl(args) => control::repl(args),
    };
    match done {
        Ok(code) => code,
        // Whoever reads has had enough (`| head`).
        Err(Error::Output { source }) if source.kind() == std::io::ErrorKind::BrokenPipe => {
            ExitCode::SUCCESS
        }
        Err(error) => {
            output::error(&error);
            ExitCode::FAILURE
        }
    }
}
