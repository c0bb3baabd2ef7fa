//! What aws-lc-rs does not offer: AES-GCM and AES-CBC with PKCS#7 padding as streams, AES key wrap for all
//! three key sizes, and RSASSA-PSS with any salt length. The only unsafe code of the engine.
#![expect(unsafe_code, reason = "calls into AWS-LC's C functions")]

use std::ffi::c_int;
use std::mem::MaybeUninit;
use std::ptr::{self, NonNull};

use aws_lc_sys as c;
use zeroize::{Zeroize, Zeroizing};

use crate::algorithm::{ContentCipher, DigestAlgorithm};
use crate::error::{Error, Result};

/// Bytes of a GCM tag as we write it.
pub(crate) const TAG: usize = 16;

/// Most bytes that one [`Cipher::update`] takes.
pub(crate) const CHUNK: usize = 64 * 1024;

/// Output space that [`Cipher::update`] needs for [`CHUNK`] bytes, and [`Cipher::finish`] always.
pub(crate) const OUTPUT: usize = CHUNK + 32;

/// To encrypt or to decrypt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    /// Plaintext in.
    Encrypt,
    /// Ciphertext in.
    Decrypt,
}

/// One run of a content cipher. AWS-LC wipes the key schedule when it is dropped.
pub(crate) struct Cipher(NonNull<c::EVP_CIPHER_CTX>);

// SAFETY: the context is owned, and AWS-LC ties it to no thread.
unsafe impl Send for Cipher {}

impl Cipher {
    /// Starts a run. `key` and, for CBC, `iv` must have the cipher's lengths; a GCM nonce has 1 to 64 bytes.
    ///
    /// # Errors
    /// [`Error::Crypto`].
    pub(crate) fn new(cipher: ContentCipher, direction: Direction, key: &[u8], iv: &[u8]) -> Result<Self> {
        let iv_fits = if cipher.is_gcm() { (1..=64).contains(&iv.len()) } else { iv.len() == 16 };
        if key.len() != cipher.key_length() || !iv_fits {
            return Err(Error::Crypto("a key or nonce of wrong length"));
        }
        // SAFETY: no argument; null is checked.
        let context = unsafe { c::EVP_CIPHER_CTX_new() };
        let this = Self(NonNull::new(context).ok_or(Error::Crypto("no memory for a cipher"))?);
        let encrypt = c_int::from(direction == Direction::Encrypt);
        // SAFETY: the context lives; a null engine, key and iv mean "none yet"; EVP_aes_* are static.
        let mut good = unsafe {
            c::EVP_CipherInit_ex(this.raw(), evp(cipher), ptr::null_mut(), ptr::null(), ptr::null(), encrypt)
        };
        if cipher.is_gcm() {
            // SAFETY: sets a number; the pointer is not used by this command.
            good &= unsafe {
                c::EVP_CIPHER_CTX_ctrl(
                    this.raw(),
                    c::EVP_CTRL_AEAD_SET_IVLEN,
                    iv.len() as c_int,
                    ptr::null_mut(),
                )
            };
        }
        // SAFETY: the lengths of key and iv were checked against the cipher above; both are copied.
        good &= unsafe {
            c::EVP_CipherInit_ex(this.raw(), ptr::null(), ptr::null_mut(), key.as_ptr(), iv.as_ptr(), encrypt)
        };
        if good == 1 { Ok(this) } else { Err(Error::Crypto("a cipher could not be started")) }
    }

    /// Additional authenticated data of GCM, before the first [`Self::update`].
    ///
    /// # Errors
    /// [`Error::Crypto`].
    pub(crate) fn authenticate(&mut self, data: &[u8]) -> Result<()> {
        let length = c_int::try_from(data.len()).map_err(|_| Error::Crypto("too much authenticated data"))?;
        let mut written = 0;
        // SAFETY: a null output means authenticated data; `data` is readable for `length` bytes.
        let good = unsafe {
            c::EVP_CipherUpdate(self.raw(), ptr::null_mut(), &raw mut written, data.as_ptr(), length)
        };
        if good == 1 { Ok(()) } else { Err(Error::Crypto("authenticated data was refused")) }
    }

