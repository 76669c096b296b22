//! Parts of a file that could not be read, while the rest was used.
//!
//! These are no errors: a function that is found is right. One that is not
//! found may be missing because of them.

use std::fmt;
use std::path::PathBuf;

use super::address::FileAddress;
use super::error::ImageError;

/// A part of a file that could not be read; the rest was used.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Problem {
    /// The table of section headers; the file is treated as one without it.
    SectionHeaders {
        /// Where it should be in the file.
        offset: u64,
        /// How many headers it should have.
        count: u64,
    },
    /// Entries of `.eh_frame`: functions may be missing from the table.
    Unwind {
        /// The address of the section.
        section: FileAddress,
        /// The offset of the first unreadable entry in the section.
        first: u64,
        /// How many entries were unreadable.
        count: usize,
        /// What gimli said about the first.
        source: gimli::Error,
    },
    /// The separate debug file exists and cannot be used.
    DebugFile {
        /// Why.
        source: Box<DebugFileError>,
    },
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Problem::SectionHeaders { offset, count } => write!(
                f,
                "the {count} section headers at file offset {offset:#x} cannot be read; \
                 only program headers were used"
            ),
            Problem::Unwind {
                section,
                first,
                count,
                source,
            } => write!(
                f,
                "{count} entries of the unwind section at {section} cannot be read, \
                 the first at offset {first:#x} ({source}); functions may be missing"
            ),
            Problem::DebugFile { source } => fmt::Display::fmt(source, f),
        }
    }
}

/// Why a separate debug file that was found is not used.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum DebugFileError {
    /// It is not a readable image.
    Image(ImageError),
    /// It belongs to another build: its build id differs.
    BuildId {
        /// The debug file.
        path: PathBuf,
    },
    /// It belongs to another build: its checksum differs.
    Checksum {
        /// The debug file.
        path: PathBuf,
        /// What `.gnu_debuglink` states.
        wanted: u32,
        /// What the file has.
        found: u32,
    },
}

impl fmt::Display for DebugFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DebugFileError::Image(source) => fmt::Display::fmt(source, f),
            DebugFileError::BuildId { path } => write!(
                f,
                "the debug file {} has another build id; install the one of this build",
                path.display()
            ),
            DebugFileError::Checksum {
                path,
                wanted,
                found,
            } => write!(
                f,
                "the debug file {} has checksum {found:#010x} instead of {wanted:#010x}; \
                 install the one of this build",
                path.display()
            ),
        }
    }
}

impl std::error::Error for DebugFileError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            DebugFileError::Image(source) => Some(source),
            _ => None,
        }
    }
}
