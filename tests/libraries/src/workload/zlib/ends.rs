//! A stream that compresses and one that expands, ended when they are dropped.

use super::api::{Api, DEFLATED, FINISH, NO_FLUSH, OK, STREAM_END, STREAM_SIZE, Stream, VERSION};
use crate::Result;
use crate::error::Error;
use std::ffi::{c_int, c_uint};

/// Fails unless `code` is `OK`.
pub(super) fn expect_ok(what: &str, code: c_int) -> Result<()> {
    if code == OK {
        Ok(())
    } else {
        Err(Error::call(what, code))
    }
}

/// A stream that compresses.
pub(super) struct Deflate<'a> {
    pub(super) api: &'a Api,
    pub(super) stream: Box<Stream>,
}

impl<'a> Deflate<'a> {
    pub(super) fn new(
        api: &'a Api,
        level: c_int,
        window: c_int,
        memory: c_int,
        strategy: c_int,
    ) -> Result<Self> {
        let mut stream = Stream::new();
        // SAFETY: a stream that is all zero, and its size.
        let code = unsafe {
            (api.deflateInit2_)(
                &mut *stream,
                level,
                DEFLATED,
                window,
                memory,
                strategy,
                VERSION,
                STREAM_SIZE,
            )
        };
        expect_ok("deflateInit2", code)?;
        Ok(Self { api, stream })
    }

    /// Compresses `data` by steps of `step` bytes and ends the stream.
    pub(super) fn pack(mut self, data: &[u8], step: usize) -> Result<Vec<u8>> {
        let mut packed = Vec::new();
        for piece in data.chunks(step) {
            self.feed(piece, NO_FLUSH, &mut packed)?;
        }
        self.feed(&[], FINISH, &mut packed)?;
        Ok(packed)
    }

    /// Compresses `piece` and takes all the output there is.
    pub(super) fn feed(&mut self, piece: &[u8], flush: c_int, packed: &mut Vec<u8>) -> Result<()> {
        let mut room = [0; 2048];
        self.stream.next_in = piece.as_ptr();
        self.stream.avail_in = piece.len() as c_uint;
        loop {
            self.stream.next_out = room.as_mut_ptr();
            self.stream.avail_out = room.len() as c_uint;
            // SAFETY: input and output are as long as the stream says.
            let code = unsafe { (self.api.deflate)(&mut *self.stream, flush) };
            let left = self.stream.avail_out as usize;
            packed.extend_from_slice(&room[..room.len() - left]);
            match code {
                STREAM_END => return Ok(()),
                // No progress possible: all is out.
                OK | -5 if left > 0 => return Ok(()),
                OK => {}
                _ => return Err(Error::call("deflate", code)),
            }
        }
    }
}

impl Drop for Deflate<'_> {
    fn drop(&mut self) {
        // SAFETY: the stream was initialised; an unfinished one is reported by a code nobody needs.
        unsafe { (self.api.deflateEnd)(&mut *self.stream) };
    }
}

/// A stream that expands.
pub(super) struct Inflate<'a> {
    pub(super) api: &'a Api,
    pub(super) stream: Box<Stream>,
}

impl<'a> Inflate<'a> {
    pub(super) fn new(api: &'a Api, window: c_int) -> Result<Self> {
        let mut stream = Stream::new();
        // SAFETY: a stream that is all zero, and its size.
        let code = unsafe { (api.inflateInit2_)(&mut *stream, window, VERSION, STREAM_SIZE) };
        expect_ok("inflateInit2", code)?;
        Ok(Self { api, stream })
    }

    /// Sets the input, which must outlive the calls that follow.
    pub(super) fn input(&mut self, packed: &[u8]) {
        self.stream.next_in = packed.as_ptr();
        self.stream.avail_in = packed.len() as c_uint;
    }

    /// Expands at most `most` bytes; the code comes with them.
    pub(super) fn step(&mut self, flush: c_int, most: usize) -> (c_int, Vec<u8>) {
        let mut room = vec![0; most];
        self.stream.next_out = room.as_mut_ptr();
        self.stream.avail_out = most as c_uint;
        // SAFETY: input and output are as long as the stream says.
        let code = unsafe { (self.api.inflate)(&mut *self.stream, flush) };
        room.truncate(most - self.stream.avail_out as usize);
        (code, room)
    }

    /// Expands until the end of the stream or an error.
    pub(super) fn rest(&mut self, most: usize) -> (c_int, Vec<u8>) {
        let mut plain = Vec::new();
        loop {
            let (code, piece) = self.step(NO_FLUSH, most);
            let stuck = piece.is_empty() && self.stream.avail_in == 0;
            plain.extend(piece);
            if code != OK || stuck {
                return (code, plain);
            }
        }
    }
}

impl Drop for Inflate<'_> {
    fn drop(&mut self) {
        // SAFETY: the stream was initialised.
        unsafe { (self.api.inflateEnd)(&mut *self.stream) };
    }
}
