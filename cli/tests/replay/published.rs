//! The sources of published versions, as cargo fetches them.
//!
//! Each version has a package of its own that needs just it, because one set of
//! dependencies cannot have two patch releases of a crate. What was published is
//! pinned: a `Cargo.lock` with another checksum is an error of cargo's.

use cargo_metadata::MetadataCommand;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A crate, and its versions with their checksums, oldest first.
pub(crate) struct Published {
    pub(crate) name: &'static str,
    pub(crate) versions: &'static [(&'static str, &'static str)],
}

impl Published {
    /// The root of one version's sources.
    pub(crate) fn fetch(&self, version: usize) -> PathBuf {
        let (version, checksum) = self.versions[version];
        let name = self.name;
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .join("published")
            .join(format!("{name}-{version}"));
        std::fs::create_dir_all(&folder).unwrap();
        let manifest = folder.join("Cargo.toml");
        let package = format!(
            "[package]\nname = \"fetch\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n\
             [lib]\npath = \"lib.rs\"\n\n[workspace]\n\n[dependencies]\n\
             {name} = {{ version = \"={version}\", default-features = false }}\n"
        );
        let lock = format!(
            "version = 4\n\n[[package]]\nname = \"{name}\"\nversion = \"{version}\"\n\
             source = \"registry+https://github.com/rust-lang/crates.io-index\"\n\
             checksum = \"{checksum}\"\n"
        );
        std::fs::write(folder.join("lib.rs"), "").unwrap();
        std::fs::write(&manifest, package).unwrap();
        std::fs::write(folder.join("Cargo.lock"), lock).unwrap();
        let mut fetch = Command::new("cargo");
        fetch.args(["fetch", "--quiet"]).current_dir(&folder);
        assert!(fetch.status().unwrap().success(), "{name} {version}");
        let metadata = MetadataCommand::new()
            .manifest_path(&manifest)
            .other_options(["--offline".to_owned()])
            .exec()
            .unwrap();
        let mut packages = metadata.packages.into_iter();
        let package = packages.find(|package| package.name.as_str() == name);
        let manifest = package.unwrap().manifest_path;
        manifest.parent().unwrap().as_std_path().to_owned()
    }
}
