//! Keys: RSA, two elliptic curves, Ed25519 and X25519.

use super::api::{Api, Handle, Owned};
use crate::error::ensure;
use crate::{Digest, Result};
use std::ffi::{CStr, c_int};
use std::ptr;

// The NIDs of `obj_mac.h`.
const RSA: c_int = 6;
const EC: c_int = 408;
const X25519: c_int = 1034;
const ED25519: c_int = 1087;

/// Runs all of it.
pub(super) fn run(api: &Api, data: &[u8], digest: &mut Digest) -> Result<()> {
    let mut random = [0; 32];
    // SAFETY: the buffer has 32 bytes.
    api.done("RAND_bytes", unsafe {
        (api.RAND_bytes)(random.as_mut_ptr(), 32)
    })?;

    let rsa = generate(api, RSA, Some((c"rsa_keygen_bits", c"1024")))?;
    sign_and_verify(api, &rsa, Some(c"SHA256"), data, None)?;
    encrypt_and_decrypt(api, &rsa, &random)?;
    reload(api, &rsa, data)?;
    for curve in [c"P-256", c"P-384", c"secp256k1"] {
        let key = generate(api, EC, Some((c"ec_paramgen_curve", curve)))?;
        sign_and_verify(api, &key, Some(c"SHA384"), data, None)?;
        agree(
            api,
            &key,
            &generate(api, EC, Some((c"ec_paramgen_curve", curve)))?,
        )?;
    }
    // From fixed bytes, Ed25519 and X25519 have one right answer.
    let key = fixed(api, ED25519, &data[..32])?;
    sign_and_verify(api, &key, None, data, Some(&mut *digest))?;
    public(api, &key, digest)?;
    let (one, two) = (
        fixed(api, X25519, &data[..32])?,
        fixed(api, X25519, &data[32..64])?,
    );
    public(api, &one, digest)?;
    digest.bytes(&agree(api, &one, &two)?);
    Ok(())
}

/// A new key of a kind, with one option set.
fn generate(api: &Api, kind: c_int, option: Option<(&CStr, &CStr)>) -> Result<Owned> {
    let mut key = ptr::null_mut();
    // SAFETY: the context is live until dropped; options are strings.
    unsafe {
        let context = (api.EVP_PKEY_CTX_new_id)(kind, ptr::null_mut());
        let context = Owned::new(
            api.some("EVP_PKEY_CTX_new_id", context)?,
            api.EVP_PKEY_CTX_free,
        );
        api.done(
            "EVP_PKEY_keygen_init",
            (api.EVP_PKEY_keygen_init)(context.handle),
        )?;
        if let Some((name, value)) = option {
            let code = (api.EVP_PKEY_CTX_ctrl_str)(context.handle, name.as_ptr(), value.as_ptr());
            api.done(&name.to_string_lossy(), code)?;
        }
        api.done(
            "EVP_PKEY_keygen",
            (api.EVP_PKEY_keygen)(context.handle, &mut key),
        )?;
    }
    Ok(Owned::new(key, api.EVP_PKEY_free))
}

/// The key whose private half is `bytes`.
fn fixed(api: &Api, kind: c_int, bytes: &[u8]) -> Result<Owned> {
    // SAFETY: the bytes have the length given.
    let key = unsafe {
        (api.EVP_PKEY_new_raw_private_key)(kind, ptr::null_mut(), bytes.as_ptr(), bytes.len())
    };
    Ok(Owned::new(
        api.some("EVP_PKEY_new_raw_private_key", key)?,
        api.EVP_PKEY_free,
    ))
}

/// Digests the public half of a key that has raw bytes.
fn public(api: &Api, key: &Owned, digest: &mut Digest) -> Result<()> {
    let (mut bytes, mut length) = ([0; 64], 64);
    // SAFETY: the buffer has the length given.
    let code =
        unsafe { (api.EVP_PKEY_get_raw_public_key)(key.handle, bytes.as_mut_ptr(), &mut length) };
    api.done("EVP_PKEY_get_raw_public_key", code)?;
    digest.bytes(&bytes[..length]);
    Ok(())
}

