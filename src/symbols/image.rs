//! One ELF file as code sees it: bytes by virtual address.
//!
//! Opening maps the file and reads its headers, nothing more. The table of
//! functions, the names and the separate debug file are found when first asked
//! for, and kept. Files are 64-bit little-endian executables and shared objects
//! for x86-64 or aarch64; everything else is an [`ImageError`].
//!
//! Relocations are not applied: [`Image::read`] gives the bytes of the file. A
//! file that is truncated while it is mapped makes reads of it fail with
//! SIGBUS, as with every mapped file; linkers and package managers replace
//! files instead.

use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use goblin::elf::program_header::{PT_LOAD, PT_NOTE};
use goblin::elf::section_header::SHT_NOTE;
use memmap2::Mmap;

use super::address::FileAddress;
use super::debug::DebugSlot;
use super::debug_file::{self, DebugFile};
use super::error::ImageError;
use super::extents::FunctionTable;
use super::headers::{Headers, Segment};
use super::index::NameIndex;
use super::problem::Problem;
use super::regions::Regions;
use super::tables::SymbolTable;
use super::{fields, notes};

/// The processor a file has code for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Machine {
    /// x86-64.
    X86_64,
    /// 64-bit Arm.
    Aarch64,
}

#[derive(Debug)]
enum Backing {
    Mapped(Mmap),
    Owned(Vec<u8>),
}

/// An ELF file: its code, its functions and their names.
///
/// ```
/// use midair::symbols::Image;
///
/// let image = Image::open(&std::env::current_exe()?)?;
/// let longest = image.functions().iter().max_by_key(|extent| extent.size()).unwrap();
/// let name = image.symbol_name_at(longest.start).unwrap_or_default();
/// println!("{name} at {} has {} bytes", longest.start, longest.size());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Image {
    path: PathBuf,
    backing: Backing,
    headers: Headers,
    regions: Regions,
    debug_roots: Vec<PathBuf>,
    debug_file: OnceLock<DebugFile>,
    functions: OnceLock<FunctionTable>,
    names: OnceLock<NameIndex>,
    entered: OnceLock<Option<Box<[FileAddress]>>>,
    debug_index: DebugSlot,
}

impl Image {
    /// Maps the file and reads its headers. Separate debug files are looked
    /// for beside it and under `/usr/lib/debug`.
    ///
    /// # Errors
    ///
    /// The file cannot be opened, or is not an ELF file of a kind midair reads.
    pub fn open(path: &Path) -> Result<Image, ImageError> {
        Image::open_with_debug_roots(path, &[PathBuf::from("/usr/lib/debug")])
    }

    /// [`Image::open`], with other folders than `/usr/lib/debug` to look for
    /// separate debug files in.
    ///
    /// # Errors
    ///
    /// As [`Image::open`].
    pub fn open_with_debug_roots(path: &Path, roots: &[PathBuf]) -> Result<Image, ImageError> {
        let open = || {
            let file = File::open(path)?;
            // SAFETY: the mapping is private and only read; see the module's head about truncation.
            unsafe { Mmap::map(&file) }
        };
        let map = open().map_err(|source| ImageError::Open {
            path: path.to_path_buf(),
            source: Arc::new(source),
        })?;
        Image::new(path, Backing::Mapped(map), roots.to_vec())
    }

    /// An image from bytes that are not in a file, such as the vdso's. `path`
    /// is what it will be called; no debug file is looked for.
    ///
    /// # Errors
    ///
    /// The bytes are not an ELF file of a kind midair reads.
    pub fn from_bytes(path: &Path, bytes: Vec<u8>) -> Result<Image, ImageError> {
        Image::new(path, Backing::Owned(bytes), Vec::new())
    }

    fn new(path: &Path, backing: Backing, debug_roots: Vec<PathBuf>) -> Result<Image, ImageError> {
        let data = match &backing {
            Backing::Mapped(map) => &map[..],
            Backing::Owned(bytes) => bytes,
        };
        let headers = Headers::parse(path, data)?;
        let regions = Regions::new(&headers, data.len() as u64);
        Ok(Image {
            path: path.to_path_buf(),
            backing,
            headers,
            regions,
            debug_roots,
            debug_file: OnceLock::new(),
            functions: OnceLock::new(),
            names: OnceLock::new(),
            entered: OnceLock::new(),
            debug_index: DebugSlot::default(),
        })
    }

    /// The same image under another path, for one opened through `/proc`.
    pub(super) fn called(mut self, path: PathBuf) -> Image {
        self.path = path;
        self
    }

    /// The file, as it was asked for.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The processor its code is for.
    #[must_use]
    pub fn machine(&self) -> Machine {
        self.headers.machine
    }

    /// Whether the loader may put it anywhere (`ET_DYN`).
    #[must_use]
    pub fn is_position_independent(&self) -> bool {
        self.headers.position_independent
    }

