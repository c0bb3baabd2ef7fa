//! Content ciphers as streams: AES in GCM and CBC, ChaCha20-Poly1305, and those of old mail.

use crate::algorithm::ContentCipher;
use crate::crypto::chacha20_poly1305::ChaCha20Poly1305;
use crate::crypto::ffi::EvpCipher;
pub(crate) use crate::crypto::ffi::{CHUNK, Direction, OUTPUT, TAG};
use crate::error::Result;

/// One run of a content cipher. Its keys are wiped when it is dropped.
pub(crate) enum Cipher {
    /// AWS-LC's own stream.
    Evp(EvpCipher),
    /// Ours over AWS-LC's parts.
    ChaCha(Box<ChaCha20Poly1305>),
}

impl Cipher {
    /// Starts a run. `key` and, for CBC, `iv` must have the cipher's lengths; a GCM nonce has 1 to 64 bytes, that of
    /// ChaCha20-Poly1305 12.
    ///
    /// # Errors
    /// [`crate::Error::Crypto`].
    pub(crate) fn new(cipher: ContentCipher, direction: Direction, key: &[u8], iv: &[u8]) -> Result<Self> {
        Ok(match cipher {
            ContentCipher::ChaCha20Poly1305 => {
                Self::ChaCha(Box::new(ChaCha20Poly1305::new(direction, key, iv)?))
            }
            _ => Self::Evp(EvpCipher::new(cipher, direction, key, iv)?),
        })
    }

    /// All the additional authenticated data, before the first [`Self::update`].
    ///
    /// # Errors
    /// [`crate::Error::Crypto`].
    pub(crate) fn authenticate(&mut self, data: &[u8]) -> Result<()> {
        match self {
            Self::Evp(run) => run.authenticate(data),
            Self::ChaCha(run) => {
                run.authenticate(data);
                Ok(())
            }
        }
    }

    /// Feeds `input`, at most [`CHUNK`] bytes, and answers how many bytes of `output` were filled.
    ///
    /// # Errors
    /// [`crate::Error::Crypto`], also if a message passes what one key may protect (GCM: 64 GiB, ChaCha20-Poly1305:
    /// 256 GiB).
    pub(crate) fn update(&mut self, input: &[u8], output: &mut [u8; OUTPUT]) -> Result<usize> {
        match self {
            Self::Evp(run) => run.update(input, output),
            Self::ChaCha(run) => run.update(input, output),
        }
    }

    /// The last bytes: of CBC the last block, whose padding is added or checked; of an authenticated cipher nothing,
    /// but the tag set with [`Self::expect_tag`] is checked.
    ///
    /// # Errors
    /// [`crate::Error::Decryption`].
    pub(crate) fn finish(&mut self, output: &mut [u8; OUTPUT]) -> Result<usize> {
        match self {
            Self::Evp(run) => run.finish(output),
            Self::ChaCha(run) => run.finish().map(|()| 0),
        }
    }

    /// Encrypting with an authenticated cipher: the tag, after [`Self::finish`].
    ///
    /// # Errors
    /// [`crate::Error::Crypto`].
    pub(crate) fn tag(&mut self) -> Result<[u8; TAG]> {
        match self {
            Self::Evp(run) => run.tag(),
            Self::ChaCha(run) => run.tag(),
        }
    }

    /// Decrypting with an authenticated cipher: the tag that must come out, before [`Self::finish`].
    ///
    /// # Errors
    /// [`crate::Error::Decryption`] if its length is none that the cipher has.
    pub(crate) fn expect_tag(&mut self, tag: &[u8]) -> Result<()> {
        match self {
            Self::Evp(run) => run.expect_tag(tag),
            Self::ChaCha(run) => run.expect_tag(tag),
        }
    }
}
