//! The objects that are loaded in another process, from its `/proc/PID/maps`.
//!
//! Reading is all that is done. A file is opened through `/proc/PID/root`, for
//! the process may see other files than this one, and its build id is compared
//! with the process's memory where that may be read. Anonymous code and the
//! vdso are passed over.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use goblin::elf::program_header::PT_NOTE;

use super::address::{FileAddress, Slide};
use super::error::{ImageError, ModuleError};
use super::image::Image;
use super::module::Module;
use super::notes;

/// A loaded object of another process.
#[derive(Debug)]
pub struct ForeignModule {
    pid: i32,
    path: PathBuf,
    is_deleted: bool,
    inode: u64,
    /// Where each part of the file was mapped: address and offset in the file.
    parts: Vec<(Range<usize>, u64)>,
    code: Vec<Range<usize>>,
    opened: OnceLock<Result<(Image, Slide), ImageError>>,
}

/// A line of a `maps` file.
struct Mapping {
    range: Range<usize>,
    is_code: bool,
    offset: u64,
    inode: u64,
    path: PathBuf,
}

impl Module {
    /// The objects that are loaded in process `pid`: every file of which code
    /// is mapped.
    ///
    /// # Errors
    ///
    /// Its list of mappings cannot be read: there is no such process, or it
    /// belongs to another user.
    pub fn of_process(pid: i32) -> Result<Vec<ForeignModule>, ModuleError> {
        let mut modules: Vec<ForeignModule> = Vec::new();
        for mapping in mappings(Path::new(&format!("/proc/{pid}/maps")))? {
            if mapping.inode == 0 || !mapping.path.is_absolute() {
                continue;
            }
            // A file that is mapped twice begins again at its first part.
            let same = modules.iter_mut().rev().find(|module| {
                let last = module.parts.last().map_or(0, |part| part.1);
                module.inode == mapping.inode
                    && module.path == without_deleted(&mapping.path)
                    && mapping.offset > 0
                    && last <= mapping.offset
            });
            let part = (mapping.range.clone(), mapping.offset);
            let code = mapping.is_code.then(|| mapping.range.clone());
            if let Some(module) = same {
                module.parts.push(part);
                module.code.extend(code);
                continue;
            }
            let path = without_deleted(&mapping.path);
            modules.push(ForeignModule {
                pid,
                is_deleted: path != mapping.path,
                path,
                inode: mapping.inode,
                parts: vec![part],
                code: code.into_iter().collect(),
                opened: OnceLock::new(),
            });
        }
        modules.retain(|module| !module.code.is_empty());
        Ok(modules)
    }
}

impl ForeignModule {
    /// Its file, as the process sees it.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The last part of its path, e.g. `libz.so.1`.
    #[must_use]
    pub fn file_name(&self) -> String {
        let name = self.path.file_name();
        name.map_or_else(String::new, |name| name.to_string_lossy().into_owned())
    }

    /// Where its code is in the process.
    #[must_use]
    pub fn code_ranges(&self) -> &[Range<usize>] {
        &self.code
    }

    /// Whether `name` means this module; see [`Module::is_called`].
    #[must_use]
    pub fn is_called(&self, name: &str) -> bool {
        self.path.to_str() == Some(name) || super::module_name::matches(&self.file_name(), name)
    }

    /// Its file, opened when first asked for.
    ///
    /// # Errors
    ///
    /// It cannot be opened, or it is not the file that was loaded.
    pub fn image(&self) -> Result<&Image, ImageError> {
        self.opened().map(|opened| &opened.0)
    }

    /// What the loader added to the addresses of the file.
    ///
    /// # Errors
    ///
    /// As [`ForeignModule::image`]: the file is needed to know.
    pub fn slide(&self) -> Result<Slide, ImageError> {
        self.opened().map(|opened| opened.1)
    }

    fn opened(&self) -> Result<&(Image, Slide), ImageError> {
        let opened = self.opened.get_or_init(|| self.open());
        opened.as_ref().map_err(Clone::clone)
    }

    fn open(&self) -> Result<(Image, Slide), ImageError> {
        let image = self.open_file()?.called(self.path.clone());
        let slide = self.find_slide(&image);
        let in_memory = slide.and_then(|slide| self.build_id_in_memory(&image, slide));
        let on_disk = image.build_id();
        match slide {
            Some(slide) if in_memory.is_none() || in_memory.as_deref() == on_disk => {
                Ok((image, slide))
            }
            _ => Err(self.changed(in_memory, on_disk.map(<[u8]>::to_vec))),
        }
    }

