//! Where code is found that the program did not have.
//!
//! An edit may call a function that was never linked in: another instance of a
//! generic, something of the standard library. It is in the objects that rustc
//! keeps, or in the libraries that the program was linked with.

use super::object::Object;
use memmap2::Mmap;
use object::read::archive::ArchiveFile;
use std::collections::HashMap;
use std::path::PathBuf;
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

    /// The object in which a symbol is defined, and the symbol in it.
    pub(crate) fn find<'a>(
        &mut self,
        name: &str,
        objects: impl Iterator<Item = &'a Arc<Object>>,
    ) -> Result<Option<(Arc<Object>, usize)>, String> {
        for object in objects {
            if let Some(symbol) = defined(object, name) {
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

fn defined(object: &Object, name: &str) -> Option<usize> {
    (0..object.symbols.len()).find(|symbol| {
        let found = &object.symbols[*symbol];
        found.section.is_some() && !found.is_local && object.symbol_name(*symbol) == name
    })
}

impl Index {
    fn new(libraries: &[PathBuf]) -> Result<Self, String> {
        let mut index = Self {
            mapped: Vec::new(),
            symbols: HashMap::new(),
            members: HashMap::new(),
        };
        for path in libraries {
            let fail = |e: &dyn std::fmt::Display| format!("{}: {e}", path.display());
            let file = std::fs::File::open(path).map_err(|e| fail(&e))?;
            // SAFETY: cargo and rustc write libraries into new files.
            let mapped = unsafe { Mmap::map(&file) }.map_err(|e| fail(&e))?;
            let archive = ArchiveFile::parse(&*mapped).map_err(|e| fail(&e))?;
            let number = index.mapped.len();
            for symbol in archive
                .symbols()
                .map_err(|e| fail(&e))?
                .into_iter()
                .flatten()
            {
                let symbol = symbol.map_err(|e| fail(&e))?;
                let place = (number, symbol.offset().0);
                index.symbols.entry(symbol.name().into()).or_insert(place);
            }
            index.mapped.push(Arc::new(mapped));
        }
        Ok(index)
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
        let symbol = defined(&object, name);
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
