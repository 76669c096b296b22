//! The objects that are loaded in this process.
//!
//! The list is kept and read anew only when something was loaded or unloaded
//! since, which costs one short call to find out. A module's file is opened
//! when first needed and must be the one in memory: the build ids must agree
//! or, without them, the places of the code. The vdso has no file; its image is
//! copied from memory.
//!
//! A library that was unloaded and loaded again at the very same address,
//! unchanged, between two looks at the list is taken for the same module.

use std::ops::Range;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use super::address::{FileAddress, Slide};
use super::error::{ImageError, ModuleError};
use super::image::Image;
use super::loaded::{self, Counts, Loaded};
use super::module_name;
use super::process;

/// The link to the main program's file. It can be opened even if the file was
/// deleted or replaced.
const SELF_EXE: &str = "/proc/self/exe";

/// What role a module has in the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ModuleRole {
    /// The program itself.
    Program,
    /// A shared library.
    Library,
    /// The dynamic linker, `ld.so`.
    DynamicLinker,
    /// Code that the kernel maps into every process; it has no file.
    Vdso,
}

/// A loaded object of this process.
#[derive(Debug)]
pub struct Module {
    path: PathBuf,
    file_name: String,
    role: ModuleRole,
    loaded: Loaded,
    /// The opened file, and what identifies it.
    image: OnceLock<(Result<Image, ImageError>, Option<FileIdentity>)>,
}

type FileIdentity = (u64, u64, u64, i64, i64);

struct Cache {
    counts: Option<Counts>,
    modules: Vec<Arc<Module>>,
}

/// The list of modules, locked.
pub(crate) struct ListGuard {
    _cache: MutexGuard<'static, Cache>,
}

/// Keeps other threads from the list, while this one forks.
pub(crate) fn lock_list() -> ListGuard {
    ListGuard {
        _cache: CACHE.lock().unwrap_or_else(PoisonError::into_inner),
    }
}

static CACHE: Mutex<Cache> = Mutex::new(Cache {
    counts: None,
    modules: Vec::new(),
});

/// Every loaded object of this process, the program first.
///
/// ```
/// for module in midair::symbols::modules()? {
///     println!("{} at {}", module.path().display(), module.slide());
/// }
/// # Ok::<(), midair::symbols::ModuleError>(())
/// ```
///
/// # Errors
///
/// The dynamic linker lists nothing, as in some static programs.
pub fn modules() -> Result<Vec<Arc<Module>>, ModuleError> {
    let now = loaded::counts();
    {
        let cache = CACHE.lock().unwrap_or_else(PoisonError::into_inner);
        if now.is_some() && cache.counts == now {
            return Ok(cache.modules.clone());
        }
    }
    // The cache is not locked while the dynamic linker is: a constructor that
    // runs inside of dlopen may ask for modules too.
    let (counts, list) = loaded::list();
    if list.is_empty() {
        return Err(ModuleError::NoneListed);
    }
    let mut cache = CACHE.lock().unwrap_or_else(PoisonError::into_inner);
    let modules: Vec<Arc<Module>> = list
        .into_iter()
        .enumerate()
        .map(|(number, loaded)| {
            let known = cache.modules.iter().find(|module| module.is(&loaded));
            known.map_or_else(|| Arc::new(Module::new(loaded, number == 0)), Arc::clone)
        })
        .collect();
    // Another thread may have seen a newer list meanwhile.
    if counts >= cache.counts {
        cache.counts = counts;
        cache.modules.clone_from(&modules);
    }
    Ok(modules)
}

/// The module whose code the byte at `address` is in.
#[must_use]
pub fn module_at(address: usize) -> Option<Arc<Module>> {
    let holds = |module: &&Arc<Module>| module.has_code_at(address);
    let now = loaded::counts();
    {
        let cache = CACHE.lock().unwrap_or_else(PoisonError::into_inner);
        if now.is_some() && cache.counts == now {
            return cache.modules.iter().find(holds).map(Arc::clone);
        }
    }
    modules().ok()?.iter().find(holds).map(Arc::clone)
}

impl Module {
    fn new(loaded: Loaded, is_first: bool) -> Module {
        let name = PathBuf::from(std::ffi::OsStr::from_bytes(loaded.name.to_bytes()));
        let role = if loaded.base == auxiliary(libc::AT_SYSINFO_EHDR) {
            ModuleRole::Vdso
        } else if loaded.base == auxiliary(libc::AT_BASE) {
            ModuleRole::DynamicLinker
        } else if is_first {
            ModuleRole::Program
        } else {
            ModuleRole::Library
        };
        let path = match role {
            ModuleRole::Program => program_path(&loaded),
            _ => name,
        };
        Module {
            file_name: path
                .file_name()
                .map_or_else(String::new, |name| name.to_string_lossy().into_owned()),
            path,
            role,
            loaded,
            image: OnceLock::new(),
        }
    }

    /// Whether this is the module that the dynamic linker now describes so.
    fn is(&self, loaded: &Loaded) -> bool {
        if self.loaded != *loaded {
            return false;
        }
        // Without a build id in memory, a changed file may mean that another
        // build was loaded at the same place.
        let opened = self.image.get().and_then(|(_, identity)| identity.as_ref());
        match opened {
            Some(identity) if loaded.build_id.is_none() => {
                self.role == ModuleRole::Program || FileAt::identity(&self.path) == Some(*identity)
            }
            _ => true,
        }
    }

