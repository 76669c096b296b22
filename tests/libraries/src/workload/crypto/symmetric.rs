//! Digests, MACs, key derivation, ciphers, base64, big numbers: all output
//! depends on the input alone.

use super::api::{Api, Handle, Owned};
use crate::error::ensure;
use crate::{Digest, Result};
use std::ffi::{CStr, c_int};
use std::ptr;

const DIGESTS: [&CStr; 12] = [
    c"MD5",
    c"SHA1",
    c"SHA224",
    c"SHA256",
    c"SHA384",
    c"SHA512",
    c"SHA512-256",
    c"SHA3-256",
    c"SHA3-512",
    c"BLAKE2b512",
    c"BLAKE2s256",
    c"SM3",
];
const CIPHERS: [&CStr; 12] = [
    c"AES-128-CBC",
    c"AES-256-CBC",
    c"AES-128-CTR",
    c"AES-256-ECB",
    c"AES-192-CFB",
    c"AES-256-OFB",
    c"AES-128-XTS",
    c"CAMELLIA-128-CBC",
    c"ARIA-256-CBC",
    c"DES-EDE3-CBC",
    c"ChaCha20",
    c"SM4-CBC",
];
const AEADS: [&CStr; 3] = [c"AES-128-GCM", c"AES-256-GCM", c"ChaCha20-Poly1305"];
const KEY: &[u8; 64] = b"0123456789abcdefFEDCBA9876543210midair-key-midair-key-midair-key";

/// Runs all of it.
pub(super) fn run(api: &Api, data: &[u8], digest: &mut Digest) -> Result<()> {
    // SAFETY: a string that stays.
    digest.bytes(unsafe { CStr::from_ptr((api.OpenSSL_version)(0)) }.to_bytes());
    for name in DIGESTS {
        hash(api, name, data, digest)?;
    }
    extendable(api, data, digest)?;
    derive(api, digest)?;
    for name in CIPHERS {
        cipher(api, name, data, digest)?;
    }
    for name in AEADS {
        aead(api, name, data, digest)?;
    }
    base64(api, data, digest)?;
    numbers(api, data, digest)
}

/// A digest in pieces and its copy, and the MAC made from it.
fn hash(api: &Api, name: &CStr, data: &[u8], digest: &mut Digest) -> Result<()> {
    let what = name.to_string_lossy();
    let (mut one, mut two, mut length) = ([0; 64], [0; 64], 0);
    // SAFETY: contexts are live until dropped; each output has room for the longest digest.
    unsafe {
        let kind = api.some(&what, (api.EVP_get_digestbyname)(name.as_ptr()))?;
        let first = Owned::new((api.EVP_MD_CTX_new)(), api.EVP_MD_CTX_free);
        let second = Owned::new((api.EVP_MD_CTX_new)(), api.EVP_MD_CTX_free);
        api.done(
            &what,
            (api.EVP_DigestInit_ex)(first.handle, kind, ptr::null_mut()),
        )?;
        for piece in data.chunks(333) {
            (api.EVP_DigestUpdate)(first.handle, piece.as_ptr().cast(), piece.len());
        }
        api.done(&what, (api.EVP_MD_CTX_copy_ex)(second.handle, first.handle))?;
        api.done(
            &what,
            (api.EVP_DigestFinal_ex)(first.handle, one.as_mut_ptr(), &mut length),
        )?;
        api.done(
            &what,
            (api.EVP_DigestFinal_ex)(second.handle, two.as_mut_ptr(), &mut length),
        )?;
        ensure(one == two, format!("the copy of {what}"))?;
        digest.bytes(&one[..length as usize]);
        let key = KEY.as_ptr().cast();
        let mac = (api.HMAC)(
            kind,
            key,
            20,
            data.as_ptr(),
            data.len(),
            one.as_mut_ptr(),
            &mut length,
        );
        api.some("HMAC", mac.cast())?;
        digest.bytes(&one[..length as usize]);
    }
    Ok(())
}

