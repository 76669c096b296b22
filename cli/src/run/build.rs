//! What cargo has built: the executable, the crates of the workspace in it, the
//! libraries of all others, and whether that can be reloaded.

use super::capture::{self, Capture};
use super::{crates, inputs, toolchain};
use crate::args::Program;
use cargo_metadata::{Message, MetadataCommand};
use std::io::BufReader;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::SystemTime;

#[derive(Clone)]
pub(crate) struct Build {
    /// When cargo was called: what was edited later may not be in it.
    pub(crate) begun: SystemTime,
    /// What cargo has linked.
    pub(crate) executable: PathBuf,
    /// The same file, or a newer one that rustc has linked.
    pub(crate) linked: PathBuf,
    /// Where midair's own files go.
    pub(crate) folder: PathBuf,
    /// The workspace's crates in the program, used ones first.
    pub(crate) captures: Vec<Capture>,
    /// What missing code may be in.
    pub(crate) libraries: Vec<PathBuf>,
    /// Files that cargo reads and rustc does not see.
    pub(crate) inputs: Vec<PathBuf>,
    /// A library in the program whose code may keep things in registers for long.
    pub(crate) optimised: Option<String>,
}

/// Where midair's own files go.
pub(crate) fn folder(args: &Program) -> Result<PathBuf, String> {
    let mut metadata = MetadataCommand::new();
    if let Some(path) = &args.manifest_path {
        metadata.manifest_path(path);
    }
    let metadata = metadata.no_deps().exec().map_err(|e| e.to_string())?;
    Ok(metadata.target_directory.as_std_path().join("midair"))
}

/// Builds what is to be run. None if it cannot be built; cargo has said why.
pub(crate) fn build(args: &Program, folder: &Path) -> Result<Option<Build>, String> {
    let begun = SystemTime::now();
    let captured = folder.join("calls");
    let Some(mut built) = call(args, &captured)? else {
        return Ok(None);
    };
    let mut all = capture::all(&captured)?;
    let missing = built.missing(&all);
    if !missing.is_empty() {
        // cargo has built these before, for itself.
        for folder in missing {
            std::fs::remove_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
        }
        let Some(again) = call(args, &captured)? else {
            return Ok(None);
        };
        built = again;
        all = capture::all(&captured)?;
    }
    let program = all
        .iter()
        .find(|capture| is_of(capture, &built.executable))
        .ok_or_else(|| {
            format!(
                "{} was built by cargo without telling midair how; delete {} and try again",
                built.executable.display(),
                folder.parent().unwrap_or(folder).display()
            )
        })?;
    let captures = crates::order(program, &all);
    for capture in &captures {
        check(capture)?;
    }
    toolchain::check(&program.rustc, args.any_toolchain)?;
    let mut libraries = built.libraries;
    libraries.extend(of_toolchain(program)?);
    let inputs = inputs::of(&built.packages, &all);
    Ok(Some(Build {
        inputs,
        optimised: built.optimised,
        begun,
        linked: built.executable.clone(),
        executable: built.executable,
        folder: folder.to_owned(),
        captures,
        libraries,
    }))
}

struct Built {
    executable: PathBuf,
    libraries: Vec<PathBuf>,
    /// Names of packages that are edited here, each with its files.
    edited: Vec<(String, Vec<PathBuf>)>,
    /// What cargo has told of packages that are edited here.
    packages: Vec<inputs::Told>,
    /// A library that is optimised.
    optimised: Option<String>,
}

