//! Functions by name: the modules of a process, the files they come from, where
//! functions begin and end in them, and what they are called.
//!
//! A query ([`symbol`], [`symbols`]) takes a Rust path, a raw linker name, a
//! glob or an address and answers with [`Symbol`]s of this process;
//! [`file_symbols`] does the same for a file that is not loaded. Beneath:
//! [`Module`] is something loaded, [`Image`] its file, [`FunctionTable`] the
//! extents of its functions.
//!
//! Only functions are found, not data. Nothing is patched here. What the compiler
//! knew and the symbols do not tell (inlined copies, types, the layout of futures)
//! is `debug`'s.

mod address;
mod call_frames;
mod claims;
pub(crate) mod debug;
mod debug_file;
mod edit;
mod entered;
mod error;
mod extents;
mod fields;
mod frame_states;
mod glob;
mod headers;
mod ifunc;
mod image;
mod index;
mod loaded;
mod module;
mod module_name;
mod names;
mod nearest;
mod needle;
mod notes;
mod pattern;
mod problem;
mod process;
mod query;
mod regions;
mod search;
mod symbol;
mod tables;
mod unwind;
mod versions;

pub use address::{FileAddress, Slide};
pub(crate) use call_frames::CallFrameTables;
#[doc(hidden)]
pub use edit::EDIT_SECTION;
pub use error::{ImageError, ModuleError, SymbolError};
pub use extents::{Extent, ExtentSource, FunctionTable};
pub(crate) use frame_states::frame_states;
pub use image::{Image, Machine};
pub(crate) use module::{ListGuard, lock_list};
pub use module::{Module, ModuleRole, module_at, modules};
pub use problem::{DebugFileError, Problem};
pub use process::ForeignModule;
pub use query::{symbol, symbols};
pub use search::file_symbols;
pub use symbol::{FileSymbol, FileSymbolKind, Symbol, SymbolBinding, SymbolKind};