/// A digest as long as one likes, fetched from its provider.
fn extendable(api: &Api, data: &[u8], digest: &mut Digest) -> Result<()> {
    let mut output = [0; 300];
    // SAFETY: the context is live until dropped; the output has the length given.
    unsafe {
        let kind = (api.EVP_MD_fetch)(ptr::null_mut(), c"SHAKE256".as_ptr(), ptr::null());
        let kind = Owned::new(api.some("SHAKE256", kind)?, api.EVP_MD_free);
        let context = Owned::new((api.EVP_MD_CTX_new)(), api.EVP_MD_CTX_free);
        api.done(
            "init",
            (api.EVP_DigestInit_ex)(context.handle, kind.handle, ptr::null_mut()),
        )?;
        (api.EVP_DigestUpdate)(context.handle, data.as_ptr().cast(), data.len());
        let code = (api.EVP_DigestFinalXOF)(context.handle, output.as_mut_ptr(), output.len());
        api.done("EVP_DigestFinalXOF", code)?;
    }
    digest.bytes(&output);
    Ok(())
}

fn derive(api: &Api, digest: &mut Digest) -> Result<()> {
    let mut output = [0; 48];
    let (password, salt) = (c"a password".as_ptr(), KEY.as_ptr());
    let to = output.as_mut_ptr();
    // SAFETY: the password has 10 bytes, the salt 16, the output 48.
    unsafe {
        let kind = (api.EVP_get_digestbyname)(c"SHA256".as_ptr());
        let code = (api.PKCS5_PBKDF2_HMAC)(password, 10, salt, 16, 500, kind, 48, to);
        api.done("PKCS5_PBKDF2_HMAC", code)?;
        digest.bytes(&output);
        let code = (api.EVP_PBE_scrypt)(password, 10, salt, 16, 64, 8, 1, 0, to, 48);
        api.done("EVP_PBE_scrypt", code)?;
        digest.bytes(&output);
    }
    Ok(())
}

/// Feeds `from` through a context and returns what comes out of it; the last
/// code says whether a tag was right.
fn through(api: &Api, context: Handle, from: &[u8]) -> Result<(c_int, Vec<u8>)> {
    let mut to = vec![0; from.len() + 64];
    let (mut length, mut total) = (0, 0_usize);
    // SAFETY: a live context; the output has room for the input and a block.
    unsafe {
        let code = (api.EVP_CipherUpdate)(
            context,
            to.as_mut_ptr(),
            &mut length,
            from.as_ptr(),
            from.len() as c_int,
        );
        api.done("EVP_CipherUpdate", code)?;
        total += length as usize;
        length = 0;
        let code = (api.EVP_CipherFinal_ex)(context, to[total..].as_mut_ptr(), &mut length);
        total += length.max(0) as usize;
        to.truncate(total);
        Ok((code, to))
    }
}

fn context(api: &Api, name: &CStr, encrypt: bool) -> Result<Option<Owned>> {
    // SAFETY: the key and the rest behind it are longer than any cipher's key and vector.
    unsafe {
        let kind = (api.EVP_get_cipherbyname)(name.as_ptr());
        if kind.is_null() {
            // Not every build has every cipher.
            return Ok(None);
        }
        let context = Owned::new((api.EVP_CIPHER_CTX_new)(), api.EVP_CIPHER_CTX_free);
        let vector = KEY[32..].as_ptr();
        let direction = c_int::from(encrypt);
        let code = (api.EVP_CipherInit_ex)(
            context.handle,
            kind,
            ptr::null_mut(),
            KEY.as_ptr(),
            vector,
            direction,
        );
        api.done(&name.to_string_lossy(), code)?;
        Ok(Some(context))
    }
}

fn cipher(api: &Api, name: &CStr, data: &[u8], digest: &mut Digest) -> Result<()> {
    let (Some(seal), Some(open)) = (context(api, name, true)?, context(api, name, false)?) else {
        return Ok(());
    };
    let (code, sealed) = through(api, seal.handle, data)?;
    api.done(&name.to_string_lossy(), code)?;
    digest.bytes(&sealed);
    let (code, opened) = through(api, open.handle, &sealed)?;
    ensure(
        code == 1 && opened == data,
        format!("what {} gives back", name.to_string_lossy()),
    )
}