impl Built {
    /// Where cargo remembers to have built packages of which no call is written
    /// down.
    fn missing(&self, all: &[Capture]) -> Vec<PathBuf> {
        let has_program = all.iter().any(|capture| is_of(capture, &self.executable));
        let is_library = |file: &PathBuf| file.extension().is_some_and(|e| e == "rlib");
        let is_missing = |files: &[PathBuf]| {
            if !files.iter().any(is_library) {
                return !has_program;
            }
            // One of them has the hash in its name; cargo may link the library to a
            // shorter one.
            !files.iter().any(|file| {
                let stem = file.file_stem().unwrap_or_default().to_string_lossy();
                all.iter()
                    .any(|capture| format!("lib{}", capture.stem()) == stem)
            })
        };
        let missing = self.edited.iter().filter(|(_, files)| is_missing(files));
        let names: Vec<String> = missing.map(|(name, _)| format!("{name}-")).collect();
        let profile = self.executable.ancestors().skip(1).take(2);
        let memory = profile.map(|folder| folder.join(".fingerprint"));
        let folders = memory
            .filter_map(|folder| std::fs::read_dir(folder).ok())
            .flatten();
        let folders = folders.filter_map(|entry| Some(entry.ok()?.path()));
        let is_one = |folder: &PathBuf| {
            let name = folder.file_name().unwrap_or_default().to_string_lossy();
            names.iter().any(|package| {
                name.strip_prefix(package.as_str())
                    .is_some_and(|hash| hash.bytes().all(|byte| byte.is_ascii_hexdigit()))
            })
        };
        folders.filter(is_one).collect()
    }
}

/// The name of a package on this disk.
fn edited_package(id: &str) -> Option<String> {
    let (folder, version) = id.strip_prefix("path+")?.split_once('#')?;
    let name = match version.split_once('@') {
        Some((name, _)) => name,
        None => folder.rsplit('/').next()?,
    };
    Some(name.to_owned())
}

fn call(args: &Program, captured: &Path) -> Result<Option<Built>, String> {
    if let Some(wrapper) = std::env::var_os("RUSTC_WRAPPER").filter(|name| !name.is_empty()) {
        return Err(format!(
            "rustc is called through {}, which may answer from a cache; unset RUSTC_WRAPPER",
            wrapper.display()
        ));
    }
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let own = std::env::current_exe().map_err(|e| format!("this program's file: {e}"))?;
    let mut command = Command::new(cargo);
    command.arg("build").args(args.for_cargo());
    command.arg("--message-format=json-render-diagnostics");
    command
        .env("RUSTC_WRAPPER", &own)
        .env("RUSTC_WORKSPACE_WRAPPER", &own)
        .env(capture::FOLDER, captured);
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = command.spawn().map_err(|e| format!("cargo: {e}"))?;
    let mut executables = Vec::new();
    let mut libraries = Vec::new();
    let mut edited = Vec::new();
    let mut packages = Vec::new();
    let mut optimised = None;
    if let Some(output) = child.stdout.take() {
        for message in Message::parse_stream(BufReader::new(output)) {
            let message = message.map_err(|e| format!("cargo: {e}"))?;
            packages.extend(inputs::told(&message));
            let Message::CompilerArtifact(artifact) = message else {
                continue;
            };
            let files = artifact.filenames.iter();
            let files: Vec<PathBuf> = files.map(|path| path.as_std_path().to_owned()).collect();
            let library = files
                .iter()
                .find(|path| path.extension().is_some_and(|e| e == "rlib"));
            libraries.extend(library.cloned());
            if library.is_some() && artifact.profile.opt_level != "0" {
                optimised.get_or_insert_with(|| artifact.target.name.clone());
            }
            let is_linked = library.is_some() || artifact.executable.is_some();
            if let Some(name) = edited_package(&artifact.package_id.repr).filter(|_| is_linked) {
                edited.push((name, files));
            }
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
            edited,
            packages,
            optimised,
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
    let made = capture.executable();
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
    Ok(())
}

/// The standard library's files.
fn of_toolchain(capture: &Capture) -> Result<Vec<PathBuf>, String> {
    let mut command = Command::new(&capture.rustc);
    command
        .current_dir(&capture.directory)
        .args(["--print", "target-libdir"]);
    if let Some(target) = capture.target() {
        command.args(["--target", target]);
    }
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