    fn open_file(&self) -> Result<Image, ImageError> {
        // The program's own file can be opened even if it has no name any more.
        let program = PathBuf::from(format!("/proc/{}/exe", self.pid));
        let inode = |path: &Path| path.metadata().map(|data| data.ino()).ok();
        if inode(&program) == Some(self.inode) {
            return Image::open(&program);
        }
        if self.is_deleted {
            return Err(self.changed(None, None));
        }
        let relative = self.path.strip_prefix("/").unwrap_or(&self.path);
        let through_root = PathBuf::from(format!("/proc/{}/root", self.pid)).join(relative);
        Image::open(&through_root).or_else(|_| Image::open(&self.path))
    }

    fn changed(&self, loaded: Option<Vec<u8>>, on_disk: Option<Vec<u8>>) -> ImageError {
        ImageError::FileChanged {
            path: self.path.clone(),
            loaded,
            on_disk,
        }
    }

    /// The slide that puts every part of the file where it is mapped.
    fn find_slide(&self, image: &Image) -> Option<Slide> {
        let mut code = self
            .parts
            .iter()
            .filter(|(range, _)| self.code.contains(range));
        let (range, offset) = code.next()?;
        // The loader maps whole pages: the mapping holds the segment's start
        // somewhere in its first page, or is a later part of a split one.
        let segment = image.loads().find(|segment| {
            let end = segment.offset.saturating_add(segment.file_size);
            segment.executable && *offset < end && segment.offset & !0xfff <= *offset
        })?;
        let in_file = segment
            .address
            .wrapping_add(offset.wrapping_sub(segment.offset));
        Some(Slide((range.start as u64).wrapping_sub(in_file)))
    }

    /// The build id that the process has in memory, if that may be read.
    fn build_id_in_memory(&self, image: &Image, slide: Slide) -> Option<Vec<u8>> {
        let mut memory = File::open(format!("/proc/{}/mem", self.pid)).ok()?;
        let segments = image.headers().segments.iter();
        let mut notes = segments.filter(|segment| segment.kind == PT_NOTE);
        notes.find_map(|note| {
            let mut bytes = vec![0; usize::try_from(note.file_size.min(4096)).ok()?];
            let at = FileAddress(note.address).at(slide);
            memory.seek(SeekFrom::Start(at as u64)).ok()?;
            memory.read_exact(&mut bytes).ok()?;
            notes::build_id(&bytes).map(<[u8]>::to_vec)
        })
    }
}

/// The file that is mapped at `address` in this process.
pub(super) fn own_path_at(address: usize) -> Option<PathBuf> {
    let mappings = mappings(Path::new("/proc/self/maps")).ok()?;
    let mapping = mappings
        .into_iter()
        .find(|mapping| mapping.range.contains(&address))?;
    Some(without_deleted(&mapping.path)).filter(|path| path.is_absolute())
}

/// The path without what the kernel adds if the file has no name any more.
pub(super) fn without_deleted(path: &Path) -> PathBuf {
    let text = path
        .to_str()
        .and_then(|text| text.strip_suffix(" (deleted)"));
    text.map_or_else(|| path.to_path_buf(), PathBuf::from)
}

fn mappings(path: &Path) -> Result<Vec<Mapping>, ModuleError> {
    let text = std::fs::read(path).map_err(|source| ModuleError::Proc {
        path: path.to_path_buf(),
        source: Arc::new(source),
    })?;
    let text = String::from_utf8_lossy(&text);
    Ok(text.lines().filter_map(mapping).collect())
}

/// `55d0-55d1 r-xp 00001000 08:01 1234    /usr/bin/demo`
fn mapping(line: &str) -> Option<Mapping> {
    let mut fields = line.splitn(6, ' ');
    let (start, end) = fields.next()?.split_once('-')?;
    let hex = |text: &str| usize::from_str_radix(text, 16).ok();
    Some(Mapping {
        range: hex(start)?..hex(end)?,
        is_code: fields.next()?.as_bytes().get(2) == Some(&b'x'),
        offset: hex(fields.next()?)? as u64,
        inode: fields.nth(1)?.parse().ok()?,
        path: PathBuf::from(fields.next().unwrap_or_default().trim_start()),
    })
}
