//! One file with debug information: an object file, or an executable.
//!
//! The file is mapped. What is known of a codegen unit is read when it is
//! first asked for, and kept: the unit of an accepted edit is the old one of
//! the next. Names stay where they are, in the mapping.

use super::elf::Elf;
use super::error::GateError;
use super::names::raw_path;
use super::parse;
use super::unit::Unit;
use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

/// The bytes of a file, and its name for messages.
#[derive(Clone)]
pub(super) struct Bytes {
    pub(super) path: PathBuf,
    pub(super) data: Arc<dyn AsRef<[u8]> + Send + Sync>,
}

impl Bytes {
    pub(super) fn get(&self) -> &[u8] {
        (*self.data).as_ref()
    }
}

/// A codegen unit of a file.
struct Slot {
    /// Where its header is in `.debug_info`.
    header: usize,
    unit: OnceLock<Unit>,
}

/// An object file of a codegen unit, or an executable, with its types.
pub struct Object {
    bytes: Bytes,
    /// By the name of the codegen unit.
    units: HashMap<String, Slot>,
}

impl Object {
    /// Maps the file. Of an object file nothing is read yet: its codegen unit
    /// has the file's name, as rustc writes it.
    ///
    /// The file may be deleted afterwards. It must not be written to: rustc
    /// and linkers make new files.
    pub fn open(path: &Path) -> Result<Self, GateError> {
        let open = |source| GateError::Open {
            path: path.to_owned(),
            source,
        };
        let file = File::open(path).map_err(open)?;
        // SAFETY: our caller promises that nobody writes to the file.
        let map = unsafe { memmap2::Mmap::map(&file) }.map_err(open)?;
        Self::read(path, Arc::new(map))
    }

    /// The same of bytes that are in memory already. The path names the unit.
    pub fn read(path: &Path, data: Arc<dyn AsRef<[u8]> + Send + Sync>) -> Result<Self, GateError> {
        let bytes = Bytes {
            path: path.to_owned(),
            data,
        };
        let elf = Elf::parse(&bytes)?;
        let names = if elf.is_object() {
            let stem = path.file_stem().unwrap_or_default().to_string_lossy();
            // `name.rcgu.o` in the folder of results is `name.o` among the
            // incremental ones.
            let stem = stem.strip_suffix(".rcgu").unwrap_or(&stem).to_owned();
            vec![(stem, 0)]
        } else {
            parse::names(&bytes)?
        };
        let slot = |header| Slot {
            header,
            unit: OnceLock::new(),
        };
        Ok(Self {
            units: names.into_iter().map(|(n, at)| (n, slot(at))).collect(),
            bytes,
        })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.bytes.path
    }

    /// The names of its codegen units.
    pub fn units(&self) -> impl Iterator<Item = &str> {
        self.units.keys().map(String::as_str)
    }

    /// Reads all there is to know, so that a comparison need not.
    pub fn prepare(&self) -> Result<(), GateError> {
        self.units
            .keys()
            .try_for_each(|name| self.unit(name).map(drop))
    }

    pub(super) fn unit(&self, name: &str) -> Result<Option<&Unit>, GateError> {
        let Some(slot) = self.units.get(name) else {
            return Ok(None);
        };
        if let Some(unit) = slot.unit.get() {
            return Ok(Some(unit));
        }
        let unit = parse::unit(&self.bytes, slot.header)?;
        Ok(Some(slot.unit.get_or_init(|| unit)))
    }

    /// The path of the function with that symbol, as the debug information has it.
    pub fn path_of(&self, symbol: &str) -> Option<String> {
        self.units().find_map(|name| {
            let unit = self.unit(name).ok()??;
            let declared = unit.declared(unit.function(symbol)?);
            let path = raw_path(unit, declared.scope, declared.name);
            Some(String::from_utf8_lossy(&path).into_owned())
        })
    }

    /// Whether the file's symbol table has a function or an object of that name.
    pub(super) fn defines(&self, symbol: &str) -> Result<bool, GateError> {
        Ok(Elf::parse(&self.bytes)?.defines(symbol))
    }
}

impl std::fmt::Debug for Object {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Object")
            .field("path", &self.bytes.path)
            .finish_non_exhaustive()
    }
}