    /// Feeds `input`, at most [`CHUNK`] bytes, and answers how many bytes of `output` were filled.
    ///
    /// # Errors
    /// [`Error::Crypto`], also if a GCM message passes the 64 GiB that one key may protect.
    pub(crate) fn update(&mut self, input: &[u8], output: &mut [u8; OUTPUT]) -> Result<usize> {
        if input.len() > CHUNK {
            return Err(Error::Crypto("too large a chunk"));
        }
        let mut written = 0;
        // SAFETY: input is readable; an update writes at most input + one block, and OUTPUT is CHUNK + 2 blocks.
        let good = unsafe {
            c::EVP_CipherUpdate(
                self.raw(),
                output.as_mut_ptr(),
                &raw mut written,
                input.as_ptr(),
                input.len() as c_int,
            )
        };
        if good == 1 { Ok(written as usize) } else { Err(Error::Crypto("a cipher failed")) }
    }

    /// The last bytes: of CBC the last block, whose padding is added or checked; of GCM nothing, but the tag
    /// set with [`Self::expect_tag`] is checked.
    ///
    /// # Errors
    /// [`Error::Decryption`] (any failure while encrypting is one of memory, and cannot occur here).
    pub(crate) fn finish(&mut self, output: &mut [u8; OUTPUT]) -> Result<usize> {
        let mut written = 0;
        // SAFETY: at most one block is written.
        let good = unsafe { c::EVP_CipherFinal_ex(self.raw(), output.as_mut_ptr(), &raw mut written) };
        if good == 1 { Ok(written as usize) } else { Err(Error::Decryption) }
    }

    /// GCM, encrypting: the tag, after [`Self::finish`].
    ///
    /// # Errors
    /// [`Error::Crypto`].
    pub(crate) fn tag(&mut self) -> Result<[u8; TAG]> {
        let mut tag = [0; TAG];
        // SAFETY: writes TAG bytes to `tag`.
        let good = unsafe {
            c::EVP_CIPHER_CTX_ctrl(
                self.raw(),
                c::EVP_CTRL_AEAD_GET_TAG,
                TAG as c_int,
                tag.as_mut_ptr().cast(),
            )
        };
        if good == 1 { Ok(tag) } else { Err(Error::Crypto("no tag")) }
    }

    /// GCM, decrypting: the tag that must come out, before [`Self::finish`].
    ///
    /// # Errors
    /// [`Error::Decryption`] if its length is not 12 to 16 bytes (RFC 5084 section 3.2).
    pub(crate) fn expect_tag(&mut self, tag: &[u8]) -> Result<()> {
        if !(12..=TAG).contains(&tag.len()) {
            return Err(Error::Decryption);
        }
        // SAFETY: reads tag.len() bytes of `tag`, despite the mutable pointer in its signature.
        let good = unsafe {
            c::EVP_CIPHER_CTX_ctrl(
                self.raw(),
                c::EVP_CTRL_AEAD_SET_TAG,
                tag.len() as c_int,
                tag.as_ptr().cast_mut().cast(),
            )
        };
        if good == 1 { Ok(()) } else { Err(Error::Decryption) }
    }

    fn raw(&self) -> *mut c::EVP_CIPHER_CTX {
        self.0.as_ptr()
    }
}

impl Drop for Cipher {
    fn drop(&mut self) {
        // SAFETY: owned, not used after this.
        unsafe { c::EVP_CIPHER_CTX_free(self.raw()) }
    }
}

fn evp(cipher: ContentCipher) -> *const c::EVP_CIPHER {
    // SAFETY: these take nothing and answer pointers to statics.
    unsafe {
        match cipher {
            ContentCipher::Aes128Cbc => c::EVP_aes_128_cbc(),
            ContentCipher::Aes192Cbc => c::EVP_aes_192_cbc(),
            ContentCipher::Aes256Cbc => c::EVP_aes_256_cbc(),
            ContentCipher::Aes128Gcm => c::EVP_aes_128_gcm(),
            ContentCipher::Aes192Gcm => c::EVP_aes_192_gcm(),
            ContentCipher::Aes256Gcm => c::EVP_aes_256_gcm(),
        }
    }
}

