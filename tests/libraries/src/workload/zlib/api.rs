//! zlib's functions and structures, from `zlib.h`.

use crate::functions::functions;
use std::ffi::{c_char, c_int, c_long, c_uchar, c_uint, c_ulong, c_void};
use std::ptr;

pub(super) const OK: c_int = 0;
pub(super) const STREAM_END: c_int = 1;
pub(super) const NEED_DICT: c_int = 2;
pub(super) const NO_FLUSH: c_int = 0;
pub(super) const SYNC_FLUSH: c_int = 2;
pub(super) const FULL_FLUSH: c_int = 3;
pub(super) const FINISH: c_int = 4;
pub(super) const BLOCK: c_int = 5;
pub(super) const DEFLATED: c_int = 8;

/// `z_stream`.
#[repr(C)]
pub(super) struct Stream {
    pub(super) next_in: *const u8,
    pub(super) avail_in: c_uint,
    pub(super) total_in: c_ulong,
    pub(super) next_out: *mut u8,
    pub(super) avail_out: c_uint,
    pub(super) total_out: c_ulong,
    pub(super) msg: *const c_char,
    pub(super) state: *mut c_void,
    pub(super) zalloc: *const c_void,
    pub(super) zfree: *const c_void,
    pub(super) opaque: *mut c_void,
    pub(super) data_type: c_int,
    pub(super) adler: c_ulong,
    pub(super) reserved: c_ulong,
}

impl Stream {
    /// A stream for one of the `Init` functions, on the heap: zlib keeps its
    /// address and refuses a stream that has moved.
    pub(super) fn new() -> Box<Self> {
        Box::new(Self {
            next_in: ptr::null(),
            avail_in: 0,
            total_in: 0,
            next_out: ptr::null_mut(),
            avail_out: 0,
            total_out: 0,
            msg: ptr::null(),
            state: ptr::null_mut(),
            zalloc: ptr::null(),
            zfree: ptr::null(),
            opaque: ptr::null_mut(),
            data_type: 0,
            adler: 0,
            reserved: 0,
        })
    }
}

/// `sizeof(z_stream)`, which the `Init` functions compare.
pub(super) const STREAM_SIZE: c_int = size_of::<Stream>() as c_int;
/// The version asked for: only its first character is compared.
pub(super) const VERSION: *const c_char = c"1.2.11".as_ptr();

/// `gz_header`.
#[repr(C)]
pub(super) struct Header {
    pub(super) text: c_int,
    pub(super) time: c_ulong,
    pub(super) xflags: c_int,
    pub(super) os: c_int,
    pub(super) extra: *mut u8,
    pub(super) extra_len: c_uint,
    pub(super) extra_max: c_uint,
    pub(super) name: *mut u8,
    pub(super) name_max: c_uint,
    pub(super) comment: *mut u8,
    pub(super) comm_max: c_uint,
    pub(super) hcrc: c_int,
    pub(super) done: c_int,
}

/// `in_func` of `inflateBack`.
pub(super) type Input = unsafe extern "C" fn(*mut c_void, *mut *const c_uchar) -> c_uint;
/// `out_func` of `inflateBack`.
pub(super) type Output = unsafe extern "C" fn(*mut c_void, *mut c_uchar, c_uint) -> c_int;
/// `gzFile`.
pub(super) type File = *mut c_void;

