//! libcrypto's functions, from its manual pages.

use crate::Result;
use crate::error::Error;
use crate::functions::functions;
use std::ffi::{c_char, c_int, c_long, c_uchar, c_ulong, c_void};

/// Any of OpenSSL's opaque structures.
pub(super) type Handle = *mut c_void;

functions! {
    /// The functions of libcrypto.
    pub(super) struct Api {
        fn OpenSSL_version(c_int) -> *const c_char;
        fn ERR_get_error() -> c_ulong;
        fn ERR_error_string_n(c_ulong, *mut c_char, usize);
        fn RAND_bytes(*mut c_uchar, c_int) -> c_int;

        fn EVP_get_digestbyname(*const c_char) -> Handle;
        fn EVP_MD_fetch(Handle, *const c_char, *const c_char) -> Handle;
        fn EVP_MD_free(Handle);
        fn EVP_MD_CTX_new() -> Handle;
        fn EVP_MD_CTX_free(Handle);
        fn EVP_MD_CTX_copy_ex(Handle, Handle) -> c_int;
        fn EVP_DigestInit_ex(Handle, Handle, Handle) -> c_int;
        fn EVP_DigestUpdate(Handle, *const c_void, usize) -> c_int;
        fn EVP_DigestFinal_ex(Handle, *mut c_uchar, *mut u32) -> c_int;
        fn EVP_DigestFinalXOF(Handle, *mut c_uchar, usize) -> c_int;
        fn HMAC(Handle, *const c_void, c_int, *const c_uchar, usize, *mut c_uchar, *mut u32) -> *mut c_uchar;
        fn PKCS5_PBKDF2_HMAC(*const c_char, c_int, *const c_uchar, c_int, c_int, Handle, c_int, *mut c_uchar) -> c_int;
        fn EVP_PBE_scrypt(*const c_char, usize, *const c_uchar, usize, u64, u64, u64, u64, *mut c_uchar, usize) -> c_int;

        fn EVP_get_cipherbyname(*const c_char) -> Handle;
        fn EVP_CIPHER_CTX_new() -> Handle;
        fn EVP_CIPHER_CTX_free(Handle);
        fn EVP_CIPHER_CTX_ctrl(Handle, c_int, c_int, *mut c_void) -> c_int;
        fn EVP_CipherInit_ex(Handle, Handle, Handle, *const c_uchar, *const c_uchar, c_int) -> c_int;
        fn EVP_CipherUpdate(Handle, *mut c_uchar, *mut c_int, *const c_uchar, c_int) -> c_int;
        fn EVP_CipherFinal_ex(Handle, *mut c_uchar, *mut c_int) -> c_int;
        fn EVP_EncodeBlock(*mut c_uchar, *const c_uchar, c_int) -> c_int;
        fn EVP_DecodeBlock(*mut c_uchar, *const c_uchar, c_int) -> c_int;

        fn BN_new() -> Handle;
        fn BN_free(Handle);
        fn BN_CTX_new() -> Handle;
        fn BN_CTX_free(Handle);
        fn BN_bin2bn(*const c_uchar, c_int, Handle) -> Handle;
        fn BN_bn2hex(Handle) -> *mut c_char;
        fn BN_mul(Handle, Handle, Handle, Handle) -> c_int;
        fn BN_div(Handle, Handle, Handle, Handle, Handle) -> c_int;
        fn BN_mod_exp(Handle, Handle, Handle, Handle, Handle) -> c_int;
        fn BN_gcd(Handle, Handle, Handle, Handle) -> c_int;
        fn BN_set_bit(Handle, c_int) -> c_int;
        fn CRYPTO_free(*mut c_void, *const c_char, c_int);

        fn EVP_PKEY_CTX_new_id(c_int, Handle) -> Handle;
        fn EVP_PKEY_CTX_new(Handle, Handle) -> Handle;
        fn EVP_PKEY_CTX_free(Handle);
        fn EVP_PKEY_CTX_ctrl_str(Handle, *const c_char, *const c_char) -> c_int;
        fn EVP_PKEY_keygen_init(Handle) -> c_int;
        fn EVP_PKEY_keygen(Handle, *mut Handle) -> c_int;
        fn EVP_PKEY_new_raw_private_key(c_int, Handle, *const c_uchar, usize) -> Handle;
        fn EVP_PKEY_get_raw_public_key(Handle, *mut c_uchar, *mut usize) -> c_int;
        fn EVP_PKEY_free(Handle);
        fn EVP_PKEY_derive_init(Handle) -> c_int;
        fn EVP_PKEY_derive_set_peer(Handle, Handle) -> c_int;
        fn EVP_PKEY_derive(Handle, *mut c_uchar, *mut usize) -> c_int;
        fn EVP_PKEY_encrypt_init(Handle) -> c_int;
        fn EVP_PKEY_encrypt(Handle, *mut c_uchar, *mut usize, *const c_uchar, usize) -> c_int;
        fn EVP_PKEY_decrypt_init(Handle) -> c_int;
        fn EVP_PKEY_decrypt(Handle, *mut c_uchar, *mut usize, *const c_uchar, usize) -> c_int;
        fn EVP_DigestSignInit(Handle, *mut Handle, Handle, Handle, Handle) -> c_int;
        fn EVP_DigestSign(Handle, *mut c_uchar, *mut usize, *const c_uchar, usize) -> c_int;
        fn EVP_DigestVerifyInit(Handle, *mut Handle, Handle, Handle, Handle) -> c_int;
        fn EVP_DigestVerify(Handle, *const c_uchar, usize, *const c_uchar, usize) -> c_int;
        fn i2d_PrivateKey(Handle, *mut *mut c_uchar) -> c_int;
        fn d2i_AutoPrivateKey(*mut Handle, *mut *const c_uchar, c_long) -> Handle;
    }
}

impl Api {
    /// Fails with OpenSSL's own words unless `code` is 1.
    pub(super) fn done(&self, what: &str, code: c_int) -> Result<()> {
        if code == 1 {
            Ok(())
        } else {
            Err(self.failed(what, code))
        }
    }

    /// Fails with OpenSSL's own words if `handle` is null.
    pub(super) fn some(&self, what: &str, handle: Handle) -> Result<Handle> {
        if handle.is_null() {
            Err(self.failed(what, 0))
        } else {
            Ok(handle)
        }
    }

    fn failed(&self, what: &str, code: c_int) -> Error {
        let mut text = [0; 256];
        // SAFETY: the buffer has that length and is ended by a zero.
        let message = unsafe {
            (self.ERR_error_string_n)((self.ERR_get_error)(), text.as_mut_ptr(), text.len());
            std::ffi::CStr::from_ptr(text.as_ptr())
        };
        Error::call(format!("{what} ({})", message.to_string_lossy()), code)
    }
}

/// A handle that is freed at the end of its scope.
pub(super) struct Owned {
    pub(super) handle: Handle,
    free: unsafe extern "C" fn(Handle),
}

impl Owned {
    /// Owns `handle`, to be given to `free`.
    pub(super) fn new(handle: Handle, free: unsafe extern "C" fn(Handle)) -> Self {
        Self { handle, free }
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        // SAFETY: made together with its function; OpenSSL accepts null.
        unsafe { (self.free)(self.handle) };
    }
}
