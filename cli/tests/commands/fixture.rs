//! The library that the commands are tried on, and the commands.

use snapbox::cmd::{Command, cargo_bin};
use std::path::{Path, PathBuf};

/// How the library is called in what is printed.
pub(crate) const LIBRARY: &str = "libshapes.so";

/// A folder with the library in it, made for one test.
pub(crate) fn folder(test: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join("commands")
        .join(test);
    // What an earlier run left could hide a mistake of this one.
    if folder.exists() {
        std::fs::remove_dir_all(&folder).unwrap();
    }
    std::fs::create_dir_all(&folder).unwrap();
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    // The code at a fixed address, and nothing that depends on the linker
    // before it.
    let output = std::process::Command::new("cc")
        .args([
            "-shared",
            "-nostdlib",
            "-Wl,--build-id=none,-Bsymbolic,-Ttext=0x10000",
        ])
        .args(["-Wl,-z,norelro", "-o"])
        .args([
            folder.join(LIBRARY),
            sources.join("shapes.s"),
            sources.join("twin.s"),
        ])
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    folder
}

/// `cargo midair …` in `folder`, with nothing of this environment that could
/// change what is printed.
pub(crate) fn midair(folder: &Path, args: &[&str]) -> Command {
    Command::new(cargo_bin!("cargo-midair"))
        .arg("midair")
        .args(args)
        .current_dir(folder)
        .env_remove("CLICOLOR_FORCE")
        .env_remove("NO_COLOR")
}

/// What a command that succeeds puts on stdout.
pub(crate) fn stdout(folder: &Path, args: &[&str]) -> String {
    let output = midair(folder, args).output().unwrap();
    assert!(
        output.status.success(),
        "{args:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

/// The same as JSON.
pub(crate) fn json(folder: &Path, args: &[&str]) -> serde_json::Value {
    serde_json::from_str(&stdout(folder, args)).unwrap()
}
