//! What can go wrong with a file, with the list of modules and with a query.
//!
//! Each error carries the facts it is about and says what to do. What is
//! smaller than an error is a [`super::Problem`].

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use super::symbol::Symbol;

/// Why a file cannot be used as an image of code.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ImageError {
    /// The file could not be opened or mapped.
    Open {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: Arc<io::Error>,
    },
    /// The module has no file: made in memory, or the file has no name any more.
    NoFile {
        /// How the module is called.
        name: PathBuf,
    },
    /// The file does not begin as an ELF file does.
    NotElf {
        /// The file.
        path: PathBuf,
    },
    /// Not a little-endian 64-bit ELF file.
    UnsupportedClass {
        /// The file.
        path: PathBuf,
        /// `EI_CLASS` of the file; 2 is needed.
        class: u8,
        /// `EI_DATA` of the file; 1 is needed.
        data: u8,
    },
    /// Code for another processor than x86-64 or aarch64.
    UnsupportedMachine {
        /// The file.
        path: PathBuf,
        /// `e_machine` of the file.
        machine: u16,
    },
    /// Not something a process is made of, e.g. an object file.
    UnsupportedType {
        /// The file.
        path: PathBuf,
        /// `e_type` of the file.
        kind: u16,
    },
    /// Something that must be readable is not.
    Malformed {
        /// The file.
        path: PathBuf,
        /// What of it.
        part: &'static str,
        /// Where in the file it should be.
        offset: u64,
    },
    /// The file was replaced after the process had loaded it.
    FileChanged {
        /// The file.
        path: PathBuf,
        /// The build id of what is in memory, if it has one.
        loaded: Option<Vec<u8>>,
        /// The build id of what is on disk, if it has one.
        on_disk: Option<Vec<u8>>,
    },
}

impl fmt::Display for ImageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ImageError::Open { path, source } => {
                write!(f, "cannot open {}: {source}", path.display())
            }
            ImageError::NoFile { name } => write!(
                f,
                "{} has no file to read symbols from; give an address instead of a name",
                name.display()
            ),
            ImageError::NotElf { path } => {
                write!(f, "{} is not an ELF file", path.display())
            }
            ImageError::UnsupportedClass { path, class, data } => write!(
                f,
                "{} is of ELF class {class} and byte order {data}; \
                 midair reads 64-bit (2) little-endian (1) files",
                path.display()
            ),
            ImageError::UnsupportedMachine { path, machine } => write!(
                f,
                "{} is for ELF machine {machine}; midair reads x86-64 (62) and aarch64 (183)",
                path.display()
            ),
            ImageError::UnsupportedType { path, kind } => write!(
                f,
                "{} is of ELF type {kind}; midair reads executables (2) and shared objects (3): \
                 link it first",
                path.display()
            ),
            ImageError::Malformed { path, part, offset } => write!(
                f,
                "{part} of {} at file offset {offset:#x} cannot be read; build the file again",
                path.display()
            ),
            ImageError::FileChanged {
                path,
                loaded,
                on_disk,
            } => write!(
                f,
                "{} was replaced after it was loaded (build id {} in memory, {} on disk); \
                 restart the program or put the old file back",
                path.display(),
                Hex(loaded.as_deref()),
                Hex(on_disk.as_deref()),
            ),
        }
    }
}

impl std::error::Error for ImageError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            ImageError::Open { source, .. } => Some(source.as_ref()),
            _ => None,
        }
    }
}

struct Hex<'a>(Option<&'a [u8]>);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(bytes) = self.0 else {
            return f.write_str("none");
        };
        bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Why the modules of a process cannot be listed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ModuleError {
    /// The dynamic linker of this process lists nothing.
    NoneListed,
    /// A file of `/proc` could not be read.
    Proc {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: Arc<io::Error>,
    },
}

