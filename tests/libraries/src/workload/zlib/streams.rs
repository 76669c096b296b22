//! Compression by streams: levels, strategies, formats, flushes, dictionaries,
//! headers, copies, damaged input, and `inflateBack`.

use super::api::{
    Api, BLOCK, FINISH, FULL_FLUSH, Header, NEED_DICT, NO_FLUSH, OK, STREAM_END, STREAM_SIZE,
    SYNC_FLUSH, Stream, VERSION,
};
use super::ends::{Deflate, Inflate, expect_ok};
use crate::error::{Error, ensure};
use crate::{Digest, Result};
use std::ffi::{c_int, c_uchar, c_uint, c_ulong, c_void};

/// Raw, zlib and gzip.
const FORMATS: [c_int; 3] = [-15, 15, 31];
const DICTIONARY: &[u8] = b"the jump of the prologue of the function is patched live";

/// Runs all of it.
pub(super) fn run(api: &Api, data: &[u8], digest: &mut Digest) -> Result<()> {
    for level in 0..=9 {
        let format = FORMATS[level as usize % 3];
        let packed = Deflate::new(api, level, format, 8, 0)?.pack(data, 4096)?;
        digest.bytes(&packed);
        unpack(api, &packed, format, data)?;
    }
    // Filtered, Huffman only, runs, fixed codes; and small windows and memory.
    for strategy in 1..=4 {
        let packed = Deflate::new(api, 6, 9 + strategy, strategy, strategy)?.pack(data, 777)?;
        digest.bytes(&packed);
        unpack(api, &packed, 15, data)?;
    }
    flushes(api, data, digest)?;
    dictionary(api, data, digest)?;
    header(api, data, digest)?;
    copies(api, data, digest)?;
    damage(api, data, digest)?;
    back(api, data, digest)
}

/// Expands `packed` in one format and compares.
fn unpack(api: &Api, packed: &[u8], window: c_int, data: &[u8]) -> Result<()> {
    let mut inflate = Inflate::new(api, window)?;
    inflate.input(packed);
    let (code, plain) = inflate.rest(1500);
    ensure(
        code == STREAM_END && plain == data,
        format!("what inflate gives back ({code})"),
    )
}

/// Every flush, changes of level in the middle, and the stream's own tuning.
fn flushes(api: &Api, data: &[u8], digest: &mut Digest) -> Result<()> {
    let mut deflate = Deflate::new(api, 1, 15, 9, 0)?;
    let stream: *mut Stream = &mut *deflate.stream;
    let (mut pending, mut bits) = (0, 0);
    // SAFETY: the stream was initialised and stays where it is.
    unsafe {
        expect_ok("deflateTune", (api.deflateTune)(stream, 4, 5, 16, 8))?;
        digest.number((api.deflateBound)(stream, data.len() as c_ulong));
    }
    let mut packed = Vec::new();
    for (index, piece) in data.chunks(data.len() / 7 + 1).enumerate() {
        let flush = [NO_FLUSH, 1, SYNC_FLUSH, FULL_FLUSH, BLOCK][index % 5];
        deflate.feed(piece, flush, &mut packed)?;
        let mut room = [0; 4096];
        deflate.stream.next_out = room.as_mut_ptr();
        deflate.stream.avail_out = room.len() as c_uint;
        // SAFETY: as above, and there is room for what a change of level flushes.
        let code = unsafe {
            (api.deflatePending)(&mut *deflate.stream, &mut pending, &mut bits);
            (api.deflateParams)(
                &mut *deflate.stream,
                1 + index as c_int % 9,
                index as c_int % 3,
            )
        };
        let left = deflate.stream.avail_out as usize;
        packed.extend_from_slice(&room[..room.len() - left]);
        digest.code(code);
        digest.number(u64::from(pending) * 8 + bits as u64);
    }
    deflate.feed(&[], FINISH, &mut packed)?;
    digest.bytes(&packed);
    unpack(api, &packed, 15, data)
}