fn aead(api: &Api, name: &CStr, data: &[u8], digest: &mut Digest) -> Result<()> {
    /// `EVP_CTRL_AEAD_GET_TAG` and `EVP_CTRL_AEAD_SET_TAG`
    const GET_TAG: c_int = 0x10;
    const SET_TAG: c_int = 0x11;

    let what = name.to_string_lossy();
    let mut tag = [0_u8; 16];
    let with = |context: &Owned| {
        let mut length = 0;
        // SAFETY: data that is only authenticated has no output.
        let code = unsafe {
            (api.EVP_CipherUpdate)(
                context.handle,
                ptr::null_mut(),
                &mut length,
                KEY.as_ptr(),
                21,
            )
        };
        api.done(&what, code)
    };
    let Some(seal) = context(api, name, true)? else {
        return Ok(());
    };
    with(&seal)?;
    let (code, sealed) = through(api, seal.handle, data)?;
    api.done(&what, code)?;
    // SAFETY: the tag has 16 bytes.
    let code =
        unsafe { (api.EVP_CIPHER_CTX_ctrl)(seal.handle, GET_TAG, 16, tag.as_mut_ptr().cast()) };
    api.done(&what, code)?;
    digest.bytes(&sealed);
    digest.bytes(&tag);

    for wrong in [false, true] {
        tag[3] ^= u8::from(wrong);
        let Some(open) = context(api, name, false)? else {
            return Ok(());
        };
        with(&open)?;
        // SAFETY: the tag has 16 bytes.
        let code =
            unsafe { (api.EVP_CIPHER_CTX_ctrl)(open.handle, SET_TAG, 16, tag.as_mut_ptr().cast()) };
        api.done(&what, code)?;
        let (code, opened) = through(api, open.handle, &sealed)?;
        ensure(
            (code == 1) != wrong && opened == data,
            format!("what {what} gives back"),
        )?;
    }
    Ok(())
}

fn base64(api: &Api, data: &[u8], digest: &mut Digest) -> Result<()> {
    let data = &data[..data.len() / 3 * 3];
    let (mut text, mut back) = (vec![0; data.len() / 3 * 4 + 1], vec![0; data.len()]);
    // SAFETY: three bytes become four and a zero at the end, and back.
    let (length, returned) = unsafe {
        let length = (api.EVP_EncodeBlock)(text.as_mut_ptr(), data.as_ptr(), data.len() as c_int);
        (
            length,
            (api.EVP_DecodeBlock)(back.as_mut_ptr(), text.as_ptr(), length),
        )
    };
    digest.bytes(&text[..length as usize]);
    ensure(
        returned as usize == data.len() && back == data,
        "what base64 gives back",
    )
}

/// Products, quotients, powers and divisors of numbers of some hundred bits.
fn numbers(api: &Api, data: &[u8], digest: &mut Digest) -> Result<()> {
    // SAFETY: numbers and the context are live until dropped; the text is freed by its allocator.
    unsafe {
        let number = |from: &[u8]| {
            let number = (api.BN_bin2bn)(from.as_ptr(), from.len() as c_int, ptr::null_mut());
            api.some("BN_bin2bn", number)
                .map(|number| Owned::new(number, api.BN_free))
        };
        let context = Owned::new((api.BN_CTX_new)(), api.BN_CTX_free);
        let (a, b, modulus) = (
            number(&data[..100])?,
            number(&data[100..160])?,
            number(&data[160..288])?,
        );
        // Odd, so that the power goes by Montgomery's way.
        (api.BN_set_bit)(modulus.handle, 0);
        let (result, rest) = (
            Owned::new((api.BN_new)(), api.BN_free),
            Owned::new((api.BN_new)(), api.BN_free),
        );
        let show = |digest: &mut Digest, number: &Owned| {
            let text = (api.BN_bn2hex)(number.handle);
            digest.bytes(CStr::from_ptr(text).to_bytes());
            (api.CRYPTO_free)(text.cast(), c"".as_ptr(), 0);
        };
        let (r, c) = (result.handle, context.handle);
        api.done("BN_mul", (api.BN_mul)(r, a.handle, b.handle, c))?;
        show(digest, &result);
        api.done(
            "BN_div",
            (api.BN_div)(r, rest.handle, a.handle, b.handle, c),
        )?;
        show(digest, &result);
        show(digest, &rest);
        api.done(
            "BN_mod_exp",
            (api.BN_mod_exp)(r, a.handle, b.handle, modulus.handle, c),
        )?;
        show(digest, &result);
        api.done("BN_gcd", (api.BN_gcd)(r, a.handle, modulus.handle, c))?;
        show(digest, &result);
    }
    Ok(())
}
