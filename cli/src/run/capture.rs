//! How cargo calls rustc for the crates of the workspace.
//!
//! For `cargo midair run`'s builds this program stands before rustc, as
//! `RUSTC_WORKSPACE_WRAPPER` for the members of the workspace (which gives them
//! other file names than cargo's own builds have) and as `RUSTC_WRAPPER` for path
//! dependencies that are no members. It adds what [shadows](super::shadow) need, writes
//! down arguments, environment and directory, and becomes rustc. Later the same call is made again, for cargo
//! would take longer than rustc to find out what it already knows.

use super::shadow::called;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// The variable that says where calls are written down.
pub(crate) const FOLDER: &str = "MIDAIR_CAPTURE";

/// Variables of cargo's own run, which mean nothing afterwards.
const OF_CARGO_ALONE: [&str; 6] = [
    "MAKEFLAGS",
    "MFLAGS",
    "CARGO_MAKEFLAGS",
    "RUSTC_WRAPPER",
    "RUSTC_WORKSPACE_WRAPPER",
    FOLDER,
];

/// One call of rustc.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Capture {
    pub(crate) rustc: String,
    pub(crate) args: Vec<String>,
    pub(crate) env: BTreeMap<String, String>,
    pub(crate) directory: PathBuf,
}

/// If cargo has called this program in place of rustc: becomes rustc, after
/// writing down the call.
pub(crate) fn stand_in() -> Option<ExitCode> {
    let folder = PathBuf::from(std::env::var_os(FOLDER)?);
    let mut args = std::env::args_os().skip(1);
    let mut rustc = args.next()?;
    // As both kinds of wrapper this program is called with itself.
    let is_member = std::env::current_exe().is_ok_and(|own| own == Path::new(&rustc));
    if is_member {
        rustc = args.next()?;
    }
    let mut args: Vec<OsString> = args.collect();
    let is_edited = is_member
        || args.iter().any(|arg| {
            arg.to_str()
                .is_some_and(|arg| arg.starts_with("incremental="))
        });
    if is_edited {
        let texts: Option<Vec<String>> = args.iter().map(|a| Some(a.to_str()?.into())).collect();
        let added = texts.map(|texts| called::arguments(Path::new(&rustc), &texts));
        args.extend(added.unwrap_or_default().into_iter().map(OsString::from));
    }
    if is_edited && let Err(why) = write_down(&folder, &rustc, &args) {
        // Without it the program is built all the same, and `run` misses it.
        eprintln!("midair: rustc's arguments are not written down: {why}");
    }
    let error = Command::new(&rustc).args(&args).env_remove(FOLDER).exec();
    eprintln!("midair: cannot start {}: {error}", rustc.display());
    Some(ExitCode::FAILURE)
}

fn write_down(folder: &Path, rustc: &OsString, args: &[OsString]) -> Result<(), String> {
    let text = |text: &OsString| match text.to_str() {
        Some(text) => Ok(text.to_owned()),
        None => Err(format!("{} is not UTF-8", text.display())),
    };
    let args: Vec<String> = args.iter().map(text).collect::<Result<_, _>>()?;
    let variables = std::env::vars_os();
    let variables = variables.filter_map(|(name, value)| Some((name.into_string().ok()?, value)));
    let ours = variables.filter(|(name, _)| !OF_CARGO_ALONE.contains(&name.as_str()));
    let capture = Capture {
        rustc: text(rustc)?,
        args,
        env: ours
            .map(|(name, value)| Ok((name, text(&value)?)))
            .collect::<Result<_, String>>()?,
        directory: std::env::current_dir().map_err(|e| e.to_string())?,
    };
    // cargo asks rustc about itself, too.
    let Some(name) = capture.crate_name().filter(|name| *name != "___") else {
        return Ok(());
    };
    let name = format!(
        "{name}{}.json",
        capture.codegen("extra-filename").unwrap_or_default()
    );
    let json = serde_json::to_vec(&capture).map_err(|e| e.to_string())?;
    let whole = folder.join(format!("{name}.{}", std::process::id()));
    std::fs::create_dir_all(folder)
        .and_then(|()| std::fs::write(&whole, json))
        .and_then(|()| std::fs::rename(&whole, folder.join(name)))
        .map_err(|e| format!("{}: {e}", folder.display()))
}

