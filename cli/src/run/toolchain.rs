//! Compilers that hot reload is known to work with.
//!
//! What midair reads of rustc is not promised by anybody: the folders of incremental
//! builds, what is left out of an object, how symbols and debug information are made, the
//! standard library's list of modules. So a compiler with which the tests have not
//! passed is refused, unless its user insists.

use std::process::Command;

/// Minor versions of Rust 1 with which the tests of hot reload have passed: all of them with
/// 1.95, with 1.96 those that `ci/aarch64.sh` has Debian's compiler build.
const KNOWN: [u32; 2] = [95, 96];

/// The first bytes of what `rustc -vV` says, as far as it matters here.
struct Version {
    release: String,
    commit: String,
}

/// What cannot be said of this compiler, and what to do.
pub(crate) fn check(rustc: &str, insists: bool) -> Result<(), String> {
    if insists {
        return Ok(());
    }
    let output = Command::new(rustc).arg("-vV").output();
    let output = output.map_err(|e| format!("{rustc}: {e}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let version = read(&text).ok_or_else(|| format!("{rustc} -vV does not tell its version"))?;
    if is_known(&version.release) {
        return Ok(());
    }
    let known = KNOWN.map(|minor| format!("1.{minor}")).join(", ");
    let Version { release, commit } = version;
    Err(format!(
        "rustc {release} ({commit}) is not known to work with hot reload, which depends on \
         how rustc builds incrementally; Rust {known} is: choose it with rust-toolchain.toml or \
         `cargo +1.{}`, or try this one with --any-toolchain",
        KNOWN[0]
    ))
}

fn read(text: &str) -> Option<Version> {
    let field = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        Some(line.trim().to_owned())
    };
    Some(Version {
        release: field("release:")?,
        commit: field("commit-date:").unwrap_or_default(),
    })
}

/// Nightly and beta versions are of their own.
fn is_known(release: &str) -> bool {
    let minor = release.strip_prefix("1.").and_then(|rest| {
        let (minor, patch) = rest.split_once('.')?;
        patch.parse::<u32>().ok()?;
        minor.parse().ok()
    });
    minor.is_some_and(|minor| KNOWN.contains(&minor))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stable_versions_that_were_tested_are_known_and_no_others() {
        let known = ["1.95.0", "1.95.1", "1.96.0"];
        let unknown = [
            "1.94.0",
            "1.97.0-nightly",
            "1.96.0-beta.3",
            "2.95.0",
            "dev",
            "",
        ];
        assert!(known.iter().all(|release| is_known(release)));
        assert!(!unknown.iter().any(|release| is_known(release)));
    }
}
