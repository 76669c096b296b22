//! The command line.

use clap::{Parser, Subcommand, ValueEnum};
use std::ffi::OsString;
use std::path::PathBuf;

/// Change native code while it runs: hot reload, and a look at names, prologues
/// and what can be patched.
#[derive(Debug, Parser)]
#[command(name = "cargo-midair", bin_name = "cargo midair", version)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Symbols(Symbols),
    Inspect(Inspect),
    Coverage(Coverage),
    Run(Run),
    Check(Check),
    Attach(Attach),
    Repl(Repl),
}

/// List the functions of a file or of a running process by name.
#[derive(Debug, clap::Args)]
pub(crate) struct Symbols {
    /// A file, or the number of a running process.
    #[arg(value_name = "FILE|PID")]
    pub(crate) target: PathBuf,
    /// A Rust path, a linker name, or either with `*` and `?`; in a process
    /// also `module::name`.
    pub(crate) glob: String,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Show how a function would be patched: before, after and the copy.
#[derive(Debug, clap::Args)]
pub(crate) struct Inspect {
    /// An executable or a shared library; it is not loaded.
    pub(crate) file: PathBuf,
    /// A Rust path, a linker name or an address (`0x…`) of the file.
    #[arg(required_unless_present = "at")]
    pub(crate) symbol: Option<String>,
    /// The address in the file, where several functions have that name or
    /// none is known.
    #[arg(long, value_name = "ADDRESS", value_parser = address)]
    pub(crate) at: Option<u64>,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Count how the functions of files could be patched.
#[derive(Debug, clap::Args)]
pub(crate) struct Coverage {
    /// Executables and shared libraries; they are not loaded.
    #[arg(required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
    /// Fail if a file has a smaller share of functions that are left by a
    /// jump.
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    pub(crate) min_jump: Option<f64>,
    /// List every function that takes a breakpoint.
    #[arg(long)]
    pub(crate) list: bool,
}

/// Which program, and how it is built.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Program {
    /// The program, if the package has several.
    #[arg(long, value_name = "NAME", conflicts_with = "example")]
    bin: Option<String>,
    /// An example instead.
    #[arg(long, value_name = "NAME")]
    example: Option<String>,
    /// The package that it is in.
    #[arg(long, short, value_name = "SPEC")]
    package: Option<String>,
    /// The workspace, if it is not that of this folder.
    #[arg(long, value_name = "PATH")]
    pub(crate) manifest_path: Option<PathBuf>,
    /// Features to build with, as for cargo.
    #[arg(long, value_name = "FEATURES")]
    features: Vec<String>,
    /// Build with all features.
    #[arg(long)]
    all_features: bool,
    /// Build without the default features.
    #[arg(long)]
    no_default_features: bool,
    /// Build for this target, and run the program by cargo's `target.….runner`.
    #[arg(long, value_name = "TRIPLE")]
    target: Option<String>,
    /// Also with a compiler that hot reload was not tested with.
    #[arg(long)]
    pub(crate) any_toolchain: bool,
}

/// Build and run a program; every edit of its sources becomes live in it.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Run {
    #[command(flatten)]
    pub(crate) program: Program,
    /// The agent's library for that target, instead of one that is built.
    #[arg(long, value_name = "FILE")]
    pub(crate) agent: Option<PathBuf>,
    /// Listen to keys: r restarts with the newest code, u undoes, q quits, ? helps.
    /// The program's stdin is empty then.
    #[arg(long, short)]
    pub(crate) interactive: bool,
    /// If something of an edit is refused, apply what does not touch it, instead of
    /// nothing.
    #[arg(long)]
    pub(crate) partial: bool,
    /// Tell of each reload where its time went, and what is in memory.
    #[arg(long, short)]
    pub(crate) verbose: bool,
    /// How midair's own messages look.
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    message_format: MessageFormat,
    /// Arguments of the program.
    #[arg(last = true)]
    pub(crate) args: Vec<OsString>,
}

/// Would the edit on disk become live? Nothing is changed: it is compared with what
/// `cargo midair run` runs or ran last. The exit code is 0 if it would, 1 if it is refused,
/// 101 if it does not compile.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Check {
    #[command(flatten)]
    pub(crate) program: Program,
    /// Build what is on disk instead; later checks compare with that.
    #[arg(long)]
    pub(crate) base: bool,
    /// How the answer looks.
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    message_format: MessageFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum MessageFormat {
    /// For people.
    Human,
    /// One JSON object a line.
    Json,
}

impl Run {
    pub(crate) fn json(&self) -> bool {
        self.message_format == MessageFormat::Json
    }
}

impl Check {
    pub(crate) fn json(&self) -> bool {
        self.message_format == MessageFormat::Json
    }
}

impl Program {
    /// What cargo is told.
    pub(crate) fn for_cargo(&self) -> Vec<OsString> {
        let mut args = Vec::new();
        let mut option = |name: &str, value: &Option<String>| {
            if let Some(value) = value {
                args.extend([name.into(), value.into()]);
            }
        };
        option("--bin", &self.bin);
        option("--example", &self.example);
        option("--package", &self.package);
        option("--target", &self.target);
        for features in &self.features {
            option("--features", &Some(features.clone()));
        }
        if self.all_features {
            args.push("--all-features".into());
        }
        if self.no_default_features {
            args.push("--no-default-features".into());
        }
        if let Some(path) = &self.manifest_path {
            args.extend(["--manifest-path".into(), path.into()]);
        }
        args
    }
}

/// Connect stdin and stdout to a program's control socket, or run one command there.
#[derive(Debug, clap::Args)]
pub(crate) struct Attach {
    /// The number or the name of the program, if several have a control socket.
    #[arg(value_name = "PID|NAME")]
    pub(crate) program: Option<String>,
    /// A command and its words; the exit code says whether it succeeded.
    #[arg(last = true)]
    pub(crate) command: Vec<String>,
    /// List the programs that have a control socket.
    #[arg(long, conflicts_with_all = ["program", "command"])]
    pub(crate) list: bool,
}

/// Talk to a program with history and completion.
#[derive(Debug, clap::Args)]
pub(crate) struct Repl {
    /// The number or the name of the program, if several have a control socket.
    #[arg(value_name = "PID|NAME")]
    pub(crate) program: Option<String>,
}

/// `cargo midair …` runs `cargo-midair midair …`.
pub(crate) fn without_cargo(
    args: impl Iterator<Item = OsString>,
) -> impl Iterator<Item = OsString> {
    args.enumerate()
        .filter(|(n, arg)| !(*n == 1 && arg == "midair"))
        .map(|(_, arg)| arg)
}

/// A hexadecimal address, with or without `0x`.
pub(crate) fn address(text: &str) -> Result<u64, String> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    u64::from_str_radix(digits, 16).map_err(|e| format!("{e}; write it in hexadecimal"))
}

fn percent(text: &str) -> Result<f64, String> {
    match text.trim_end_matches('%').parse() {
        Ok(value) if (0.0..=100.0).contains(&value) => Ok(value),
        Ok(_) => Err("give a number from 0 to 100".to_owned()),
        Err(error) => Err(format!("{error}; give a number from 0 to 100")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn cargo_passes_the_name_of_the_command_first() {
        let list = |args: &[&str]| -> Vec<OsString> {
            without_cargo(args.iter().map(OsString::from)).collect()
        };
        assert_eq!(
            list(&["cargo-midair", "midair", "symbols"]),
            ["cargo-midair", "symbols"]
        );
        assert_eq!(
            list(&["cargo-midair", "symbols", "midair"]),
            ["cargo-midair", "symbols", "midair"]
        );
    }
}