    /// The note that names this exact build.
    #[must_use]
    pub fn build_id(&self) -> Option<&[u8]> {
        // Sections first: a debug file has the note there, and program headers
        // that point at nothing.
        let sections = self.headers.sections.iter();
        let sections = sections
            .filter(|section| section.kind == SHT_NOTE)
            .filter_map(|section| section.bytes(self.data()));
        let segments = self.headers.segments.iter();
        let segments = segments
            .filter(|segment| segment.kind == PT_NOTE)
            .filter_map(|segment| fields::slice(self.data(), segment.offset, segment.file_size));
        sections.chain(segments).find_map(notes::build_id)
    }

    /// `len` bytes of code at `at`; none if they are not all in the file-backed
    /// part of one executable segment.
    #[must_use]
    pub fn code(&self, at: FileAddress, len: usize) -> Option<&[u8]> {
        self.bytes(at, len, |segment| segment.executable)
    }

    /// `len` bytes at `at`, from any segment; none if they are not all in the
    /// file-backed part of one.
    #[must_use]
    pub fn read(&self, at: FileAddress, len: usize) -> Option<&[u8]> {
        self.bytes(at, len, |_| true)
    }

    fn bytes(&self, at: FileAddress, len: usize, wanted: fn(&Segment) -> bool) -> Option<&[u8]> {
        let len = u64::try_from(len).ok()?;
        let end = at.checked_add(len)?;
        let segment = self
            .loads()
            .filter(|segment| wanted(segment))
            .find(|segment| segment.address <= at.0 && end.0 <= segment.file_end())?;
        let offset = segment.offset.checked_add(at.0 - segment.address)?;
        fields::slice(self.data(), offset, len)
    }

    /// Everything from `at` to the end of the file-backed part of its segment.
    pub(super) fn rest_of_segment(&self, at: FileAddress) -> Option<&[u8]> {
        let segment = self
            .loads()
            .find(|segment| segment.address <= at.0 && at.0 < segment.file_end())?;
        self.read(at, usize::try_from(segment.file_end() - at.0).ok()?)
    }

    /// Where the code that `at` is in ends: its section, or its segment's
    /// file-backed part if there are no section headers.
    #[must_use]
    pub fn code_end(&self, at: FileAddress) -> Option<FileAddress> {
        self.regions.containing(at.0).map(|r| FileAddress(r.end))
    }

    /// From the lowest to past the highest address that the loader maps.
    #[must_use]
    pub fn load_range(&self) -> Range<FileAddress> {
        let low = self.loads().map(|segment| segment.address).min();
        let end = |segment: &Segment| segment.address.saturating_add(segment.memory_size);
        let high = self.loads().map(end).max();
        FileAddress(low.unwrap_or_default())..FileAddress(high.unwrap_or_default())
    }

    /// All functions of the file. Made when first asked for: some milliseconds
    /// for a large file.
    #[must_use]
    pub fn functions(&self) -> &FunctionTable {
        self.functions.get_or_init(|| FunctionTable::of(self))
    }

    /// Where the first bytes of functions are entered by branches of other
    /// functions, sorted; none if there is too much code to look. Made when
    /// first asked for: tens of milliseconds for the largest that are swept.
    #[must_use]
    pub fn entered_from_elsewhere(&self) -> Option<&[FileAddress]> {
        self.entered
            .get_or_init(|| super::entered::places(self))
            .as_deref()
    }

    /// What could not be read so far. The function table and the debug file add
    /// theirs once they were asked for.
    #[must_use]
    pub fn problems(&self) -> Vec<Problem> {
        let own = self.headers.problem.iter();
        let debug = self.debug_file.get().map_or(&[][..], DebugFile::problems);
        let functions = self
            .functions
            .get()
            .map_or(&[][..], FunctionTable::problems);
        own.chain(debug).chain(functions).cloned().collect()
    }

    /// The separate file with the `.symtab`, if this file has none of its own.
    #[must_use]
    pub fn debug_image(&self) -> Option<&Image> {
        if SymbolTable::full(self).is_some() {
            return None;
        }
        let find = || debug_file::find(self, &self.debug_roots);
        self.debug_file.get_or_init(find).image()
    }

    pub(super) fn names(&self) -> &NameIndex {
        self.names.get_or_init(|| NameIndex::of(self))
    }

    pub(super) fn data(&self) -> &[u8] {
        match &self.backing {
            Backing::Mapped(map) => map,
            Backing::Owned(bytes) => bytes,
        }
    }

    pub(super) fn debug_index(&self) -> &DebugSlot {
        &self.debug_index
    }

    pub(super) fn headers(&self) -> &Headers {
        &self.headers
    }

    pub(super) fn regions(&self) -> &Regions {
        &self.regions
    }

    pub(super) fn loads(&self) -> impl Iterator<Item = &Segment> {
        let segments = self.headers.segments.iter();
        segments.filter(|segment| segment.kind == PT_LOAD)
    }
}
