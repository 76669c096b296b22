//! Where code is found that the program did not have.
//!
//! An edit may call a function that was never linked in: another instance of a
//! generic, something of the standard library. It is in the objects that rustc
//! keeps, or in the libraries that the program was linked with.
//!
//! A dependency that is new is one more such library ([`Pool::add`]), unless something of it
//! would have to run when the program starts, or would be mistaken for what is there.

use super::object::Object;
use memmap2::Mmap;
use object::read::archive::ArchiveFile;
use object::{Object as _, ObjectSection as _, ObjectSymbol as _};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The libraries, read when something is missing for the first time.
pub(crate) struct Pool {
    libraries: Vec<PathBuf>,
    index: Option<Index>,
}

struct Index {
    mapped: Vec<Arc<Mmap>>,
    /// For each symbol the library and where in it the member stands.
    symbols: HashMap<Box<[u8]>, (usize, u64)>,
    members: HashMap<(usize, u64), Arc<Object>>,
}

impl Pool {
    pub(crate) fn new(libraries: Vec<PathBuf>) -> Self {
        Self {
            libraries,
            index: None,
        }
    }

    /// The libraries, in the order in which they are looked into.
    pub(crate) fn libraries(&self) -> &[PathBuf] {
        &self.libraries
    }

    /// Libraries that the program was not linked with. Not if one of them expects that
    /// something of it is run when a program starts: the program has started. Nor if it
    /// gives memory for the whole program, or has names that are taken.
    pub(crate) fn add(&mut self, libraries: &[PathBuf]) -> Result<(), String> {
        for path in libraries {
            let name = path.file_name().unwrap_or_default().display();
            let Contents { early, plain } = Contents::of(path)?;
            if let Some(section) = early {
                return Err(format!(
                    "{name} has code that runs when a program starts (section {section})"
                ));
            }
            if plain.iter().any(|symbol| is_of_allocator(symbol)) {
                return Err(format!(
                    "{name} has a `#[global_allocator]`: what runs has memory of another one"
                ));
            }
            for symbol in plain.iter().filter(|symbol| !is_of_rust(symbol)) {
                if let Some(other) = self.index()?.library_with(symbol) {
                    let other = self.libraries[other].file_name().unwrap_or_default();
                    return Err(format!(
                        "{name} has a `{symbol}`, and so has {}, of which it would be called",
                        other.display()
                    ));
                }
            }
        }
        if let Some(index) = &mut self.index {
            index.add(libraries)?;
        }
        self.libraries.extend_from_slice(libraries);
        Ok(())
    }

    fn index(&mut self) -> Result<&mut Index, String> {
        let index = match self.index.take() {
            Some(index) => index,
            None => Index::new(&self.libraries)?,
        };
        Ok(self.index.insert(index))
    }

    /// The object in which a symbol is defined, and the symbol in it.
    pub(crate) fn find<'a>(
        &mut self,
        name: &str,
        objects: impl Iterator<Item = &'a Arc<Object>>,
    ) -> Result<Option<(Arc<Object>, usize)>, String> {
        for object in objects {
            if let Some(symbol) = object.defined(name) {
                return Ok(Some((Arc::clone(object), symbol)));
            }
        }
        self.index()?.find(name)
    }
}

/// What of a library is not only for those that ask for it by a name of Rust's.
struct Contents {
    /// The section with what is called when a program starts.
    early: Option<String>,
    /// What it defines for all, and of which there may be one only.
    plain: Vec<String>,
}