/// AES key wrap (RFC 3394) of `key` (a multiple of 8 bytes, at least 16).
///
/// # Errors
/// [`Error::Crypto`] if a length does not fit.
pub(crate) fn wrap_key(kek: &[u8], key: &[u8]) -> Result<Vec<u8>> {
    let mut wrapped = vec![0; key.len() + 8];
    // SAFETY: `schedule` is set up; a null iv is RFC 3394's; writes in_len + 8 bytes.
    let length = with_schedule(kek, c::AES_set_encrypt_key, |schedule| unsafe {
        c::AES_wrap_key(schedule, ptr::null(), wrapped.as_mut_ptr(), key.as_ptr(), key.len())
    })?;
    if length == wrapped.len() as c_int {
        Ok(wrapped)
    } else {
        Err(Error::Crypto("a key could not be wrapped"))
    }
}

/// The key in `wrapped` (RFC 3394).
///
/// # Errors
/// [`Error::Decryption`] if it was not wrapped with `kek`.
pub(crate) fn unwrap_key(kek: &[u8], wrapped: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
    if wrapped.len() < 24 || wrapped.len() > 1024 {
        return Err(Error::Decryption);
    }
    let mut key = Zeroizing::new(vec![0; wrapped.len() - 8]);
    // SAFETY: `schedule` is set up; a null iv is RFC 3394's; writes in_len - 8 bytes.
    let length = with_schedule(kek, c::AES_set_decrypt_key, |schedule| unsafe {
        c::AES_unwrap_key(schedule, ptr::null(), key.as_mut_ptr(), wrapped.as_ptr(), wrapped.len())
    })?;
    if length == key.len() as c_int { Ok(key) } else { Err(Error::Decryption) }
}

type SetKey = unsafe extern "C" fn(*const u8, u32, *mut c::AES_KEY) -> c_int;

fn with_schedule(kek: &[u8], set: SetKey, run: impl FnOnce(*const c::AES_KEY) -> c_int) -> Result<c_int> {
    if !matches!(kek.len(), 16 | 24 | 32) {
        return Err(Error::Crypto("a wrapping key of wrong length"));
    }
    let mut schedule = MaybeUninit::<c::AES_KEY>::zeroed();
    // SAFETY: kek is readable for its 16, 24 or 32 bytes; the schedule is writable.
    let good = unsafe { set(kek.as_ptr(), (kek.len() * 8) as u32, schedule.as_mut_ptr()) };
    let answer =
        if good == 0 { Ok(run(schedule.as_ptr())) } else { Err(Error::Crypto("a wrapping key was refused")) };
    schedule.zeroize(); // all its bytes, whatever was written
    answer
}

/// Whether `signature` is an RSASSA-PSS signature (MGF1 with the same hash, a salt of `salt` bytes) over `digest` by
/// the RSAPublicKey (PKCS#1 DER) `key`.
pub(crate) fn verify_pss(
    key: &[u8],
    algorithm: DigestAlgorithm,
    salt: u16,
    digest: &[u8],
    signature: &[u8],
) -> bool {
    let Some(context) = verify_context(key) else { return false };
    // SAFETY: the context lives until the end of this function; EVP_sha* are static; digest and signature are
    // readable for their lengths.
    unsafe {
        let hash = evp_hash(algorithm);
        c::EVP_PKEY_verify_init(context.0) == 1
            && c::EVP_PKEY_CTX_set_rsa_padding(context.0, c::RSA_PKCS1_PSS_PADDING) == 1
            && c::EVP_PKEY_CTX_set_signature_md(context.0, hash) == 1
            && c::EVP_PKEY_CTX_set_rsa_mgf1_md(context.0, hash) == 1
            && c::EVP_PKEY_CTX_set_rsa_pss_saltlen(context.0, c_int::from(salt)) == 1
            && c::EVP_PKEY_verify(
                context.0,
                signature.as_ptr(),
                signature.len(),
                digest.as_ptr(),
                digest.len(),
            ) == 1
    }
}

struct VerifyContext(*mut c::EVP_PKEY_CTX);

impl Drop for VerifyContext {
    fn drop(&mut self) {
        // SAFETY: owned; null is allowed.
        unsafe { c::EVP_PKEY_CTX_free(self.0) }
    }
}

