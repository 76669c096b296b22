//! One line for each check: its name, and what became of the mock.
//!
//! - `seen`: the code under test did what the mock says;
//! - `refused`: the mock is an error; its text follows;
//! - `missed`: neither, with what happened instead.
//!
//! Each check is a process of its own, as where panics abort nothing is left of
//! the process of a mock that is refused.

mod inferred;
mod kinds;
mod ordinary;

use std::fmt::Debug;
use std::process::{Command, ExitCode};

/// A name, and what is to be done.
type Check = (&'static str, fn());

/// What a check has come to, if the mock was not seen.
#[track_caller]
fn expect<T: PartialEq + Debug>(found: T, expected: T) {
    if found != expected {
        println!("missed: {found:?} instead of {expected:?}");
        std::process::exit(1);
    }
}

fn checks() -> Vec<Check> {
    let all = [inferred::OPAQUE, inferred::PLAIN, kinds::ALL, ordinary::ALL];
    all.concat()
}

/// Whether it is what `MockError` says.
fn is_refusal(error: &str) -> bool {
    let texts = [
        "was inlined",
        "has the same code",
        "has changed how",
        "no function is named",
    ];
    texts.iter().any(|text| error.contains(text))
}

fn main() -> ExitCode {
    if let Some(name) = std::env::args().nth(1) {
        let Some((_, check)) = checks().into_iter().find(|(own, _)| *own == name) else {
            return ExitCode::from(2);
        };
        check();
        return ExitCode::SUCCESS;
    }
    let own = std::env::current_exe().expect("the program has a path");
    for (name, _) in checks() {
        let output = Command::new(&own)
            .arg(name)
            .env("RUST_BACKTRACE", "0")
            .output();
        let output = output.expect("the program can be started");
        let said = String::from_utf8_lossy(&output.stdout).replace('\n', "; ");
        let error = String::from_utf8_lossy(&output.stderr).replace('\n', "; ");
        match output.status.code() {
            Some(0) => println!("{name}\tseen"),
            Some(1) => println!("{name}\t{said}"),
            _ if is_refusal(&error) => println!("{name}\trefused: {error}"),
            _ => println!("{name}\tmissed: {}: {said}{error}", output.status),
        }
    }
    ExitCode::SUCCESS
}
