//! OpenSSL's libcrypto 3: digests, ciphers, key derivation, big numbers, and
//! keys that are made, used and checked.
//!
//! What depends on nothing but the input is digested. A generated key, and a
//! signature with randomness in it, must verify and must not verify over other
//! data; nothing else is said about them.

mod api;
mod keys;
mod symmetric;

use crate::{Digest, Result, functions};
use api::Api;
use libloading::Library;
use std::path::Path;

/// A loaded libcrypto.
pub struct Crypto {
    api: Api,
    // The functions above are in it.
    _library: Library,
}

impl Crypto {
    /// Loads the libcrypto at `path`.
    pub fn load(path: &Path) -> Result<Self> {
        let library = functions::open(path)?;
        Ok(Self {
            api: Api::load(&library)?,
            _library: library,
        })
    }

    /// Runs the workload over data made from `seed` and digests the output
    /// that isn't random. Several threads may do this at a time.
    pub fn run(&self, seed: u64) -> Result<Digest> {
        let mut digest = Digest::new();
        let data: Vec<u8> = (0..20_000_u64)
            .map(|index| {
                (index
                    .wrapping_mul(seed | 1)
                    .wrapping_mul(0x9e37_79b9_7f4a_7c15)
                    >> 56) as u8
            })
            .collect();
        symmetric::run(&self.api, &data, &mut digest)?;
        keys::run(&self.api, &data, &mut digest)?;
        Ok(digest)
    }
}
