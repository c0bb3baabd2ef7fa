//! AWS-LC's ciphers as streams: AES-GCM, and CBC with PKCS#7 padding.

use std::ffi::c_int;
use std::ptr::{self, NonNull};

use aws_lc_sys as c;

use crate::algorithm::ContentCipher;
use crate::error::{Error, Result};

/// Bytes of a GCM tag as we write it.
pub(crate) const TAG: usize = 16;

/// Most bytes that one [`EvpCipher::update`] takes.
pub(crate) const CHUNK: usize = 64 * 1024;

/// Output space that [`EvpCipher::update`] needs for [`CHUNK`] bytes, and [`EvpCipher::finish`] always.
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
pub(crate) struct EvpCipher(NonNull<c::EVP_CIPHER_CTX>);

// SAFETY: the context is owned, and AWS-LC ties it to no thread.
unsafe impl Send for EvpCipher {}

impl EvpCipher {
    /// Starts a run. `key` and, for CBC, `iv` must have the cipher's lengths; a GCM nonce has 1 to 64 bytes.
    ///
    /// # Errors
    /// [`Error::Crypto`].
    pub(crate) fn new(cipher: ContentCipher, direction: Direction, key: &[u8], iv: &[u8]) -> Result<Self> {
        let iv_fits = if cipher.is_authenticated() {
            (1..=64).contains(&iv.len())
        } else {
            iv.len() == cipher.block_length()
        };
        if key.len() != cipher.key_length() || !iv_fits {
            return Err(Error::Crypto("a key or nonce of wrong length"));
        }
        if evp(cipher).is_null() {
            return Err(Error::Crypto("a cipher that AWS-LC has no stream for"));
        }
        // SAFETY: no argument; null is checked.
        let context = unsafe { c::EVP_CIPHER_CTX_new() };
        let this = Self(NonNull::new(context).ok_or(Error::Crypto("no memory for a cipher"))?);
        let encrypt = c_int::from(direction == Direction::Encrypt);
        // SAFETY: the context lives; a null engine, key and iv mean "none yet"; EVP_aes_* are static.
        let mut good = unsafe {
            c::EVP_CipherInit_ex(this.raw(), evp(cipher), ptr::null_mut(), ptr::null(), ptr::null(), encrypt)
        };
        if cipher.is_authenticated() {
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
        if matches!(cipher, ContentCipher::Rc2Cbc40 | ContentCipher::Rc2Cbc64) {
            // SAFETY: both set a number; the effective bits are set after the length, which does not move them.
            good &= unsafe {
                c::EVP_CIPHER_CTX_set_key_length(this.raw(), key.len() as u32)
                    & c::EVP_CIPHER_CTX_ctrl(
                        this.raw(),
                        c::EVP_CTRL_SET_RC2_KEY_BITS,
                        key.len() as c_int * 8,
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

    /// CBC without padding: whole blocks in, whole blocks out. Before the first [`Self::update`].
    pub(crate) fn unpadded(self) -> Self {
        // SAFETY: sets a flag; it cannot fail.
        unsafe { c::EVP_CIPHER_CTX_set_padding(self.raw(), 0) };
        self
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

impl Drop for EvpCipher {
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
            ContentCipher::TripleDesCbc => c::EVP_des_ede3_cbc(),
            ContentCipher::Rc2Cbc40 | ContentCipher::Rc2Cbc64 | ContentCipher::Rc2Cbc128 => c::EVP_rc2_cbc(),
            // Not one of these: see `crypto::cipher::Cipher`.
            ContentCipher::ChaCha20Poly1305 => ptr::null(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    const ALL: [ContentCipher; 10] = [
        ContentCipher::Aes128Cbc,
        ContentCipher::Aes192Cbc,
        ContentCipher::Aes256Cbc,
        ContentCipher::Aes128Gcm,
        ContentCipher::Aes192Gcm,
        ContentCipher::Aes256Gcm,
        ContentCipher::TripleDesCbc,
        ContentCipher::Rc2Cbc40,
        ContentCipher::Rc2Cbc64,
        ContentCipher::Rc2Cbc128,
    ];

    fn run(
        cipher: ContentCipher,
        direction: Direction,
        input: &[u8],
        tag: Option<&[u8]>,
    ) -> Result<(Vec<u8>, EvpCipher)> {
        let iv = [7; 16];
        let iv = &iv[..if cipher.is_authenticated() { 12 } else { cipher.block_length() }];
        let mut run = EvpCipher::new(cipher, direction, &vec![9; cipher.key_length()], iv)?;
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
                let tag = cipher.is_authenticated().then(|| done.tag().unwrap());
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
}