impl Contents {
    fn of(library: &Path) -> Result<Self, String> {
        let fail = |e: &dyn std::fmt::Display| format!("{}: {e}", library.display());
        let bytes = std::fs::read(library).map_err(|e| fail(&e))?;
        let archive = ArchiveFile::parse(&*bytes).map_err(|e| fail(&e))?;
        let (mut early, mut plain) = (None, Vec::new());
        for member in archive.members() {
            let data = member.and_then(|member| member.data(&*bytes));
            // rustc's metadata is no object.
            let Ok(object) = object::File::parse(data.map_err(|e| fail(&e))?) else {
                continue;
            };
            for section in object.sections() {
                let name = section.name().map_err(|e| fail(&e))?;
                if [".init_array", ".ctors", ".preinit_array"]
                    .iter()
                    .any(|one| name.starts_with(one))
                {
                    early = Some(name.to_owned());
                }
            }
            for symbol in object.symbols() {
                if symbol.is_definition() && symbol.is_global() && !symbol.is_weak() {
                    let name = symbol.name().map_err(|e| fail(&e))?;
                    if !is_of_rust(name) || is_of_allocator(name) {
                        plain.push(name.to_owned());
                    }
                }
            }
        }
        Ok(Self { early, plain })
    }
}

/// Whether a name has a crate's identity in it.
fn is_of_rust(symbol: &str) -> bool {
    let hash = symbol
        .strip_suffix('E')
        .and_then(|name| name.rsplit_once("17h"));
    symbol.starts_with("_R") || hash.is_some_and(|(_, hash)| hash.len() == 16)
}

/// Whether it is one of the functions that rustc makes of `#[global_allocator]`.
pub(crate) fn is_of_allocator(symbol: &str) -> bool {
    let own = symbol
        .split_once("7___rustc")
        .map_or(symbol, |(_, own)| own);
    let own = own.trim_start_matches(|c: char| c.is_ascii_digit());
    let all = ["alloc", "dealloc", "realloc", "alloc_zeroed"];
    own.trim_start_matches('_')
        .strip_prefix("rust_")
        .is_some_and(|what| all.contains(&what))
}

impl Index {
    fn new(libraries: &[PathBuf]) -> Result<Self, String> {
        let mut index = Self {
            mapped: Vec::new(),
            symbols: HashMap::new(),
            members: HashMap::new(),
        };
        index.add(libraries)?;
        Ok(index)
    }

    /// What is in more than one is found in the first.
    fn add(&mut self, libraries: &[PathBuf]) -> Result<(), String> {
        for path in libraries {
            let fail = |e: &dyn std::fmt::Display| format!("{}: {e}", path.display());
            let file = std::fs::File::open(path).map_err(|e| fail(&e))?;
            // SAFETY: cargo and rustc write libraries into new files.
            let mapped = unsafe { Mmap::map(&file) }.map_err(|e| fail(&e))?;
            let archive = ArchiveFile::parse(&*mapped).map_err(|e| fail(&e))?;
            let number = self.mapped.len();
            for symbol in archive
                .symbols()
                .map_err(|e| fail(&e))?
                .into_iter()
                .flatten()
            {
                let symbol = symbol.map_err(|e| fail(&e))?;
                let place = (number, symbol.offset().0);
                self.symbols.entry(symbol.name().into()).or_insert(place);
            }
            self.mapped.push(Arc::new(mapped));
        }
        Ok(())
    }

    /// The library in which a symbol is found, by its number.
    fn library_with(&self, name: &str) -> Option<usize> {
        self.symbols.get(name.as_bytes()).map(|(number, _)| *number)
    }

    fn find(&mut self, name: &str) -> Result<Option<(Arc<Object>, usize)>, String> {
        let Some(place) = self.symbols.get(name.as_bytes()).copied() else {
            return Ok(None);
        };
        let object = match self.members.get(&place) {
            Some(object) => Arc::clone(object),
            None => {
                let object = Arc::new(self.member(place)?);
                self.members.insert(place, Arc::clone(&object));
                object
            }
        };
        let symbol = object.defined(name);
        Ok(symbol.map(|symbol| (object, symbol)))
    }

    fn member(&self, (library, offset): (usize, u64)) -> Result<Object, String> {
        let text = |e: object::Error| e.to_string();
        let mapped = &self.mapped[library];
        let archive = ArchiveFile::parse(&***mapped).map_err(text)?;
        let member = archive
            .member(object::read::archive::ArchiveOffset(offset))
            .map_err(text)?;
        let (start, len) = member.file_range();
        let range = start as usize..(start + len) as usize;
        Object::parse(Arc::clone(mapped), range, false)
    }
}