impl fmt::Display for ModuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ModuleError::NoneListed => f.write_str(
                "the dynamic linker lists no loaded object; link the program dynamically",
            ),
            ModuleError::Proc { path, source } => write!(
                f,
                "cannot read {}: {source}; check that the process runs and belongs to this user",
                path.display()
            ),
        }
    }
}

impl std::error::Error for ModuleError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            ModuleError::Proc { source, .. } => Some(source.as_ref()),
            ModuleError::NoneListed => None,
        }
    }
}

/// Why a query has no answer.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum SymbolError {
    /// No function has that name.
    NotFound {
        /// What was asked for.
        query: String,
        /// Up to five names that resemble it.
        nearest: Vec<String>,
        /// Modules that could not be searched, and why.
        unreadable: Vec<(PathBuf, ImageError)>,
    },
    /// Several functions have that name.
    Ambiguous {
        /// What was asked for.
        query: String,
        /// All of them.
        candidates: Vec<Symbol>,
    },
    /// The address asked for is not the start of a function.
    NotAFunction {
        /// The address in this process.
        address: usize,
        /// The function it is in the middle of, if of any: its name (or its
        /// module and address) and its start.
        inside: Option<(String, usize)>,
        /// Why nothing is known there, if a module is there that cannot be read.
        unreadable: Option<Box<ImageError>>,
    },
    /// An IFUNC whose target the dynamic linker does not tell.
    Unresolved {
        /// Its name.
        name: String,
        /// The module that defines it.
        module: PathBuf,
    },
    /// The loaded modules could not be listed.
    Modules(ModuleError),
}

/// How many candidates of an ambiguous query are printed.
const PRINTED: usize = 10;

impl fmt::Display for SymbolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SymbolError::NotFound {
                query,
                nearest,
                unreadable,
            } => not_found(f, query, nearest, unreadable),
            SymbolError::Ambiguous { query, candidates } => {
                write!(f, "`{query}` names {} functions:", candidates.len())?;
                for symbol in candidates.iter().take(PRINTED) {
                    write!(f, "\n  {symbol}\n    {}", symbol.raw_name)?;
                }
                if let Some(more) = candidates.len().checked_sub(PRINTED).filter(|n| *n > 0) {
                    write!(f, "\n  and {more} more")?;
                }
                f.write_str("\nadd the module (`module::name`), the hash, or use the raw name")
            }
            SymbolError::NotAFunction {
                address,
                inside,
                unreadable,
            } => {
                write!(f, "{address:#x} is not the start of a known function")?;
                if let Some((name, start)) = inside {
                    let offset = address.wrapping_sub(*start);
                    write!(
                        f,
                        "; it is {offset:#x} bytes into {name}, ask for {start:#x}"
                    )?;
                }
                if let Some(error) = unreadable {
                    write!(f, "; its module cannot be searched: {error}")?;
                }
                Ok(())
            }
            SymbolError::Unresolved { name, module } => write!(
                f,
                "`{name}` of {} is an IFUNC and its target cannot be found; \
                 ask for the implementation's own name or address",
                module.display()
            ),
            SymbolError::Modules(error) => fmt::Display::fmt(error, f),
        }
    }
}

fn not_found(
    f: &mut fmt::Formatter<'_>,
    query: &str,
    nearest: &[String],
    unreadable: &[(PathBuf, ImageError)],
) -> fmt::Result {
    write!(f, "no function is named `{query}`")?;
    for (number, name) in nearest.iter().enumerate() {
        let before = if number == 0 { "; nearest: " } else { ", " };
        write!(f, "{before}`{name}`")?;
    }
    if nearest.is_empty() {
        f.write_str("; was it inlined, stripped, or not loaded yet?")?;
    }
    for (_, error) in unreadable {
        write!(f, "\nnot searched: {error}")?;
    }
    Ok(())
}

impl std::error::Error for SymbolError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            SymbolError::Modules(error) => Some(error),
            _ => None,
        }
    }
}

impl From<ModuleError> for SymbolError {
    fn from(error: ModuleError) -> SymbolError {
        SymbolError::Modules(error)
    }
}
