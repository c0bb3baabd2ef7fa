//! Writing EnvelopedData (RFC 5652 section 6) and AuthEnvelopedData (RFC 5083, RFC 5084).

use std::io::{self, Write};

use crate::algorithm::ContentCipher;
use crate::error::Result;

/// Checked recipients: certificate parsed, key usable for encryption.
#[derive(Clone, Debug)]
pub(crate) struct Recipients {}

impl Recipients {
    /// Parses every certificate (DER).
    ///
    /// # Errors
    /// [`crate::Error::Certificate`] names the first that cannot be encrypted to, or says that there is none.
    pub(crate) fn new(_certificates: &[Vec<u8>]) -> Result<Self> {
        unimplemented!()
    }
}

/// Encrypts what is written to it; streamed BER, or DER if the length is known.
pub(crate) struct Writer<W> {
    out: W,
}

impl<W: Write> Writer<W> {
    /// Makes a fresh content-encryption key, wraps it for all recipients, and writes everything up to the
    /// encrypted content. `length`: bytes of content that will be written, if known.
    ///
    /// # Errors
    /// [`crate::Error::Certificate`], [`crate::Error::Crypto`] (nothing was written),
    /// [`crate::Error::UnsupportedAlgorithm`] (a cipher that is only read), [`crate::Error::Output`].
    pub(crate) fn new(
        _cipher: ContentCipher,
        _recipients: &Recipients,
        _length: Option<u64>,
        _out: W,
    ) -> Result<Self> {
        unimplemented!()
    }

    /// Writes the last block, the tag and the end; answers `out`.
    ///
    /// # Errors
    /// [`crate::Error::Output`], [`crate::Error::Changed`] (another length than was said).
    pub(crate) fn finish(self) -> Result<W> {
        unimplemented!()
    }
}

impl<W: Write> Write for Writer<W> {
    fn write(&mut self, _bytes: &[u8]) -> io::Result<usize> {
        unimplemented!()
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