/// Signs, and verifies over the same data and over other data. The signature
/// is digested where it isn't random.
fn sign_and_verify(
    api: &Api,
    key: &Owned,
    hash: Option<&CStr>,
    data: &[u8],
    digest: Option<&mut Digest>,
) -> Result<()> {
    let (mut signature, mut length) = ([0; 512], 512);
    let none = ptr::null_mut();
    // SAFETY: contexts are live until dropped; all buffers have the lengths given.
    unsafe {
        let hash: Handle = hash.map_or(none, |name| (api.EVP_get_digestbyname)(name.as_ptr()));
        let context = Owned::new((api.EVP_MD_CTX_new)(), api.EVP_MD_CTX_free);
        let c = context.handle;
        let code = (api.EVP_DigestSignInit)(c, ptr::null_mut(), hash, none, key.handle);
        api.done("EVP_DigestSignInit", code)?;
        let to = signature.as_mut_ptr();
        let code = (api.EVP_DigestSign)(c, to, &mut length, data.as_ptr(), data.len());
        api.done("EVP_DigestSign", code)?;

        for other in [false, true] {
            let data = &data[usize::from(other)..];
            let context = Owned::new((api.EVP_MD_CTX_new)(), api.EVP_MD_CTX_free);
            let c = context.handle;
            let code = (api.EVP_DigestVerifyInit)(c, ptr::null_mut(), hash, none, key.handle);
            api.done("EVP_DigestVerifyInit", code)?;
            let code =
                (api.EVP_DigestVerify)(c, signature.as_ptr(), length, data.as_ptr(), data.len());
            ensure((code == 1) != other, "whether a signature verifies")?;
        }
    }
    if let Some(digest) = digest {
        digest.bytes(&signature[..length]);
    }
    Ok(())
}

fn encrypt_and_decrypt(api: &Api, key: &Owned, message: &[u8]) -> Result<()> {
    let (mut sealed, mut sealed_length) = ([0; 512], 512);
    let (mut opened, mut opened_length) = ([0; 512], 512);
    // SAFETY: the context is live until dropped; all buffers have the lengths given.
    unsafe {
        let context = (api.EVP_PKEY_CTX_new)(key.handle, ptr::null_mut());
        let context = Owned::new(
            api.some("EVP_PKEY_CTX_new", context)?,
            api.EVP_PKEY_CTX_free,
        );
        let c = context.handle;
        api.done("EVP_PKEY_encrypt_init", (api.EVP_PKEY_encrypt_init)(c))?;
        let (to, from) = (sealed.as_mut_ptr(), message.as_ptr());
        let code = (api.EVP_PKEY_encrypt)(c, to, &mut sealed_length, from, message.len());
        api.done("EVP_PKEY_encrypt", code)?;
        api.done("EVP_PKEY_decrypt_init", (api.EVP_PKEY_decrypt_init)(c))?;
        let (to, from) = (opened.as_mut_ptr(), sealed.as_ptr());
        let code = (api.EVP_PKEY_decrypt)(c, to, &mut opened_length, from, sealed_length);
        api.done("EVP_PKEY_decrypt", code)?;
    }
    ensure(&opened[..opened_length] == message, "what RSA gives back")
}

/// Writes the key as DER, reads it again, and signs with what was read.
fn reload(api: &Api, key: &Owned, data: &[u8]) -> Result<()> {
    let mut der = ptr::null_mut();
    // SAFETY: OpenSSL allocates the bytes, moves only our copy of the pointer, and frees them.
    let again = unsafe {
        let length = (api.i2d_PrivateKey)(key.handle, &mut der);
        let mut from = der.cast_const();
        let again = (api.d2i_AutoPrivateKey)(ptr::null_mut(), &mut from, length.into());
        (api.CRYPTO_free)(der.cast(), c"".as_ptr(), 0);
        Owned::new(api.some("d2i_AutoPrivateKey", again)?, api.EVP_PKEY_free)
    };
    sign_and_verify(api, &again, Some(c"SHA512"), data, None)
}

/// The secret that two keys share, from either side.
fn agree(api: &Api, one: &Owned, two: &Owned) -> Result<Vec<u8>> {
    let secret = |mine: &Owned, theirs: &Owned| {
        let (mut secret, mut length) = ([0; 64], 64);
        // SAFETY: the context is live until dropped; the buffer has the length given.
        unsafe {
            let context = (api.EVP_PKEY_CTX_new)(mine.handle, ptr::null_mut());
            let context = Owned::new(
                api.some("EVP_PKEY_CTX_new", context)?,
                api.EVP_PKEY_CTX_free,
            );
            let c = context.handle;
            api.done("EVP_PKEY_derive_init", (api.EVP_PKEY_derive_init)(c))?;
            let code = (api.EVP_PKEY_derive_set_peer)(c, theirs.handle);
            api.done("EVP_PKEY_derive_set_peer", code)?;
            let code = (api.EVP_PKEY_derive)(c, secret.as_mut_ptr(), &mut length);
            api.done("EVP_PKEY_derive", code)?;
        }
        Ok(secret[..length].to_vec())
    };
    let (ours, theirs) = (secret(one, two)?, secret(two, one)?);
    ensure(ours == theirs, "the shared secret")?;
    Ok(ours)
}