/// All calls that are written down in `folder`.
pub(crate) fn all(folder: &Path) -> Result<Vec<Capture>, String> {
    let fail = |e: &dyn std::fmt::Display| format!("{}: {e}", folder.display());
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Ok(Vec::new());
    };
    let mut captures = Vec::new();
    for entry in entries {
        let path = entry.map_err(|e| fail(&e))?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "json")
        {
            let bytes = std::fs::read(&path).map_err(|e| fail(&e))?;
            captures.push(serde_json::from_slice(&bytes).map_err(|e| fail(&e))?);
        }
    }
    Ok(captures)
}

impl Capture {
    /// The values of an option, written `--name value` or `--name=value`.
    pub(crate) fn values<'a>(&'a self, option: &'a str) -> impl Iterator<Item = &'a str> {
        self.args.iter().enumerate().filter_map(move |(n, arg)| {
            if arg == option {
                return self.args.get(n + 1).map(String::as_str);
            }
            arg.strip_prefix(option)?.strip_prefix('=')
        })
    }

    /// The last value of a codegen option (`-C name=value`).
    pub(crate) fn codegen(&self, name: &str) -> Option<&str> {
        let joined = self.args.iter().filter_map(|arg| arg.strip_prefix("-C"));
        self.values("-C")
            .chain(joined)
            .chain(self.values("--codegen"))
            .filter_map(|option| {
                let (key, value) = option.split_once('=').unwrap_or((option, ""));
                (key == name).then_some(value)
            })
            .last()
    }

    pub(crate) fn crate_name(&self) -> Option<&str> {
        self.values("--crate-name").next()
    }

    /// The target, if it is not what rustc builds for by itself.
    pub(crate) fn target(&self) -> Option<&str> {
        self.values("--target").last()
    }

    pub(crate) fn has_crate_type(&self, wanted: &str) -> bool {
        self.values("--crate-type").any(|kind| kind == wanted)
    }

    /// What all its files begin with, less the folder: `name-hash`.
    pub(crate) fn stem(&self) -> String {
        let name = self.crate_name().unwrap_or_default();
        format!(
            "{name}{}",
            self.codegen("extra-filename").unwrap_or_default()
        )
    }

    pub(crate) fn out_folder(&self) -> PathBuf {
        self.directory
            .join(self.values("--out-dir").next().unwrap_or_default())
    }

    /// Where its builds are kept.
    pub(crate) fn incremental(&self) -> PathBuf {
        let folder = self.codegen("incremental").unwrap_or_default();
        self.directory.join(folder)
    }

