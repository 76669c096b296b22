//! Builds what `cargo midair run` preloads, the agent into programs and the overlay into
//! rustc, so that this program can carry both inside.
//!
//! They are built here and not when they are first used: the program that the agent is
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
        "overlay",
        "src",
        "Cargo.toml",
        "Cargo.lock",
    ] {
        println!("cargo::rerun-if-changed={}", root.join(part).display());
    }
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-env=MIDAIR_TARGET={}", var("TARGET"));
    let out = PathBuf::from(var("OUT_DIR"));
    let libraries = build(&root.join("Cargo.toml"), &out.join("agent"));
    for name in ["libmidair_agent.so", "libmidair_overlay.so"] {
        let (from, to) = (libraries.join(name), out.join(name));
        if let Err(error) = std::fs::copy(&from, &to) {
            panic!(
                "{} cannot be copied to {}: {error}",
                from.display(),
                to.display()
            );
        }
    }
}

/// The folder with the libraries.
fn build(manifest: &Path, folder: &Path) -> PathBuf {
    let target = var("TARGET");
    let mut command = Command::new(var("CARGO"));
    command.args(["build", "--release", "--lib", "--target", &target]);
    command.args(["-p", "midair-agent", "-p", "midair-overlay"]);
    command.args(["--features", "midair-agent/control"]);
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
            "what {} has to preload cannot be built: {status:?}",
            manifest.display()
        );
    }
    folder.join(target).join("release")
}

fn var(name: &str) -> String {
    match env::var(name) {
        Ok(value) => value,
        Err(error) => panic!("cargo has not set {name}: {error}"),
    }
}
