//! Where everything is that the process has a name for.
//!
//! First the executable's symbols; then what reloads have added. A local symbol
//! belongs to the file that it is from, which the symbol table tells by the order
//! of its entries.

use super::machine::{Machine, ThreadLocals};
use super::object::{Kind, Object, Symbol, is_mapping_symbol};
use memmap2::Mmap;
use midair::reload::protocol::{Bytes, Guarded};
use object::LittleEndian as Le;
use object::elf;
use object::read::elf::{FileHeader as _, ProgramHeader as _, SectionHeader as _, Sym as _};
use std::collections::{HashMap, HashSet};
use std::path::Path;

/// Where something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Its address.
    At(u64),
    /// A thread-local's distance from the thread pointer.
    Thread(i64),
}

#[derive(Clone, Debug)]
struct Known {
    place: Place,
    size: u64,
    file: u32,
    is_local: bool,
    /// It cannot be written to.
    is_constant: bool,
}

/// How the standard library calls what it remembers of modules, and the lock that
/// guards it.
const MODULES: &str = "backtrace_rs9symbolize5gimli";
const MODULES_END: &str = "11with_global14MAPPINGS_CACHE";
const LOCK_END: &str = "3sys9backtrace4lock4LOCK";

/// All of them.
pub(crate) struct Names {
    /// What has to be forgotten when an image is loaded.
    pub(crate) caches: Vec<Guarded>,
    known: HashMap<String, Vec<Known>>,
    files: HashMap<String, u32>,
}

impl Names {
    /// The names of an executable that is loaded with `slide`.
    pub(crate) fn of_executable(path: &Path, slide: u64) -> Result<Self, String> {
        let fail = |e: &dyn std::fmt::Display| format!("{}: {e}", path.display());
        let file = std::fs::File::open(path).map_err(|e| fail(&e))?;
        // SAFETY: a private copy that nobody writes to.
        let data = unsafe { Mmap::map(&file) }.map_err(|e| fail(&e))?;
        let header = elf::FileHeader64::<Le>::parse(&*data).map_err(|e| fail(&e))?;
        let segments = header.program_headers(Le, &*data).map_err(|e| fail(&e))?;
        let threads = segments
            .iter()
            .find(|segment| segment.p_type(Le) == elf::PT_TLS);
        let machine = Machine::of(header.e_machine(Le)).map_err(|e| fail(&e))?;
        let threads = threads.map(|segment| ThreadLocals {
            at: segment.p_vaddr(Le),
            len: segment.p_memsz(Le),
            align: segment.p_align(Le),
        });
        let table = header.sections(Le, &*data).map_err(|e| fail(&e))?;
        let symtab = table
            .symbols(Le, &*data, elf::SHT_SYMTAB)
            .map_err(|e| fail(&e))?;
        if symtab.is_empty() {
            return Err(format!(
                "{} has no symbols; set `strip = false` in the profile",
                path.display()
            ));
        }
        let mut names = Self {
            caches: Vec::new(),
            known: HashMap::with_capacity(symtab.len()),
            files: HashMap::new(),
        };
        let mut current = 0;
        let (mut cache, mut lock) = (None, None);
        for (index, symbol) in symtab.enumerate() {
            let Ok(name) = symbol.name(Le, symtab.strings()) else {
                continue;
            };
            let name = String::from_utf8_lossy(name);
            match symbol.st_type() {
                elf::STT_FILE => {
                    current = names.file(&name);
                    continue;
                }
                elf::STT_SECTION => continue,
                _ => {}
            }
            if symbol.is_undefined(Le) || name.is_empty() || is_mapping_symbol(name.as_bytes()) {
                continue;
            }
            let value = symbol.st_value(Le);
            if name.ends_with(MODULES_END) && name.contains(MODULES) {
                cache = first_value(segments, &data, value, symbol.st_size(Le));
            } else if name.ends_with(LOCK_END) && symbol.st_size(Le) == 8 {
                lock = Some(value.wrapping_add(slide));
            }
            let place = match (symbol.st_type(), threads) {
                (elf::STT_TLS, Some(all)) => Place::Thread(machine.thread_local_at(all, value)),
                (elf::STT_TLS, None) => continue,
                _ => Place::At(value.wrapping_add(slide)),
            };
            let section = symtab.symbol_section(Le, symbol, index).ok().flatten();
            let section = section.and_then(|at| table.section(at).ok());
            let is_constant = section.is_some_and(|section| {
                let name = table.section_name(Le, section).unwrap_or_default();
                !section.sh_flags(Le).contains(elf::SHF_WRITE) || name.starts_with(b".data.rel.ro")
            });
            // What was hidden in its object is local here; what was local there
            // has the default visibility.
            let is_local =
                symbol.st_bind() == elf::STB_LOCAL && symbol.st_visibility() == elf::STV_DEFAULT;
            names
                .known
                .entry(name.into_owned())
                .or_default()
                .push(Known {
                    place,
                    size: symbol.st_size(Le),
                    file: current,
                    is_local,
                    is_constant,
                });
        }
        if let (Some((at, bytes)), Some(lock)) = (cache, lock) {
            let address = at.wrapping_add(slide);
            let bytes = Bytes { address, bytes };
            names.caches.push(Guarded { lock, bytes });
        }
        Ok(names)
    }

