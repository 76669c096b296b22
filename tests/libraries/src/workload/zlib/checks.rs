//! Checksums, and compression of a whole buffer in one call.

use super::api::{Api, OK};
use crate::error::{Error, ensure};
use crate::{Digest, Result};
use std::ffi::{CStr, c_int, c_long, c_uint, c_ulong};

/// Runs all of it.
pub(super) fn run(api: &Api, data: &[u8], digest: &mut Digest) -> Result<()> {
    about(api, digest);
    sums(api, data, digest)?;
    for level in [-1, 0, 1, 6, 9] {
        at_once(api, data, level, digest)?;
    }
    too_small(api, data, digest);
    Ok(())
}

fn about(api: &Api, digest: &mut Digest) {
    // SAFETY: these have no arguments but a number, and return strings and a table that stay.
    unsafe {
        digest.bytes(CStr::from_ptr((api.zlibVersion)()).to_bytes());
        digest.number((api.zlibCompileFlags)());
        digest.number(u64::from(*(api.get_crc_table)().add(255)));
        for code in -6..=2 {
            digest.bytes(CStr::from_ptr((api.zError)(code)).to_bytes());
        }
    }
}

/// Both sums in pieces, at once, and combined: all three must agree.
fn sums(api: &Api, data: &[u8], digest: &mut Digest) -> Result<()> {
    let (head, tail) = data.split_at(data.len() / 3);
    let length = tail.len() as c_long;
    // SAFETY: each pointer goes with the length of its slice; null asks for the initial value.
    unsafe {
        let whole = (api.adler32_z)(
            (api.adler32)(0, std::ptr::null(), 0),
            data.as_ptr(),
            data.len(),
        );
        let a = (api.adler32)(1, head.as_ptr(), head.len() as c_uint);
        let b = (api.adler32)(1, tail.as_ptr(), tail.len() as c_uint);
        ensure(
            (api.adler32_combine)(a, b, length) == whole,
            "adler32 of the parts",
        )?;
        digest.number(whole);

        let whole = (api.crc32_z)(
            (api.crc32)(0, std::ptr::null(), 0),
            data.as_ptr(),
            data.len(),
        );
        let a = (api.crc32)(0, head.as_ptr(), head.len() as c_uint);
        let b = (api.crc32)(0, tail.as_ptr(), tail.len() as c_uint);
        ensure(
            (api.crc32_combine)(a, b, length) == whole,
            "crc32 of the parts",
        )?;
        let operator = (api.crc32_combine_gen)(length);
        ensure(
            (api.crc32_combine_op)(a, b, operator) == whole,
            "crc32 by an operator",
        )?;
        digest.number(whole);

        // Short and unaligned pieces take other paths.
        for start in 0..data.len().min(40) {
            let piece = &data[start..data.len().min(start * 2 + 1)];
            digest.number((api.adler32)(1, piece.as_ptr(), piece.len() as c_uint));
            digest.number((api.crc32)(0, piece.as_ptr(), piece.len() as c_uint));
        }
    }
    Ok(())
}

fn at_once(api: &Api, data: &[u8], level: c_int, digest: &mut Digest) -> Result<()> {
    let length = data.len() as c_ulong;
    // SAFETY: a function of one number.
    let bound = unsafe { (api.compressBound)(length) };
    let mut packed = vec![0; bound as usize];
    let mut packed_length = bound;
    let (to, from) = (packed.as_mut_ptr(), data.as_ptr());
    // SAFETY: each buffer has the length that goes with it.
    let code = unsafe {
        if level < 0 {
            (api.compress)(to, &mut packed_length, from, length)
        } else {
            (api.compress2)(to, &mut packed_length, from, length, level)
        }
    };
    if code != OK {
        return Err(Error::call(format!("compress at level {level}"), code));
    }
    packed.truncate(packed_length as usize);
    digest.bytes(&packed);

    let mut plain = vec![0; data.len()];
    let (mut plain_length, mut used) = (length, packed_length);
    // SAFETY: each buffer has the length that goes with it.
    let code =
        unsafe { (api.uncompress)(plain.as_mut_ptr(), &mut plain_length, packed.as_ptr(), used) };
    ensure(code == OK && plain == data, "what uncompress gives back")?;
    plain.fill(0);
    // SAFETY: as above.
    let code = unsafe {
        (api.uncompress2)(
            plain.as_mut_ptr(),
            &mut plain_length,
            packed.as_ptr(),
            &mut used,
        )
    };
    ensure(
        code == OK && plain == data && used == packed_length,
        "what uncompress2 gives back",
    )
}

/// Buffers too small, and garbage: the codes are part of the output.
fn too_small(api: &Api, data: &[u8], digest: &mut Digest) {
    let mut small = [0_u8; 4];
    let mut length = small.len() as c_ulong;
    let to = small.as_mut_ptr();
    // SAFETY: the buffers have the lengths given.
    unsafe {
        digest.code((api.compress)(
            to,
            &mut length,
            data.as_ptr(),
            data.len() as c_ulong,
        ));
        length = small.len() as c_ulong;
        digest.code((api.uncompress)(
            to,
            &mut length,
            data.as_ptr(),
            data.len() as c_ulong,
        ));
        digest.number(length);
    }
}
