//! What cargo has built: the executable, the crates of the workspace in it, the
//! libraries of all others, and whether that can be reloaded.

use super::capture::{self, Capture};
use super::crates;
use crate::args::Run;
use cargo_metadata::{Message, MetadataCommand};
use std::io::BufReader;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

pub(crate) struct Build {
    /// What cargo has linked.
    pub(crate) executable: PathBuf,
    /// Where midair's own files go.
    pub(crate) folder: PathBuf,
    /// The workspace's crates in the program, used ones first.
    pub(crate) captures: Vec<Capture>,
    /// What missing code may be in.
    pub(crate) libraries: Vec<PathBuf>,
}

/// Builds what is to be run. None if it cannot be built; cargo has said why.
pub(crate) fn build(args: &Run) -> Result<Option<Build>, String> {
    let mut metadata = MetadataCommand::new();
    if let Some(path) = &args.manifest_path {
        metadata.manifest_path(path);
    }
    let metadata = metadata.no_deps().exec().map_err(|e| e.to_string())?;
    let folder = metadata.target_directory.as_std_path().join("midair");
    let captured = folder.join("calls");
    let Some(built) = call(args, &captured)? else {
        return Ok(None);
    };
    let all = capture::all(&captured)?;
    let program = all
        .iter()
        .find(|capture| is_of(capture, &built.executable))
        .ok_or_else(|| {
            format!(
                "{} was built by cargo without telling midair how; delete {} and try again",
                built.executable.display(),
                metadata.target_directory
            )
        })?;
    let captures = crates::order(program, &all);
    for capture in &captures {
        check(capture)?;
    }
    let mut libraries = built.libraries;
    libraries.extend(of_toolchain(program)?);
    Ok(Some(Build {
        executable: built.executable,
        folder,
        captures,
        libraries,
    }))
}

struct Built {
    executable: PathBuf,
    libraries: Vec<PathBuf>,
}

fn call(args: &Run, captured: &Path) -> Result<Option<Built>, String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let own = std::env::current_exe().map_err(|e| format!("this program's file: {e}"))?;
    let mut command = Command::new(cargo);
    command.arg("build").args(args.for_cargo());
    command.arg("--message-format=json-render-diagnostics");
    command
        .env("RUSTC_WORKSPACE_WRAPPER", own)
        .env(capture::FOLDER, captured);
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = command.spawn().map_err(|e| format!("cargo: {e}"))?;
    let mut executables = Vec::new();
    let mut libraries = Vec::new();
    if let Some(output) = child.stdout.take() {
        for message in Message::parse_stream(BufReader::new(output)) {
            let Message::CompilerArtifact(artifact) = message.map_err(|e| format!("cargo: {e}"))?
            else {
                continue;
            };
            let files = artifact
                .filenames
                .iter()
                .map(|path| path.as_std_path().to_owned());
            libraries.extend(files.filter(|path| path.extension().is_some_and(|e| e == "rlib")));
            executables.extend(artifact.executable.map(|path| (artifact.target.name, path)));
        }
    }
    if !child.wait().map_err(|e| format!("cargo: {e}"))?.success() {
        return Ok(None);
    }
    match executables.as_slice() {
        [(_, executable)] => Ok(Some(Built {
            executable: executable.as_std_path().to_owned(),
            libraries,
        })),
        [] => Err("there is no program to run; name one with --bin or --example".to_owned()),
        several => {
            let names: Vec<&str> = several.iter().map(|(name, _)| name.as_str()).collect();
            Err(format!(
                "which program? name one with --bin: {}",
                names.join(", ")
            ))
        }
    }
}

/// Whether this call has made the executable: cargo links it to a shorter name.
fn is_of(capture: &Capture, executable: &Path) -> bool {
    let made = capture.out_folder().join(capture.stem());
    let same = |one: &Path, other: &Path| {
        let (one, other) = (one.metadata().ok()?, other.metadata().ok()?);
        Some(one.ino() == other.ino() && one.dev() == other.dev())
    };
    capture.has_crate_type("bin") && same(&made, executable) == Some(true)
}

/// Whether what this call builds can be reloaded, or what to set.
fn check(capture: &Capture) -> Result<(), String> {
    let name = capture.crate_name().unwrap_or_default();
    let refuse = |why: &str, remedy: &str| {
        Err(format!(
            "`{name}` cannot be reloaded: {why}; set `{remedy}` in the profile"
        ))
    };
    if capture
        .codegen("opt-level")
        .is_some_and(|level| level != "0")
    {
        return refuse(
            "it is optimised, so its functions are copied into their callers",
            "opt-level = 0",
        );
    }
    if capture.codegen("incremental").is_none() {
        return refuse("it is not built incrementally", "incremental = true");
    }
    if capture
        .codegen("debuginfo")
        .is_none_or(|level| level != "2" && level != "full")
    {
        return refuse(
            "without debug information types cannot be compared",
            "debug = true",
        );
    }
    if capture
        .codegen("strip")
        .is_some_and(|strip| strip == "symbols")
    {
        return refuse("its symbols are stripped", "strip = false");
    }
    if capture
        .env
        .get("RUSTC_WRAPPER")
        .is_some_and(|wrapper| !wrapper.is_empty())
    {
        let wrapper = &capture.env["RUSTC_WRAPPER"];
        return Err(format!(
            "`{name}` cannot be reloaded: rustc is called through {wrapper}, which may answer \
             from a cache; unset RUSTC_WRAPPER"
        ));
    }
    Ok(())
}

/// The standard library's files.
fn of_toolchain(capture: &Capture) -> Result<Vec<PathBuf>, String> {
    let mut command = Command::new(&capture.rustc);
    command
        .current_dir(&capture.directory)
        .args(["--print", "target-libdir"]);
    let output = command
        .output()
        .map_err(|e| format!("{}: {e}", capture.rustc))?;
    let folder = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let entries = std::fs::read_dir(&folder).map_err(|e| format!("{folder}: {e}"))?;
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    Ok(paths
        .filter(|path| path.extension().is_some_and(|e| e == "rlib"))
        .collect())
}