functions! {
    /// The functions of zlib.
    pub(super) struct Api {
        fn zlibVersion() -> *const c_char;
        fn zlibCompileFlags() -> c_ulong;
        fn zError(c_int) -> *const c_char;
        fn get_crc_table() -> *const u32;
        fn adler32(c_ulong, *const u8, c_uint) -> c_ulong;
        fn adler32_z(c_ulong, *const u8, usize) -> c_ulong;
        fn adler32_combine(c_ulong, c_ulong, c_long) -> c_ulong;
        fn crc32(c_ulong, *const u8, c_uint) -> c_ulong;
        fn crc32_z(c_ulong, *const u8, usize) -> c_ulong;
        fn crc32_combine(c_ulong, c_ulong, c_long) -> c_ulong;
        fn crc32_combine_gen(c_long) -> c_ulong;
        fn crc32_combine_op(c_ulong, c_ulong, c_ulong) -> c_ulong;
        fn compress(*mut u8, *mut c_ulong, *const u8, c_ulong) -> c_int;
        fn compress2(*mut u8, *mut c_ulong, *const u8, c_ulong, c_int) -> c_int;
        fn compressBound(c_ulong) -> c_ulong;
        fn uncompress(*mut u8, *mut c_ulong, *const u8, c_ulong) -> c_int;
        fn uncompress2(*mut u8, *mut c_ulong, *const u8, *mut c_ulong) -> c_int;

        fn deflateInit_(*mut Stream, c_int, *const c_char, c_int) -> c_int;
        fn deflateInit2_(*mut Stream, c_int, c_int, c_int, c_int, c_int, *const c_char, c_int) -> c_int;
        fn deflate(*mut Stream, c_int) -> c_int;
        fn deflateEnd(*mut Stream) -> c_int;
        fn deflateBound(*mut Stream, c_ulong) -> c_ulong;
        fn deflateCopy(*mut Stream, *mut Stream) -> c_int;
        fn deflateGetDictionary(*mut Stream, *mut u8, *mut c_uint) -> c_int;
        fn deflateParams(*mut Stream, c_int, c_int) -> c_int;
        fn deflatePending(*mut Stream, *mut c_uint, *mut c_int) -> c_int;
        fn deflatePrime(*mut Stream, c_int, c_int) -> c_int;
        fn deflateReset(*mut Stream) -> c_int;
        fn deflateResetKeep(*mut Stream) -> c_int;
        fn deflateSetDictionary(*mut Stream, *const u8, c_uint) -> c_int;
        fn deflateSetHeader(*mut Stream, *mut Header) -> c_int;
        fn deflateTune(*mut Stream, c_int, c_int, c_int, c_int) -> c_int;

        fn inflateInit_(*mut Stream, *const c_char, c_int) -> c_int;
        fn inflateInit2_(*mut Stream, c_int, *const c_char, c_int) -> c_int;
        fn inflate(*mut Stream, c_int) -> c_int;
        fn inflateEnd(*mut Stream) -> c_int;
        fn inflateCodesUsed(*mut Stream) -> c_ulong;
        fn inflateCopy(*mut Stream, *mut Stream) -> c_int;
        fn inflateGetDictionary(*mut Stream, *mut u8, *mut c_uint) -> c_int;
        fn inflateGetHeader(*mut Stream, *mut Header) -> c_int;
        fn inflateMark(*mut Stream) -> c_long;
        fn inflatePrime(*mut Stream, c_int, c_int) -> c_int;
        fn inflateReset(*mut Stream) -> c_int;
        fn inflateReset2(*mut Stream, c_int) -> c_int;
        fn inflateResetKeep(*mut Stream) -> c_int;
        fn inflateSetDictionary(*mut Stream, *const u8, c_uint) -> c_int;
        fn inflateSync(*mut Stream) -> c_int;
        fn inflateSyncPoint(*mut Stream) -> c_int;
        fn inflateUndermine(*mut Stream, c_int) -> c_int;
        fn inflateValidate(*mut Stream, c_int) -> c_int;
        fn inflateBackInit_(*mut Stream, c_int, *mut u8, *const c_char, c_int) -> c_int;
        fn inflateBack(*mut Stream, Input, *mut c_void, Output, *mut c_void) -> c_int;
        fn inflateBackEnd(*mut Stream) -> c_int;

        fn gzopen(*const c_char, *const c_char) -> File;
        fn gzopen64(*const c_char, *const c_char) -> File;
        fn gzdopen(c_int, *const c_char) -> File;
        fn gzbuffer(File, c_uint) -> c_int;
        fn gzsetparams(File, c_int, c_int) -> c_int;
        fn gzread(File, *mut c_void, c_uint) -> c_int;
        fn gzfread(*mut c_void, usize, usize, File) -> usize;
        fn gzwrite(File, *const c_void, c_uint) -> c_int;
        fn gzfwrite(*const c_void, usize, usize, File) -> usize;
        fn gzprintf(File, *const c_char, ...) -> c_int;
        fn gzputs(File, *const c_char) -> c_int;
        fn gzgets(File, *mut c_char, c_int) -> *mut c_char;
        fn gzputc(File, c_int) -> c_int;
        fn gzgetc(File) -> c_int;
        fn gzungetc(c_int, File) -> c_int;
        fn gzflush(File, c_int) -> c_int;
        fn gzseek(File, c_long, c_int) -> c_long;
        fn gzrewind(File) -> c_int;
        fn gztell(File) -> c_long;
        fn gzoffset(File) -> c_long;
        fn gzeof(File) -> c_int;
        fn gzdirect(File) -> c_int;
        fn gzclose(File) -> c_int;
        fn gzclose_r(File) -> c_int;
        fn gzclose_w(File) -> c_int;
        fn gzerror(File, *mut c_int) -> *const c_char;
        fn gzclearerr(File);
    }
}
