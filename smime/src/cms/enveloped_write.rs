//! Writing EnvelopedData (RFC 5652 section 6) and AuthEnvelopedData (RFC 5083, RFC 5084, RFC 8103).

use std::io::{self, Write};

use crate::algorithm::ContentCipher;
use crate::asn1::der::{self, Around};
use crate::asn1::oid;
use crate::cms::identifier;
pub(crate) use crate::cms::recipient_write::Recipients;
use crate::crypto::cipher::{CHUNK, Cipher, Direction, OUTPUT, TAG};
use crate::crypto::random;
use crate::error::{Error, Result};

/// Bytes that are encrypted without waiting for more: each piece of the string costs a few octets.
const WORTHWHILE: usize = 16 * 1024;

/// Encrypts what is written to it; streamed BER, or DER if the length is known.
pub(crate) struct Writer<W> {
    out: W,
    cipher: Cipher,
    authenticated: bool,
    /// Plaintext that came in small pieces.
    pending: Vec<u8>,
    sealed: Box<[u8; OUTPUT]>,
    /// Encrypted bytes still to come, if that is known.
    left: Option<u64>,
    after: Vec<u8>,
    /// Where in `after` the tag goes.
    tag_at: usize,
}

impl<W: Write> Writer<W> {
    /// Makes a fresh content-encryption key, wraps it for all recipients, and writes everything up to the
    /// encrypted content. `length`: bytes of content that will be written, if known.
    ///
    /// # Errors
    /// [`Error::Certificate`], [`Error::Crypto`] (nothing was written),
    /// [`Error::UnsupportedAlgorithm`] (a cipher that is only read), [`Error::Output`].
    pub(crate) fn new(
        cipher: ContentCipher,
        recipients: &Recipients,
        length: Option<u64>,
        mut out: W,
    ) -> Result<Self> {
        let key = random(cipher.key_length())?;
        let iv = random(cipher.iv_length())?;
        let algorithm = identifier::write_content(cipher, &iv)
            .ok_or_else(|| Error::UnsupportedAlgorithm(cipher.name().to_owned()))?;
        let infos = recipients.wrap(&key)?;
        let run = Cipher::new(cipher, Direction::Encrypt, &key, &iv)?;
        let sealed_length =
            if cipher.is_authenticated() { length } else { length.map(|length| (length / 16 + 1) * 16) };

        // A string in pieces is constructed, one in one piece is primitive.
        let content = if length.is_some() { 0x80 } else { der::context(0) };
        let around = Around::new(sealed_length).wrap(content, &[], &[]).wrap(
            der::SEQUENCE,
            &[der::oid(&oid::ID_DATA), algorithm].concat(),
            &[],
        );
        let tag_at = around.after.len() + 2;
        let (version, content_type) = match cipher.is_authenticated() {
            true => (0, oid::ID_AUTH_ENVELOPED_DATA),
            false => (recipients.version(), oid::ID_ENVELOPED_DATA),
        };
        let mac = if cipher.is_authenticated() {
            der::element(der::OCTET_STRING, &[&[0; TAG]])
        } else {
            Vec::new()
        };
        let around = around
            .wrap(der::SEQUENCE, &[der::integer(version), infos].concat(), &mac)
            .wrap(der::context(0), &[], &[])
            .wrap(der::SEQUENCE, &der::oid(&content_type), &[]);
        out.write_all(&around.before).map_err(Error::Output)?;
        Ok(Self {
            out,
            cipher: run,
            authenticated: cipher.is_authenticated(),
            pending: Vec::with_capacity(2 * WORTHWHILE),
            sealed: Box::new([0; OUTPUT]),
            left: sealed_length,
            after: around.after,
            tag_at,
        })
    }

    /// Writes the last block, the tag and the end; answers `out`.
    ///
    /// # Errors
    /// [`Error::Output`], [`Error::Changed`] (another length than was said).
    pub(crate) fn finish(mut self) -> Result<W> {
        self.encrypt_pending().map_err(Error::Output)?;
        let last = self.cipher.finish(&mut self.sealed)?;
        self.emit(last).map_err(Error::Output)?;
        if self.left.is_some_and(|left| left != 0) {
            return Err(Error::Changed);
        }
        if self.authenticated {
            let tag = self.cipher.tag()?;
            self.after[self.tag_at..self.tag_at + TAG].copy_from_slice(&tag);
        }
        self.out.write_all(&self.after).map_err(Error::Output)?;
        Ok(self.out)
    }

    fn encrypt_pending(&mut self) -> io::Result<()> {
        let mut pending = std::mem::take(&mut self.pending);
        self.encrypt(&pending)?;
        pending.clear();
        self.pending = pending;
        Ok(())
    }

    fn encrypt(&mut self, plain: &[u8]) -> io::Result<()> {
        let written = self.cipher.update(plain, &mut self.sealed).map_err(io::Error::other)?;
        self.emit(written)
    }

    /// Writes the first `length` bytes of `sealed`, as one piece of the string where it is in pieces.
    fn emit(&mut self, length: usize) -> io::Result<()> {
        if length == 0 {
            return Ok(());
        }
        if let Some(left) = &mut self.left {
            let changed = || io::Error::other(Error::Changed);
            *left = left.checked_sub(length as u64).ok_or_else(changed)?;
        } else {
            let mut header = vec![der::OCTET_STRING];
            der::push_length(length as u64, &mut header);
            self.out.write_all(&header)?;
        }
        self.out.write_all(&self.sealed[..length])
    }
}

impl<W: Write> Write for Writer<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() >= WORTHWHILE {
            self.encrypt_pending()?;
            let taken = bytes.len().min(CHUNK);
            self.encrypt(&bytes[..taken])?;
            return Ok(taken);
        }
        self.pending.extend_from_slice(bytes);
        if self.pending.len() >= WORTHWHILE {
            self.encrypt_pending()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