/// A dictionary on both sides, asked for where the format allows it.
fn dictionary(api: &Api, data: &[u8], digest: &mut Digest) -> Result<()> {
    let length = DICTIONARY.len() as c_uint;
    let mut deflate = Deflate::new(api, 9, 15, 8, 0)?;
    // SAFETY: the stream was initialised; the dictionary has that length.
    let code =
        unsafe { (api.deflateSetDictionary)(&mut *deflate.stream, DICTIONARY.as_ptr(), length) };
    expect_ok("deflateSetDictionary", code)?;
    let mut window = vec![0; 32768];
    let mut held: c_uint = 0;
    // SAFETY: a window has at most 32 KiB.
    let code =
        unsafe { (api.deflateGetDictionary)(&mut *deflate.stream, window.as_mut_ptr(), &mut held) };
    expect_ok("deflateGetDictionary", code)?;
    digest.bytes(&window[..held as usize]);
    let packed = deflate.pack(data, 3000)?;
    digest.bytes(&packed);

    let mut inflate = Inflate::new(api, 15)?;
    inflate.input(&packed);
    let (code, _) = inflate.step(NO_FLUSH, 100);
    if code != NEED_DICT {
        return Err(Error::call("inflate without its dictionary", code));
    }
    // SAFETY: the stream was initialised; a wrong dictionary is refused, the right one taken.
    let (wrong, right) = unsafe {
        (
            (api.inflateSetDictionary)(&mut *inflate.stream, DICTIONARY.as_ptr(), length - 1),
            (api.inflateSetDictionary)(&mut *inflate.stream, DICTIONARY.as_ptr(), length),
        )
    };
    digest.code(wrong);
    expect_ok("inflateSetDictionary", right)?;
    let (code, plain) = inflate.rest(5000);
    ensure(
        code == STREAM_END && plain == data,
        "what a dictionary gives back",
    )?;
    // SAFETY: a window has at most 32 KiB.
    let code =
        unsafe { (api.inflateGetDictionary)(&mut *inflate.stream, window.as_mut_ptr(), &mut held) };
    expect_ok("inflateGetDictionary", code)?;
    digest.bytes(&window[..held as usize]);
    Ok(())
}

/// A gzip header with all its fields, there and back.
fn header(api: &Api, data: &[u8], digest: &mut Digest) -> Result<()> {
    let mut extra = *b"ab\x04\x00more";
    let mut name = *b"prologue.txt\0";
    let mut comment = *b"a comment\0";
    let mut written = Header {
        text: 1,
        time: 1_700_000_000,
        xflags: 0,
        os: 3,
        extra: extra.as_mut_ptr(),
        extra_len: extra.len() as c_uint,
        extra_max: 0,
        name: name.as_mut_ptr(),
        name_max: 0,
        comment: comment.as_mut_ptr(),
        comm_max: 0,
        hcrc: 1,
        done: 0,
    };
    let mut deflate = Deflate::new(api, 5, 31, 8, 0)?;
    // SAFETY: the header and its strings outlive the stream's use of them.
    let code = unsafe { (api.deflateSetHeader)(&mut *deflate.stream, &mut written) };
    expect_ok("deflateSetHeader", code)?;
    let packed = deflate.pack(data, 1 << 16)?;
    digest.bytes(&packed);

    let (mut extra, mut name, mut comment) = ([0; 32], [0; 32], [0; 32]);
    let mut read = Header {
        extra: extra.as_mut_ptr(),
        extra_max: 32,
        name: name.as_mut_ptr(),
        name_max: 32,
        comment: comment.as_mut_ptr(),
        comm_max: 32,
        ..written
    };
    let mut inflate = Inflate::new(api, 47)?;
    // SAFETY: as above.
    let code = unsafe { (api.inflateGetHeader)(&mut *inflate.stream, &mut read) };
    expect_ok("inflateGetHeader", code)?;
    inflate.input(&packed);
    let (code, plain) = inflate.rest(1 << 16);
    ensure(
        code == STREAM_END && plain == data,
        "what a gzip header gives back",
    )?;
    for field in [extra, name, comment] {
        digest.bytes(&field);
    }
    digest.number(read.time);
    Ok(())
}

/// Copies and resets in the middle; bits put in by hand.
fn copies(api: &Api, data: &[u8], digest: &mut Digest) -> Result<()> {
    let (head, tail) = data.split_at(data.len() / 2);
    let mut deflate = Deflate::new(api, 6, -15, 8, 0)?;
    let mut packed = Vec::new();
    deflate.feed(head, SYNC_FLUSH, &mut packed)?;
    let mut copy = Deflate {
        api,
        stream: Stream::new(),
    };
    // SAFETY: the source was initialised; the copy is, by this.
    let code = unsafe { (api.deflateCopy)(&mut *copy.stream, &mut *deflate.stream) };
    expect_ok("deflateCopy", code)?;
    let mut again = packed.clone();
    for (stream, to) in [(&mut deflate, &mut packed), (&mut copy, &mut again)] {
        stream.feed(tail, FINISH, to)?;
    }
    ensure(packed == again, "what a copied stream compresses to")?;
    digest.bytes(&packed);
    // SAFETY: the streams were initialised.
    unsafe {
        digest.code((api.deflateResetKeep)(&mut *copy.stream));
        digest.code((api.deflateReset)(&mut *deflate.stream));
        digest.code((api.deflatePrime)(&mut *deflate.stream, 3, 2));
    }

    let mut inflate = Inflate::new(api, -15)?;
    inflate.input(&packed);
    let (_, mut plain) = inflate.step(BLOCK, head.len() / 2 + 1);
    let mut copy = Inflate {
        api,
        stream: Stream::new(),
    };
    // SAFETY: the source was initialised; the copy is, by this.
    unsafe {
        expect_ok(
            "inflateCopy",
            (api.inflateCopy)(&mut *copy.stream, &mut *inflate.stream),
        )?;
        digest.code((api.inflateMark)(&mut *inflate.stream));
        digest.number((api.inflateCodesUsed)(&mut *inflate.stream));
        digest.code((api.inflateSyncPoint)(&mut *inflate.stream));
    }
    let mut again = plain.clone();
    plain.extend(inflate.rest(999).1);
    again.extend(copy.rest(3333).1);
    ensure(
        plain == data && again == data,
        "what a copied stream expands to",
    )?;
    // SAFETY: the stream was initialised.
    unsafe {
        digest.code((api.inflateReset)(&mut *inflate.stream));
        digest.code((api.inflatePrime)(&mut *inflate.stream, 5, 3));
        digest.code((api.inflateResetKeep)(&mut *inflate.stream));
        digest.code((api.inflateReset2)(&mut *inflate.stream, 47));
        digest.code((api.inflateReset2)(&mut *inflate.stream, 99));
        digest.code((api.inflateUndermine)(&mut *inflate.stream, 1));
        digest.code((api.inflateValidate)(&mut *inflate.stream, 0));
    }
    Ok(())
}