    /// The files of the crates that it uses.
    pub(crate) fn externs(&self) -> impl Iterator<Item = PathBuf> + '_ {
        self.externs_by_name().map(|(_, path)| path)
    }

    /// The same, and by which names it calls them.
    pub(crate) fn externs_by_name(&self) -> impl Iterator<Item = (&str, PathBuf)> + '_ {
        let files = self
            .values("--extern")
            .filter_map(|text| text.split_once('='));
        files.map(|(name, path)| {
            // `priv:` or the like may stand before it.
            let name = name.rsplit(':').next().unwrap_or(name);
            (name, self.directory.join(path))
        })
    }

    /// Whether both are of one package, in whatever version.
    pub(crate) fn is_of_package_of(&self, other: &Self) -> bool {
        let package = |of: &Self| of.env.get("CARGO_MANIFEST_DIR").cloned();
        package(self) == package(other)
    }

    /// The crate's first file.
    pub(crate) fn root(&self) -> Option<PathBuf> {
        let root = self.args.iter().find(|arg| arg.ends_with(".rs"));
        root.map(|root| self.directory.join(root))
    }

    /// Makes cargo forget that it has built this, so that it does when it is asked to:
    /// somebody else is about to build it, of sources that may be others when cargo
    /// looks at them again, and older than what it remembers.
    pub(crate) fn forget_build(&self) -> Result<(), String> {
        let package = self.env.get("CARGO_PKG_NAME").map_or("", String::as_str);
        let hash = self.codegen("extra-filename").unwrap_or_default();
        let out = self.out_folder();
        for profile in out.ancestors().skip(1).take(2) {
            let memory = profile
                .join(".fingerprint")
                .join(format!("{package}{hash}"));
            match std::fs::remove_dir_all(&memory) {
                Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                    return Err(format!("{}: {e}", memory.display()));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// What it links.
    pub(crate) fn executable(&self) -> PathBuf {
        self.out_folder().join(self.stem())
    }

    /// The same call for the crate that `old` builds: with its identity, and with those of
    /// `files` in place of the libraries that they are named for.
    pub(crate) fn under(&self, old: &Self, files: &HashMap<OsString, PathBuf>) -> Self {
        let mut args: Vec<String> = Vec::with_capacity(self.args.len());
        for arg in &self.args {
            let is_library = args.last().is_some_and(|before| before == "--extern");
            let option = arg.strip_prefix("-C").unwrap_or(arg);
            let library = |path: &str| files.get(Path::new(path).file_name()?);
            let new = if option.starts_with("metadata=") {
                let metadata = old.codegen("metadata");
                metadata.map(|text| arg.replace(option, &format!("metadata={text}")))
            } else if option.starts_with("extra-filename=") {
                let name = old.codegen("extra-filename");
                name.map(|text| arg.replace(option, &format!("extra-filename={text}")))
            } else if is_library && let Some((name, path)) = arg.split_once('=') {
                library(path).map(|path| format!("{name}={}", path.display()))
            } else {
                None
            };
            args.push(new.unwrap_or_else(|| arg.clone()));
        }
        Self {
            args,
            ..self.clone()
        }
    }

    /// The same call with all that it writes in other folders, and with those libraries
    /// of `others` (names of files) that were built there.
    pub(crate) fn elsewhere(&self, out: &Path, incremental: &Path, others: &[OsString]) -> Self {
        let text = |path: &Path| path.to_string_lossy().into_owned();
        let mut args: Vec<String> = Vec::with_capacity(self.args.len() + 2);
        for arg in &self.args {
            let before = args.last().map(String::as_str);
            let new = match (before, arg.as_str()) {
                (Some("--out-dir"), _) => text(out),
                (_, arg) if arg.starts_with("--out-dir=") => format!("--out-dir={}", text(out)),
                (_, arg) if arg.starts_with("incremental=") => {
                    format!("incremental={}", text(incremental))
                }
                (_, arg) if arg.starts_with("-Cincremental=") => {
                    format!("-Cincremental={}", text(incremental))
                }
                (Some("--extern"), arg) => match arg.split_once('=') {
                    Some((name, path)) => {
                        let file = Path::new(path).file_name().unwrap_or_default();
                        match others.iter().any(|other| other == file) {
                            true => format!("{name}={}", text(&out.join(file))),
                            false => arg.to_owned(),
                        }
                    }
                    None => arg.to_owned(),
                },
                (_, arg) => arg.to_owned(),
            };
            args.push(new);
        }
        args.extend(["-L".to_owned(), format!("dependency={}", text(out))]);
        Self {
            args,
            ..self.clone()
        }
    }

    /// The same call as a command.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(&self.rustc);
        command.args(&self.args).current_dir(&self.directory);
        command.env_clear().envs(&self.env);
        command
    }
}
