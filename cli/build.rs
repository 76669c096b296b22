//! Builds the agent that `cargo midair run` preloads, so that this program can
//! carry it inside.
//!
//! It is built here and not when it is first used: the program that it is
//! preloaded into may be built by any toolchain and with any settings, a machine
//! may be offline by then, and its protocol is that of exactly these sources. The
//! price is that installing takes longer, once.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

fn main() {
    let own = PathBuf::from(var("CARGO_MANIFEST_DIR"));
    let root = own.join("..");
    for part in [
        "agent",
        "arch/Cargo.toml",
        "arch/src",
        "macros",
        "src",
        "Cargo.toml",
        "Cargo.lock",
    ] {
        println!("cargo::rerun-if-changed={}", root.join(part).display());
    }
    println!("cargo::rerun-if-changed=build.rs");
    let out = PathBuf::from(var("OUT_DIR"));
    let library = build(&root.join("agent/Cargo.toml"), &out.join("agent"));
    let to = out.join("libmidair_agent.so");
    if let Err(error) = std::fs::copy(&library, &to) {
        panic!(
            "{} cannot be copied to {}: {error}",
            library.display(),
            to.display()
        );
    }
}

fn build(manifest: &Path, folder: &Path) -> PathBuf {
    let target = var("TARGET");
    let mut command = Command::new(var("CARGO"));
    command.args(["build", "--release", "--lib", "--target", &target]);
    command.args(["--features", "control"]);
    command
        .arg("--manifest-path")
        .arg(manifest)
        .arg("--target-dir")
        .arg(folder);
    // What is set for this package's own compiler calls is not meant for it.
    for name in [
        "RUSTC_WORKSPACE_WRAPPER",
        "CARGO_ENCODED_RUSTFLAGS",
        "RUSTFLAGS",
    ] {
        command.env_remove(name);
    }
    command.env("CARGO_PROFILE_RELEASE_DEBUG", "false");
    let status = command.status();
    if !status.as_ref().is_ok_and(|status| status.success()) {
        panic!(
            "the agent of {} cannot be built: {status:?}",
            manifest.display()
        );
    }
    folder.join(target).join("release/libmidair_agent.so")
}

fn var(name: &str) -> String {
    match env::var(name) {
        Ok(value) => value,
        Err(error) => panic!("cargo has not set {name}: {error}"),
    }
}
