//! zlib: every public function that a program can reach, once at least.
//!
//! Compresses and expands made-up data at several levels, strategies and
//! formats, through streams, in one go, with dictionaries, headers and copies,
//! from files, and in ways that must fail.

mod api;
mod checks;
mod ends;
mod files;
mod streams;

use crate::{Digest, Result, functions};
use api::Api;
use libloading::Library;
use std::path::Path;

/// A loaded zlib.
pub struct Zlib {
    api: Api,
    // The functions above are in it.
    _library: Library,
}

impl Zlib {
    /// Loads the zlib at `path`.
    pub fn load(path: &Path) -> Result<Self> {
        let library = functions::open(path)?;
        Ok(Self {
            api: Api::load(&library)?,
            _library: library,
        })
    }

    /// Runs the workload over `bytes` bytes made from `seed` and digests all
    /// output. Several threads may do this at a time.
    pub fn round_trip(&self, seed: u64, bytes: usize) -> Result<Digest> {
        let data = made_up(seed, bytes);
        let mut digest = Digest::new();
        checks::run(&self.api, &data, &mut digest)?;
        streams::run(&self.api, &data, &mut digest)?;
        files::run(&self.api, &data, &mut digest)?;
        Ok(digest)
    }
}

/// Data that compresses: words from a small vocabulary, some noise, some runs.
fn made_up(seed: u64, bytes: usize) -> Vec<u8> {
    const WORDS: [&[u8]; 8] = [
        b"the ",
        b"jump ",
        b"prologue ",
        b"of ",
        b"function ",
        b"is\n",
        b"patched ",
        b"live ",
    ];
    let mut state = seed ^ 0x9e37_79b9_7f4a_7c15;
    let mut data = Vec::with_capacity(bytes + 64);
    while data.len() < bytes {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let random = state >> 33;
        match random % 16 {
            0 => data.extend_from_slice(&state.to_le_bytes()),
            1 => data.extend(std::iter::repeat_n(b'=', (random >> 8) as usize % 60)),
            _ => data.extend_from_slice(WORDS[(random >> 8) as usize % WORDS.len()]),
        }
    }
    data.truncate(bytes);
    data
}
