//! Files that a build depends on and that are no sources of the program's crates:
//! manifests, cargo's configuration, build scripts, procedural macros, and what build
//! scripts say that they read. When one of them is edited, cargo has to be asked.
//!
//! Folders that a build script names (`rerun-if-changed=assets`) are not watched, only
//! files are.

use super::capture::Capture;
use super::crates;
use cargo_metadata::{Message, TargetKind};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// In the folder of a package, or above it.
const NAMES: [&str; 6] = [
    "Cargo.toml",
    "Cargo.lock",
    ".cargo/config.toml",
    ".cargo/config",
    "rust-toolchain.toml",
    "rust-toolchain",
];

/// What cargo has told of one package that is edited here.
pub(crate) enum Told {
    /// It is part of the build.
    Manifest(PathBuf),
    /// It has this build script or procedural macro.
    Root(PathBuf),
    /// Its build script has run; what it has said is here.
    Output(String, PathBuf),
}

/// What one message of cargo's tells.
pub(crate) fn told(message: &Message) -> Vec<Told> {
    match message {
        Message::CompilerArtifact(artifact) if is_here(&artifact.package_id.repr) => {
            let manifest = artifact.manifest_path.as_std_path().to_owned();
            let mut told = vec![Told::Manifest(manifest)];
            let is_run_by_cargo =
                |kind: &TargetKind| matches!(kind, TargetKind::CustomBuild | TargetKind::ProcMacro);
            if artifact.target.kind.iter().any(is_run_by_cargo) {
                let root = artifact.target.src_path.as_std_path().to_owned();
                told.push(Told::Root(root));
            }
            told
        }
        Message::BuildScriptExecuted(script) if is_here(&script.package_id.repr) => {
            let output = script.out_dir.as_std_path().with_file_name("output");
            vec![Told::Output(script.package_id.repr.clone(), output)]
        }
        _ => Vec::new(),
    }
}

fn is_here(package: &str) -> bool {
    package.starts_with("path+")
}

/// All of them, of the packages that cargo has told of and the calls of rustc that are
/// written down.
pub(crate) fn of(told: &[Told], calls: &[Capture]) -> Vec<PathBuf> {
    let mut files = BTreeSet::new();
    for one in told {
        match one {
            Told::Manifest(manifest) => {
                for folder in manifest.ancestors().skip(1) {
                    let is_packages = folder.join(NAMES[0]).exists();
                    let names = NAMES.map(|name| folder.join(name));
                    let there = names.into_iter().filter(|path| {
                        path.exists() || is_packages && path.parent() == Some(folder)
                    });
                    files.extend(there);
                }
            }
            Told::Root(root) => {
                let calls = calls
                    .iter()
                    .filter(|call| call.root().as_ref() == Some(root));
                files.extend(calls.flat_map(crates::read).map(|(_, path)| path));
                files.insert(root.clone());
            }
            Told::Output(package, output) => {
                let folder = package.strip_prefix("path+file://").unwrap_or_default();
                let folder = folder.split_once('#').map_or(folder, |(folder, _)| folder);
                let text = std::fs::read_to_string(output).unwrap_or_default();
                files.extend(read_by_script(&text, Path::new(folder)));
            }
        }
    }
    files.into_iter().collect()
}

/// The files that a build script says it reads.
fn read_by_script(output: &str, folder: &Path) -> Vec<PathBuf> {
    let named = output.lines().filter_map(|line| {
        let line = line.strip_prefix("cargo:")?;
        let line = line.strip_prefix(':').unwrap_or(line);
        line.strip_prefix("rerun-if-changed=")
    });
    let files = named.map(|name| folder.join(name.trim()));
    files.filter(|path| !path.is_dir()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_build_script_reads_is_relative_to_its_package() {
        let output = "cargo::rerun-if-changed=schema.sql\ncargo:rerun-if-changed=/etc/x\n\
                      cargo::rustc-env=A=b\nnoise\n";
        let files = read_by_script(output, Path::new("/w/app"));
        assert_eq!(files, ["/w/app/schema.sql", "/etc/x"].map(PathBuf::from));
    }
}
