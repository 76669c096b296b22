//! Why nothing can be said about an edit.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// Debug information that cannot be compared.
#[derive(Debug)]
#[non_exhaustive]
pub enum GateError {
    /// The file cannot be read.
    Open {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file is no little-endian 64-bit ELF file, or a damaged one.
    Elf {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: object::Error,
    },
    /// A section is larger than four gigabytes or lies outside of the file.
    Section {
        /// The file.
        path: PathBuf,
        /// The section.
        name: &'static str,
    },
    /// A section is compressed.
    Compressed {
        /// The file.
        path: PathBuf,
        /// The section.
        name: &'static str,
    },
    /// There is no `.debug_info`.
    NoDebugInfo {
        /// The file.
        path: PathBuf,
    },
    /// There are functions and no types.
    NoTypes {
        /// The file.
        path: PathBuf,
    },
    /// A version of DWARF that rustc does not write unless it is told to.
    Version {
        /// The file.
        path: PathBuf,
        /// The version.
        version: u16,
    },
    /// The debug information is damaged.
    Dwarf {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: gimli::Error,
    },
    /// A relocation of `.debug_info` of a kind that has no business there.
    Relocation {
        /// The file.
        path: PathBuf,
        /// Its offset in the section.
        offset: u64,
        /// Its number.
        kind: u32,
    },
    /// Old and new code are of two compilers.
    Compilers {
        /// The codegen unit.
        unit: String,
        /// Who compiled the old code.
        old: String,
        /// Who compiled the new code.
        new: String,
    },
}

impl fmt::Display for GateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open { path, source } => write!(f, "cannot read {}: {source}", path.display()),
            Self::Elf { path, source } => write!(
                f,
                "{} is no object file for this machine: {source}",
                path.display()
            ),
            Self::Section { path, name } => write!(
                f,
                "section {name} of {} does not lie in the first 4 GB of the file",
                path.display()
            ),
            Self::Compressed { path, name } => write!(
                f,
                "section {name} of {} is compressed; build without compressed debug information",
                path.display()
            ),
            Self::NoDebugInfo { path } => write!(
                f,
                "{} has no debug information, so types cannot be compared; \
                 set `debug = 2` and `split-debuginfo = \"off\"` in the profile",
                path.display()
            ),
            Self::NoTypes { path } => write!(
                f,
                "the debug information of {} has no types to compare; \
                 set `debug = 2` in the profile",
                path.display()
            ),
            Self::Version { path, version } => write!(
                f,
                "the debug information of {} is DWARF {version}; \
                 build without `-Cdwarf-version`, for DWARF 4",
                path.display()
            ),
            Self::Dwarf { path, source } => write!(
                f,
                "the debug information of {} is damaged: {source}",
                path.display()
            ),
            Self::Relocation { path, offset, kind } => write!(
                f,
                "relocation {kind} at {offset:#x} of .debug_info in {} is not known",
                path.display()
            ),
            Self::Compilers { unit, old, new } => write!(
                f,
                "codegen unit {unit} was compiled by `{old}` and now by `{new}`, \
                 which may lay out types differently; restart the program"
            ),
        }
    }
}

impl std::error::Error for GateError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Open { source, .. } => Some(source),
            Self::Elf { source, .. } => Some(source),
            Self::Dwarf { source, .. } => Some(source),
            _ => None,
        }
    }
}
