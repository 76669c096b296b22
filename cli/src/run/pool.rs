//! Where code is found that the program did not have.
//!
//! An edit may call a function that was never linked in: another instance of a
//! generic, something of the standard library. It is in the objects that rustc
//! keeps, or in the libraries that the program was linked with.

use super::object::Object;
use memmap2::Mmap;
use object::read::archive::ArchiveFile;
use object::{Object as _, ObjectSection as _};
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
    /// something of it is run when a program starts: the program has started.
    pub(crate) fn add(&mut self, libraries: &[PathBuf]) -> Result<(), String> {
        for path in libraries {
            if let Some(section) = runs_at_start(path)? {
                let name = path.file_name().unwrap_or_default().display();
                return Err(format!(
                    "{name} has code that runs when a program starts (section {section})"
                ));
            }
        }
        if let Some(index) = &mut self.index {
            index.add(libraries)?;
        }
        self.libraries.extend_from_slice(libraries);
        Ok(())
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
        if self.index.is_none() {
            self.index = Some(Index::new(&self.libraries)?);
        }
        match &mut self.index {
            Some(index) => index.find(name),
            None => Ok(None),
        }
    }
}

/// The section of a library's with what is called when a program starts.
fn runs_at_start(library: &Path) -> Result<Option<String>, String> {
    let fail = |e: &dyn std::fmt::Display| format!("{}: {e}", library.display());
    let bytes = std::fs::read(library).map_err(|e| fail(&e))?;
    let archive = ArchiveFile::parse(&*bytes).map_err(|e| fail(&e))?;
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
                return Ok(Some(name.to_owned()));
            }
        }
    }
    Ok(None)
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
