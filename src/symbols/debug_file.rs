//! The separate debug file of a stripped image, for its `.symtab`.
//!
//! By build id (`ROOT/.build-id/ab/cdef.debug`), then by `.gnu_debuglink` (in
//! the same folder, in `.debug/` there, and in the same folder under `ROOT`).
//! A file found is used only if it belongs to this very build: the build ids
//! are equal or, without them, the checksum is. Nothing is downloaded
//! (debuginfod), and `.gnu_debugdata` (compressed with xz) is not read.

use std::ffi::OsStr;
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::error::ImageError;
use super::fields;
use super::image::Image;
use super::problem::{DebugFileError, Problem};
use super::tables::SymbolTable;

/// What was found, and what was found but is not usable.
#[derive(Debug, Default)]
pub(super) struct DebugFile {
    image: Option<Box<Image>>,
    problems: Vec<Problem>,
}

impl DebugFile {
    pub(super) fn image(&self) -> Option<&Image> {
        self.image.as_deref()
    }

    pub(super) fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

/// Looks for the debug file of `image` under `roots` and beside it.
pub(super) fn find(image: &Image, roots: &[PathBuf]) -> DebugFile {
    let mut result = DebugFile::default();
    let link = Link::of(image);
    let by_id = by_build_id(image, roots).into_iter();
    let by_link = link.as_ref().map_or_else(Vec::new, |link| {
        // An image from bytes has no folder to look into.
        if roots.is_empty() {
            Vec::new()
        } else {
            link.places(image.path(), roots)
        }
    });
    for path in by_id.chain(by_link) {
        match open(image, &path, link.as_ref().map(|link| link.checksum)) {
            Ok(None) => {}
            Ok(Some(debug)) => {
                result.image = Some(Box::new(debug));
                break;
            }
            Err(source) => result.problems.push(Problem::DebugFile {
                source: Box::new(source),
            }),
        }
    }
    result
}

fn by_build_id(image: &Image, roots: &[PathBuf]) -> Vec<PathBuf> {
    let Some((first, rest)) = image.build_id().and_then(<[u8]>::split_first) else {
        return Vec::new();
    };
    let rest: String = rest.iter().map(|byte| format!("{byte:02x}")).collect();
    let file = format!(".build-id/{first:02x}/{rest}.debug");
    roots.iter().map(|root| root.join(&file)).collect()
}

/// Opens a candidate; `None` if there is no such file or it has no `.symtab`.
fn open(
    image: &Image,
    path: &Path,
    checksum: Option<u32>,
) -> Result<Option<Image>, DebugFileError> {
    let debug = match Image::open_with_debug_roots(path, &[]) {
        Err(ImageError::Open { source, .. }) if is_absent(source.kind()) => return Ok(None),
        debug => debug.map_err(DebugFileError::Image)?,
    };
    if SymbolTable::full(&debug).is_none() {
        return Ok(None);
    }
    let path = || path.to_path_buf();
    match (image.build_id(), debug.build_id(), checksum) {
        (Some(ours), Some(its), _) if ours == its => Ok(Some(debug)),
        (Some(_), Some(_), _) | (_, _, None) => Err(DebugFileError::BuildId { path: path() }),
        (_, _, Some(wanted)) => match crc32(debug.data()) {
            found if found == wanted => Ok(Some(debug)),
            found => Err(DebugFileError::Checksum {
                path: path(),
                wanted,
                found,
            }),
        },
    }
}

fn is_absent(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::NotFound | ErrorKind::NotADirectory)
}

/// `.gnu_debuglink`: a file name and the checksum of that file.
struct Link<'a> {
    name: &'a Path,
    checksum: u32,
}

impl<'a> Link<'a> {
    fn of(image: &'a Image) -> Option<Link<'a>> {
        let bytes = image.headers().section(".gnu_debuglink")?;
        let bytes = bytes.bytes(image.data())?;
        let name = fields::c_string(bytes, 0).filter(|name| !name.is_empty())?;
        let checksum = name.len().checked_add(1)?.checked_next_multiple_of(4)?;
        Some(Link {
            name: Path::new(OsStr::from_bytes(name)),
            checksum: fields::u32_at(bytes, checksum)?,
        })
    }

    fn places(&self, path: &Path, roots: &[PathBuf]) -> Vec<PathBuf> {
        // A folder may be known under two names (/lib is /usr/lib).
        let real = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
        let mut folders: Vec<&Path> = [path, &real].into_iter().filter_map(Path::parent).collect();
        folders.dedup();
        let mut places = Vec::new();
        for folder in folders {
            let relative = folder.strip_prefix("/").unwrap_or(folder);
            places.push(folder.join(self.name));
            places.push(folder.join(".debug").join(self.name));
            places.extend(roots.iter().map(|root| root.join(relative).join(self.name)));
        }
        // A link to the file itself is no debug file.
        places.retain(|place| *place != real && place != path);
        places
    }
}

/// The checksum that `.gnu_debuglink` uses: CRC-32 as in zlib.
fn crc32(bytes: &[u8]) -> u32 {
    static TABLE: [u32; 256] = crc_table();
    let step = |crc: u32, byte: &u8| {
        let index = (crc ^ u32::from(*byte)) & 0xff;
        TABLE[index as usize] ^ (crc >> 8)
    };
    !bytes.iter().fold(!0, step)
}

const fn crc_table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut index = 0;
    while index < 256 {
        let mut value = index as u32;
        let mut bit = 0;
        while bit < 8 {
            value = (value >> 1) ^ if value & 1 == 1 { 0xedb8_8320 } else { 0 };
            bit += 1;
        }
        table[index] = value;
        index += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_checksum_is_the_one_of_zlib() {
        assert_eq!(super::crc32(b"123456789"), 0xcbf4_3926);
        assert_eq!(super::crc32(b""), 0);
    }
}