/// Input with one byte changed, at many places; recovery at the next flush.
fn damage(api: &Api, data: &[u8], digest: &mut Digest) -> Result<()> {
    let mut deflate = Deflate::new(api, 6, 15, 8, 0)?;
    let mut packed = Vec::new();
    for piece in data.chunks(data.len() / 4 + 1) {
        deflate.feed(piece, FULL_FLUSH, &mut packed)?;
    }
    deflate.feed(&[], FINISH, &mut packed)?;

    for place in (0..packed.len()).step_by(packed.len() / 24 + 1) {
        let mut damaged = packed.clone();
        damaged[place] ^= 0x55;
        let mut inflate = Inflate::new(api, 15)?;
        inflate.input(&damaged);
        let (code, plain) = inflate.rest(4096);
        digest.code(code);
        digest.bytes(&plain);
        // SAFETY: the stream was initialised, its input is still there.
        let found = unsafe { (api.inflateSync)(&mut *inflate.stream) };
        digest.code(found);
        if found == OK {
            let (code, plain) = inflate.rest(4096);
            digest.code(code);
            digest.bytes(&plain);
        }
    }
    // And the two plain Init functions, one of them with a wrong version.
    let mut stream = Stream::new();
    // SAFETY: each stream is initialised before it is ended.
    unsafe {
        digest.code((api.deflateInit_)(
            &mut *stream,
            6,
            c"9".as_ptr(),
            STREAM_SIZE,
        ));
        expect_ok(
            "deflateInit",
            (api.deflateInit_)(&mut *stream, 6, VERSION, STREAM_SIZE),
        )?;
        digest.code((api.deflateEnd)(&mut *stream));
        expect_ok(
            "inflateInit",
            (api.inflateInit_)(&mut *stream, VERSION, STREAM_SIZE),
        )?;
        digest.code((api.inflateEnd)(&mut *stream));
        digest.code((api.inflateEnd)(&mut *stream));
    }
    Ok(())
}

/// `inflateBack`, which calls back for input and output.
fn back(api: &Api, data: &[u8], digest: &mut Digest) -> Result<()> {
    unsafe extern "C" fn input(packed: *mut c_void, piece: *mut *const c_uchar) -> c_uint {
        // SAFETY: the pointer that was given to inflateBack together with this function.
        let packed = unsafe { &mut *packed.cast::<&[u8]>() };
        let (head, tail) = packed.split_at(packed.len().min(500));
        *packed = tail;
        // SAFETY: zlib passes a place for the pointer.
        unsafe { piece.write(head.as_ptr()) };
        head.len() as c_uint
    }
    unsafe extern "C" fn output(plain: *mut c_void, from: *mut c_uchar, length: c_uint) -> c_int {
        // SAFETY: the pointer given with this function, and zlib's window of that length.
        unsafe {
            (*plain.cast::<Vec<u8>>())
                .extend_from_slice(std::slice::from_raw_parts(from, length as usize));
        }
        0
    }
    let packed = Deflate::new(api, 7, -15, 8, 0)?.pack(data, 10_000)?;
    let (mut rest, mut plain) = (packed.as_slice(), Vec::<u8>::new());
    let mut window = vec![0; 1 << 15];
    let mut stream = Stream::new();
    // SAFETY: the window has 2 to the 15 bytes; each pointer has the type its function expects.
    let code = unsafe {
        let code =
            (api.inflateBackInit_)(&mut *stream, 15, window.as_mut_ptr(), VERSION, STREAM_SIZE);
        expect_ok("inflateBackInit", code)?;
        let code = (api.inflateBack)(
            &mut *stream,
            input,
            (&raw mut rest).cast(),
            output,
            (&raw mut plain).cast(),
        );
        digest.code((api.inflateBackEnd)(&mut *stream));
        code
    };
    ensure(
        code == STREAM_END && plain == data,
        "what inflateBack gives back",
    )
}
