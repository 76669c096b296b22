//! The `gz` functions: stdio over compressed files.

use super::api::{Api, FINISH, File, SYNC_FLUSH};
use crate::error::{Error, ensure};
use crate::temporary::Folder;
use crate::{Digest, Result};
use std::ffi::{CStr, c_char, c_int, c_long, c_uint};
use std::os::fd::IntoRawFd;
use std::ptr;

/// Runs all of it, in a folder of its own.
pub(super) fn run(api: &Api, data: &[u8], digest: &mut Digest) -> Result<()> {
    let folder = Folder::new()?;
    let path = folder.file("data.gz");
    let size = write(api, &path, data)?;
    digest.number(size as u64);
    read(api, &path, data, digest)?;
    append(api, &path, digest)?;
    transparent(api, &folder.file("plain.txt"), digest)?;
    missing(api, &folder.file("missing.gz"), digest)
}

fn opened(file: File) -> Result<File> {
    if file.is_null() {
        Err(Error::call("gzopen", 0))
    } else {
        Ok(file)
    }
}

/// Writes in every way there is, and says how much was written.
fn write(api: &Api, path: &CStr, data: &[u8]) -> Result<c_long> {
    // SAFETY: an open file until it is closed; each buffer has the length given; the format asks for what it gets.
    unsafe {
        let file = opened((api.gzopen64)(path.as_ptr(), c"wb6".as_ptr()))?;
        (api.gzbuffer)(file, 1 << 14);
        for (index, piece) in data.chunks(data.len() / 5 + 1).enumerate() {
            let length = piece.len() as c_uint;
            let written = match index % 2 {
                0 => (api.gzwrite)(file, piece.as_ptr().cast(), length) as usize,
                _ => (api.gzfwrite)(piece.as_ptr().cast(), 1, piece.len(), file),
            };
            ensure(written == piece.len(), "what gzwrite took")?;
            (api.gzsetparams)(file, 1 + index as c_int, index as c_int % 4);
        }
        (api.gzputc)(file, c_int::from(b'\n'));
        (api.gzputs)(file, c"a line put\n".as_ptr());
        (api.gzprintf)(
            file,
            c"%d %s %.3f\n".as_ptr(),
            42 as c_int,
            c"printed".as_ptr(),
            2.5_f64,
        );
        (api.gzflush)(file, SYNC_FLUSH);
        (api.gzseek)(file, 100, 1);
        (api.gzputs)(file, c"behind zeros\n".as_ptr());
        (api.gzflush)(file, FINISH);
        let size = (api.gztell)(file);
        let code = (api.gzclose_w)(file);
        ensure(code == 0, "what gzclose_w returned")?;
        Ok(size)
    }
}

fn read(api: &Api, path: &CStr, data: &[u8], digest: &mut Digest) -> Result<()> {
    let mut plain = vec![0_u8; data.len()];
    let mut line = [0 as c_char; 80];
    // SAFETY: an open file until it is closed; each buffer has the length given.
    unsafe {
        let file = opened((api.gzopen)(path.as_ptr(), c"rb".as_ptr()))?;
        (api.gzbuffer)(file, 1 << 13);
        digest.code((api.gzdirect)(file));
        let half = data.len() / 2;
        let read = (api.gzread)(file, plain.as_mut_ptr().cast(), half as c_uint);
        ensure(read as usize == half, "what gzread gave")?;
        let read = (api.gzfread)(
            plain[half..].as_mut_ptr().cast(),
            1,
            data.len() - half,
            file,
        );
        ensure(
            read == data.len() - half && plain == data,
            "what gzfread gave",
        )?;
        while !(api.gzgets)(file, line.as_mut_ptr(), line.len() as c_int).is_null() {
            digest.bytes(CStr::from_ptr(line.as_ptr()).to_bytes());
        }
        digest.code((api.gzeof)(file));
        digest.code((api.gztell)(file));
        digest.code((api.gzoffset)(file));
        (api.gzrewind)(file);
        for place in [0, 10, 5, half as c_long] {
            digest.code((api.gzseek)(file, place, 0));
            let byte = (api.gzgetc)(file);
            digest.code(byte);
            digest.code((api.gzungetc)(byte, file));
            digest.code((api.gzgetc)(file));
        }
        digest.code((api.gzclose_r)(file));
    }
    Ok(())
}

/// Appends a second member through a descriptor and reads past the first.
fn append(api: &Api, path: &CStr, digest: &mut Digest) -> Result<()> {
    let name = std::path::Path::new(path.to_str().expect("a temporary path is text"));
    let opened_file = std::fs::OpenOptions::new()
        .append(true)
        .open(name)
        .map_err(|source| Error::File {
            path: name.to_path_buf(),
            source,
        })?;
    // SAFETY: the descriptor is the file's from here on; each is closed once.
    unsafe {
        let file = opened((api.gzdopen)(opened_file.into_raw_fd(), c"ab9".as_ptr()))?;
        digest.code((api.gzputs)(file, c"a second member\n".as_ptr()));
        digest.code((api.gzclose)(file));
        let file = opened((api.gzopen)(path.as_ptr(), c"rb".as_ptr()))?;
        let mut room = [0_u8; 4096];
        loop {
            let read = (api.gzread)(file, room.as_mut_ptr().cast(), room.len() as c_uint);
            if read <= 0 {
                digest.code(read);
                break;
            }
            digest.bytes(&room[..read as usize]);
        }
        digest.code((api.gzclose)(file));
    }
    Ok(())
}

/// A file that isn't compressed is read as it is; one that is cut off fails.
fn transparent(api: &Api, path: &CStr, digest: &mut Digest) -> Result<()> {
    let name = std::path::Path::new(path.to_str().expect("a temporary path is text"));
    for content in [
        &b"no compression here\n"[..],
        b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\x4b",
    ] {
        std::fs::write(name, content).map_err(|source| Error::File {
            path: name.to_path_buf(),
            source,
        })?;
        let mut room = [0_u8; 64];
        let mut code = 0;
        // SAFETY: an open file until it is closed; the message lives as long as the file.
        unsafe {
            let file = opened((api.gzopen)(path.as_ptr(), c"rb".as_ptr()))?;
            digest.code((api.gzread)(file, room.as_mut_ptr().cast(), 64));
            digest.bytes(&room);
            digest.code((api.gzdirect)(file));
            let message = CStr::from_ptr((api.gzerror)(file, &mut code)).to_string_lossy();
            // The message begins with the path, which is another each time.
            digest.bytes(message.rsplit(": ").next().unwrap_or_default().as_bytes());
            digest.code(code);
            (api.gzclearerr)(file);
            digest.code((api.gzclose)(file));
        }
    }
    Ok(())
}

fn missing(api: &Api, path: &CStr, digest: &mut Digest) -> Result<()> {
    // SAFETY: what is not a file is refused by every one of these.
    unsafe {
        ensure(
            (api.gzopen)(path.as_ptr(), c"rb".as_ptr()).is_null(),
            "a missing file",
        )?;
        ensure(
            (api.gzopen)(path.as_ptr(), c"zz".as_ptr()).is_null(),
            "a wrong mode",
        )?;
        digest.code((api.gzread)(ptr::null_mut(), ptr::null_mut(), 1));
        digest.code((api.gzclose)(ptr::null_mut()));
    }
    Ok(())
}
