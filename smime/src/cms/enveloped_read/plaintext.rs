//! The plaintext of an encrypted message: written, or as a stream, for layers that are opened again.

use std::io::{self, Read, Write};

use zeroize::Zeroizing;

use super::{Body, ContentKey, Header, Proof};
use crate::asn1::ber::At;
use crate::crypto::cipher::{CHUNK, Cipher, OUTPUT};
use crate::error::{Error, Result};
use crate::mime::as_io;

/// Decrypts while it is read. At its end it checks everything that was proved, and reads its input to
/// the end.
pub(crate) struct Plaintext<'a, R> {
    body: Body<R>,
    at: At,
    header: &'a Header,
    key: &'a ContentKey,
    proof: &'a Proof,
    cipher: Cipher,
    plain: Zeroizing<Vec<[u8; OUTPUT]>>,
    start: usize,
    end: usize,
    /// Bytes of encrypted content so far.
    length: u64,
    ended: bool,
}

impl<R: Read> Body<R> {
    /// The plaintext of what was proved to open with `key`.
    ///
    /// # Errors
    /// [`Error::Changed`] if it is another message, [`Error::Input`].
    pub(crate) fn plaintext<'a>(
        mut self,
        header: &'a Header,
        key: &'a ContentKey,
        proof: &'a Proof,
    ) -> Result<Plaintext<'a, R>> {
        let mut cipher = header.cipher_run(key, &header.content.iv)?;
        if !proof.trailer.attributes.is_empty() {
            cipher.authenticate(&proof.trailer.attributes)?;
        }
        let at = self.reader.enter_octets(0x80)?;
        let plain = Zeroizing::new(vec![[0; OUTPUT]]);
        let (start, end, length) = (0, 0, 0);
        Ok(Plaintext { body: self, at, header, key, proof, cipher, plain, start, end, length, ended: false })
    }

    /// Decrypts into `out`, checks everything again, answers the number of bytes written.
    ///
    /// # Errors
    /// [`Error::Changed`] if the input is not what was proved, [`Error::Output`],
    /// [`Error::Input`].
    pub(crate) fn decrypt<W: Write + ?Sized>(
        self,
        header: &Header,
        key: &ContentKey,
        proof: &Proof,
        out: &mut W,
    ) -> Result<u64> {
        let mut plaintext = self.plaintext(header, key, proof)?;
        let mut written = 0;
        while !plaintext.ended {
            plaintext.advance()?;
            let piece = &plaintext.plain[0][..plaintext.end];
            out.write_all(piece).map_err(Error::Output)?;
            written += piece.len() as u64;
        }
        Ok(written)
    }
}

impl<R: Read> Plaintext<'_, R> {
    /// Decrypts the next piece.
    fn advance(&mut self) -> Result<()> {
        let Some(chunk) = self.body.reader.octets_chunk(&mut self.at, CHUNK)? else { return self.finish() };
        self.length += chunk.len() as u64;
        self.end = self.cipher.update(chunk, &mut self.plain[0])?;
        self.start = 0;
        Ok(())
    }

    /// Everything again, for the input may have changed since it was proved.
    fn finish(&mut self) -> Result<()> {
        self.ended = true;
        let trailer = self.body.trailer(self.header)?;
        if self.key.wrong || (Proof { length: self.length, trailer }) != *self.proof {
            return Err(Error::Changed);
        }
        if self.header.authenticated {
            self.cipher.expect_tag(&self.proof.trailer.mac).map_err(|_| Error::Changed)?;
        }
        self.end = self.cipher.finish(&mut self.plain[0]).map_err(|_| Error::Changed)?;
        self.start = 0;
        Ok(())
    }
}

impl<R: Read> Read for Plaintext<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.start == self.end && !self.ended {
            self.advance().map_err(as_io)?;
            if self.ended {
                self.body.reader.drain().map_err(as_io)?;
            }
        }
        let n = buffer.len().min(self.end - self.start);
        buffer[..n].copy_from_slice(&self.plain[0][self.start..self.start + n]);
        self.start += n;
        Ok(n)
    }
}
