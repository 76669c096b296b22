//! What a query answers: a function, its names and where it is.

use std::fmt;
use std::path::PathBuf;

use super::address::FileAddress;

/// What kind of function a symbol is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SymbolKind {
    /// A function.
    Function,
    /// An IFUNC: a resolver chose the implementation when the module was
    /// loaded. The symbol's address is that implementation.
    IndirectFunction {
        /// Where the resolver is in this process.
        resolver: usize,
    },
}

/// Who can see a symbol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum SymbolBinding {
    /// All of the file, and other modules if it is exported.
    Global,
    /// As global, but another of the same name goes before it.
    Weak,
    /// Its own translation unit only. Compilers may give such functions a
    /// calling convention of their own.
    Local,
}

/// A function of this process.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Symbol {
    /// Its name for people: demangled, without hash; the raw name if it is not
    /// a mangled Rust name.
    pub name: String,
    /// Its name for the linker.
    pub raw_name: String,
    /// The file name of the module that defines it, e.g. `libz.so.1`.
    pub module: String,
    /// The path of that module.
    pub module_path: PathBuf,
    /// Where it is in this process.
    pub address: *const (),
    /// How many bytes it has; zero if not known.
    pub size: usize,
    /// Other names of the same function, for people.
    pub aliases: Vec<String>,
    /// A function, or an IFUNC.
    pub kind: SymbolKind,
    /// Who can see it.
    pub binding: SymbolBinding,
}

// SAFETY: the address is a number to this type; it is never followed.
unsafe impl Send for Symbol {}
// SAFETY: as above.
unsafe impl Sync for Symbol {}

impl Symbol {
    /// Whether only its own translation unit can see it.
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.binding == SymbolBinding::Local
    }
}

impl fmt::Display for Symbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = self.address.addr();
        write!(
            f,
            "{}::{} at {address:#x} ({} bytes)",
            self.module, self.name, self.size
        )
    }
}

/// What kind of function a symbol of a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FileSymbolKind {
    /// A function.
    Function,
    /// An IFUNC: the address is its resolver's.
    IndirectFunction,
}

/// A function of a file that need not be loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FileSymbol {
    /// Its name for people: demangled, without hash; the raw name if it is not
    /// a mangled Rust name.
    pub name: String,
    /// Its name for the linker.
    pub raw_name: String,
    /// Its address in the file.
    pub address: FileAddress,
    /// How many bytes it has; zero if not known.
    pub size: u64,
    /// Other names of the same function, for people.
    pub aliases: Vec<String>,
    /// A function, or an IFUNC.
    pub kind: FileSymbolKind,
    /// Who can see it.
    pub binding: SymbolBinding,
}

impl fmt::Display for FileSymbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {} ({} bytes)", self.name, self.address, self.size)
    }
}
