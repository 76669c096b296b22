//! The libraries that are preloaded, which this program carries inside it.
//!
//! The agent for programs of another machine is built, once for each target folder, by
//! the user's toolchain, which has that target, and from the sources that this program
//! was built from.

use crate::args::Run;
use std::ffi::OsString;
use std::fs::File;
use std::os::fd::IntoRawFd as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Built by `build.rs`, for this machine.
const AGENT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/libmidair_agent.so"));
const OVERLAY: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/libmidair_overlay.so"));
/// The target that this program was built for.
const OWN: &str = env!("MIDAIR_TARGET");
/// Where the sources are, or were when this program was built.
const SOURCES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../agent/Cargo.toml");
const NAME: &str = "libmidair_agent.so";

/// The library for programs of `target`: a file in `own`, this run's folder, or one
/// that is kept in `folder`.
pub(crate) fn find(
    args: &Run,
    target: Option<&str>,
    own: &Path,
    folder: &Path,
) -> Result<PathBuf, String> {
    if let Some(given) = &args.agent {
        return std::path::absolute(given).map_err(|e| format!("{}: {e}", given.display()));
    }
    match target.filter(|target| machine(target) != machine(OWN)) {
        None => write(&own.join(NAME), AGENT),
        Some(target) => built(target, &folder.join("agent")),
    }
}

/// The library for rustc, as it is preloaded.
pub(crate) fn overlay_in_folder(folder: &Path) -> Result<PathBuf, String> {
    let library = write(&folder.join("libmidair_overlay.so"), OVERLAY)?;
    preloaded(&library).map(PathBuf::from)
}

/// What `LD_PRELOAD` is set to for a library. Spaces and colons would end the name there: such
/// a file is kept open, and has a name by that for as long as this program runs.
pub(crate) fn preloaded(library: &Path) -> Result<OsString, String> {
    let name = library.as_os_str();
    if !name.as_bytes().iter().any(|byte| b" :".contains(byte)) {
        return Ok(name.to_owned());
    }
    let file = File::open(library).map_err(|e| format!("{}: {e}", library.display()))?;
    let own = std::process::id();
    Ok(format!("/proc/{own}/fd/{}", file.into_raw_fd()).into())
}

fn write(path: &Path, library: &[u8]) -> Result<PathBuf, String> {
    std::fs::write(path, library).map_err(|e| format!("{}: {e}", path.display()))?;
    Ok(path.to_owned())
}

/// The first part of a target's name.
fn machine(target: &str) -> &str {
    target.split('-').next().unwrap_or(target)
}

fn built(target: &str, folder: &Path) -> Result<PathBuf, String> {
    let remedy = format!(
        "build it (`cargo build --release -p midair-agent --features control --target {target}` in \
         midair's repository) and name the file with --agent"
    );
    if !Path::new(SOURCES).exists() {
        return Err(format!(
            "the agent for {target} cannot be built: {SOURCES} is gone; {remedy}"
        ));
    }
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["build", "--quiet", "--locked", "--release", "--lib"]);
    command.args(["--features", "control"]);
    command
        .args(["--target", target, "--manifest-path", SOURCES])
        .arg("--target-dir")
        .arg(folder);
    command.stdin(Stdio::null()).stdout(Stdio::null());
    let status = command.status().map_err(|e| format!("cargo: {e}"))?;
    if !status.success() {
        return Err(format!("the agent for {target} cannot be built; {remedy}"));
    }
    Ok(folder.join(target).join("release").join(NAME))
}