    fn file(&mut self, name: &str) -> u32 {
        let next = self.files.len() as u32 + 1;
        *self.files.entry(name.to_owned()).or_insert(next)
    }

    /// The files that local symbols are from.
    pub(crate) fn files(&self) -> HashSet<&str> {
        self.files.keys().map(String::as_str).collect()
    }

    /// Where a symbol of `object` is, if the process has it.
    pub(crate) fn find(&self, object: &Object, symbol: usize) -> Option<Place> {
        let name = object.symbol_name(symbol);
        self.choose(name, &object.file, &object.symbols[symbol])
            .map(|known| known.place)
    }

    /// How long the process thinks it is.
    pub(crate) fn size(&self, object: &Object, symbol: usize) -> Option<u64> {
        let name = object.symbol_name(symbol);
        self.choose(name, &object.file, &object.symbols[symbol])
            .map(|known| known.size)
    }

    /// Whether the process has it where nothing is written.
    pub(crate) fn is_constant(&self, object: &Object, symbol: usize) -> bool {
        let name = object.symbol_name(symbol);
        self.choose(name, &object.file, &object.symbols[symbol])
            .is_some_and(|known| known.is_constant)
    }

    fn choose(&self, name: &str, file: &str, symbol: &Symbol) -> Option<&Known> {
        let known = self.known.get(name)?;
        if symbol.is_local {
            let file = self.files.get(file);
            let own = known.iter().find(|known| Some(&known.file) == file);
            // A static is there once, whatever its unit is called by now: it may be in
            // another one, for what else is in it.
            return own.or(match known.as_slice() {
                [only] if !symbol.is_function && is_rust(name) => Some(only),
                _ => None,
            });
        }
        known
            .iter()
            .find(|known| !known.is_local)
            // Linkers other than lld keep the visibility of what they make local.
            .or(match known.as_slice() {
                [only] => Some(only),
                _ => None,
            })
    }

    /// The address of a global function.
    pub(crate) fn global(&self, name: &str) -> Option<u64> {
        self.known
            .get(name)?
            .iter()
            .find_map(|known| match known.place {
                Place::At(at) => Some(at),
                Place::Thread(_) => None,
            })
    }

    /// Remembers where a symbol of `object` is from now on.
    pub(crate) fn add(&mut self, object: &Object, symbol: usize, place: Place) {
        let file = self.file(&object.file);
        let found = &object.symbols[symbol];
        let known = Known {
            place,
            size: found.size,
            file,
            is_local: found.is_local,
            is_constant: found
                .section
                .is_some_and(|at| object.sections[at].kind == Kind::Constant),
        };
        let name = object.symbol_name(symbol).to_owned();
        self.known.entry(name).or_default().insert(0, known);
    }

    /// Takes back what [`add`](Self::add) has added: what was before it counts again.
    pub(crate) fn forget(&mut self, object: &Object, symbol: usize, place: Place) {
        let known = self.known.get_mut(object.symbol_name(symbol));
        // Not more: a function that was renamed back was known at that place before.
        if let Some(known) = known
            && let Some(last) = known.iter().position(|known| known.place == place)
        {
            known.remove(last);
        }
    }
}

/// Whether it has a path and a hash.
fn is_rust(name: &str) -> bool {
    name.starts_with("_ZN") || name.starts_with("_R")
}

/// The bytes of a file's data at `at`, with that address.
fn first_value(
    segments: &[elf::ProgramHeader64<Le>],
    data: &[u8],
    at: u64,
    len: u64,
) -> Option<(u64, Vec<u8>)> {
    segments.iter().find_map(|segment| {
        let found = segment.data_range(Le, data, at, len).ok()??;
        Some((at, found.to_vec()))
    })
}