    /// Its file: for the program where `/proc/self/exe` points (without
    /// " (deleted)"), for others as the dynamic linker knows it.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The last part of its path, e.g. `libz.so.1`.
    #[must_use]
    pub fn file_name(&self) -> &str {
        &self.file_name
    }

    /// What part it plays in the process.
    #[must_use]
    pub fn role(&self) -> ModuleRole {
        self.role
    }

    /// What the loader added to the addresses of the file.
    #[must_use]
    pub fn slide(&self) -> Slide {
        Slide(self.loaded.slide)
    }

    /// Where its code is in this process.
    #[must_use]
    pub fn code_ranges(&self) -> &[Range<usize>] {
        &self.loaded.code
    }

    /// Whether the byte at `address` is in its code.
    #[must_use]
    pub fn has_code_at(&self, address: usize) -> bool {
        self.loaded
            .code
            .iter()
            .any(|range| range.contains(&address))
    }

    /// The address in its file of what is at `address` in this process.
    #[must_use]
    pub fn file_address(&self, address: usize) -> FileAddress {
        self.slide().file_address(address)
    }

    /// Whether `name` means this module: its path, its file name, or that
    /// without `lib`, `.so`, version or hash (`libz.so.1` is also `libz.so`,
    /// `libz` and `z`).
    #[must_use]
    pub fn is_called(&self, name: &str) -> bool {
        self.path.to_str() == Some(name) || module_name::matches(&self.file_name, name)
    }

    /// Its file, opened when first asked for.
    ///
    /// # Errors
    ///
    /// It cannot be opened, or it is not the file that was loaded
    /// ([`ImageError::FileChanged`]).
    pub fn image(&self) -> Result<&Image, ImageError> {
        let (image, _) = self.image.get_or_init(|| {
            let identity = FileAt::identity(&self.path);
            (self.open(), identity)
        });
        image.as_ref().map_err(Clone::clone)
    }

    fn open(&self) -> Result<Image, ImageError> {
        let name = || self.path.clone();
        match self.role {
            ModuleRole::Vdso => Image::from_bytes(&self.path, self.vdso_bytes()),
            // The link leads to the running file whatever happened to its
            // name. It is another one if ld.so was started with the program
            // as an argument.
            ModuleRole::Program => match Image::open(Path::new(SELF_EXE)) {
                Ok(image) if self.is_loaded_from(&image) => Ok(image.called(name())),
                _ => self.checked(Image::open(&self.path)?),
            },
            _ if self.path.components().next().is_none() => {
                Err(ImageError::NoFile { name: name() })
            }
            _ => self.checked(Image::open(&self.path)?),
        }
    }

    fn checked(&self, image: Image) -> Result<Image, ImageError> {
        if self.is_loaded_from(&image) {
            return Ok(image);
        }
        Err(ImageError::FileChanged {
            path: self.path.clone(),
            loaded: self.loaded.build_id.clone(),
            on_disk: image.build_id().map(<[u8]>::to_vec),
        })
    }

    fn is_loaded_from(&self, image: &Image) -> bool {
        let code = image.loads().filter(|segment| segment.executable);
        let same_code = code
            .map(|segment| {
                let start = FileAddress(segment.address).at(self.slide());
                start..start.saturating_add(segment.memory_size as usize)
            })
            .eq(self.loaded.code.iter().cloned());
        // A build id can be in the file alone, as a section that is not loaded.
        let loaded = self.loaded.build_id.as_deref();
        same_code && (loaded.is_none() || loaded == image.build_id())
    }

    /// All that the kernel maps of the vdso, its section headers included.
    fn vdso_bytes(&self) -> Vec<u8> {
        let page = 4096;
        let end = self.loaded.end.next_multiple_of(page);
        let size = end.saturating_sub(self.loaded.base);
        // SAFETY: the kernel maps the vdso for good, readable and in whole pages.
        unsafe { std::slice::from_raw_parts(self.loaded.base as *const u8, size) }.to_vec()
    }

    /// Its name for `dlopen`; none for the program, which has no name there.
    pub(super) fn link_name(&self) -> Option<&std::ffi::CStr> {
        Some(self.loaded.name.as_c_str()).filter(|name| !name.is_empty())
    }
}

struct FileAt;

impl FileAt {
    /// What changes if the file is replaced or written.
    fn identity(path: &Path) -> Option<FileIdentity> {
        let data = path.metadata().ok()?;
        Some((
            data.dev(),
            data.ino(),
            data.size(),
            data.mtime(),
            data.mtime_nsec(),
        ))
    }
}

fn auxiliary(kind: libc::c_ulong) -> usize {
    // SAFETY: getauxval only reads what the kernel gave the process.
    let value = unsafe { libc::getauxval(kind) };
    // No module begins at zero: zero is "there is none".
    if value == 0 {
        usize::MAX
    } else {
        value as usize
    }
}

fn program_path(loaded: &Loaded) -> PathBuf {
    // With an interpreter and yet no AT_BASE, ld.so itself was started and
    // /proc/self/exe is ld.so; the map of the memory knows better.
    if loaded.has_interpreter && auxiliary(libc::AT_BASE) == usize::MAX {
        let path = process::own_path_at(loaded.headers);
        return path.unwrap_or_else(|| PathBuf::from(SELF_EXE));
    }
    let link = std::fs::read_link(SELF_EXE).unwrap_or_else(|_| PathBuf::from(SELF_EXE));
    process::without_deleted(&link)
}