fn verify_context(key: &[u8]) -> Option<VerifyContext> {
    // SAFETY: key is readable for its length; every pointer is checked for null before it is used, and freed
    // once: set1_RSA and CTX_new take references of their own.
    unsafe {
        let rsa = c::RSA_public_key_from_bytes(key.as_ptr(), key.len());
        let pkey = c::EVP_PKEY_new();
        let set = !rsa.is_null() && !pkey.is_null() && c::EVP_PKEY_set1_RSA(pkey, rsa) == 1;
        let context = if set { c::EVP_PKEY_CTX_new(pkey, ptr::null_mut()) } else { ptr::null_mut() };
        c::EVP_PKEY_free(pkey);
        c::RSA_free(rsa);
        (!context.is_null()).then_some(VerifyContext(context))
    }
}

fn evp_hash(algorithm: DigestAlgorithm) -> *const c::EVP_MD {
    // SAFETY: these take nothing and answer pointers to statics.
    unsafe {
        match algorithm {
            DigestAlgorithm::Sha1 => c::EVP_sha1(),
            DigestAlgorithm::Sha256 => c::EVP_sha256(),
            DigestAlgorithm::Sha384 => c::EVP_sha384(),
            DigestAlgorithm::Sha512 => c::EVP_sha512(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    const ALL: [ContentCipher; 6] = [
        ContentCipher::Aes128Cbc,
        ContentCipher::Aes192Cbc,
        ContentCipher::Aes256Cbc,
        ContentCipher::Aes128Gcm,
        ContentCipher::Aes192Gcm,
        ContentCipher::Aes256Gcm,
    ];

    fn run(
        cipher: ContentCipher,
        direction: Direction,
        input: &[u8],
        tag: Option<&[u8]>,
    ) -> Result<(Vec<u8>, Cipher)> {
        let iv = [7; 16];
        let iv = &iv[..if cipher.is_gcm() { 12 } else { 16 }];
        let mut run = Cipher::new(cipher, direction, &vec![9; cipher.key_length()], iv)?;
        let mut output = [0; OUTPUT];
        let mut all = Vec::new();
        for chunk in input.chunks(1000) {
            let n = run.update(chunk, &mut output)?;
            all.extend_from_slice(&output[..n]);
        }
        if let Some(tag) = tag {
            run.expect_tag(tag)?;
        }
        let n = run.finish(&mut output)?;
        all.extend_from_slice(&output[..n]);
        Ok((all, run))
    }

    #[test]
    fn there_and_back() {
        for cipher in ALL {
            for length in [0, 1, 15, 16, 17, 5000] {
                let plain = vec![0x5a; length];
                let (sealed, mut done) = run(cipher, Direction::Encrypt, &plain, None).unwrap();
                let tag = cipher.is_gcm().then(|| done.tag().unwrap());
                let tag = tag.as_ref().map(|tag| &tag[..]);
                assert_eq!(
                    run(cipher, Direction::Decrypt, &sealed, tag).unwrap().0,
                    plain,
                    "{cipher:?} {length}"
                );
            }
        }
    }

    #[test]
    fn a_changed_bit_fails_gcm() {
        let (mut sealed, mut done) =
            run(ContentCipher::Aes256Gcm, Direction::Encrypt, &[1; 100], None).unwrap();
        let tag = done.tag().unwrap();
        sealed[50] ^= 1;
        let failed = run(ContentCipher::Aes256Gcm, Direction::Decrypt, &sealed, Some(&tag));
        assert!(matches!(failed, Err(Error::Decryption)));
        assert!(matches!(done.expect_tag(&tag[..11]), Err(Error::Decryption)));
    }

    #[test]
    fn rfc_3394_section_4_6() {
        let kek: Vec<u8> = (0..32).collect();
        let key: Vec<u8> = (0..8).map(|i| i * 0x11).chain((8..16).map(|i| i * 0x11)).chain(0..16).collect();
        let wrapped = wrap_key(&kek, &key).unwrap();
        assert_eq!(wrapped[..8], [0x28, 0xc9, 0xf4, 0x04, 0xc4, 0xb8, 0x10, 0xf4]);
        assert_eq!(*unwrap_key(&kek, &wrapped).unwrap(), key);
        for kek in [&kek[..16], &kek[..24]] {
            assert_eq!(*unwrap_key(kek, &wrap_key(kek, &key).unwrap()).unwrap(), key);
            assert!(matches!(unwrap_key(kek, &wrapped), Err(Error::Decryption)));
        }
    }
}
