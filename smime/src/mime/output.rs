//! The heads that are written around what was sealed or opened.

use std::io::{self, Write};

use aws_lc_rs::rand::{SecureRandom, SystemRandom};

use crate::algorithm::DigestAlgorithm;
use crate::error::{Error, Result};
use crate::mime::head::Head;
use crate::mime::kind::micalg;
use crate::mime::{output_error, protect};

/// Columns of base64 in mail (RFC 2045 section 6.8).
pub(crate) const COLUMNS: usize = 76;

/// Bytes of a decrypted entity that are held until its head is complete.
const HEAD_LIMIT: usize = 256 * 1024;

/// The head of an `application/pkcs7-mime` message (RFC 8551 section 3.2) behind the fields that stay `outer`.
pub(crate) fn cms_head(outer: Vec<u8>, smime_type: &str) -> Vec<u8> {
    let mut head = outer;
    // RFC 8551 section 3.2.1.
    let name = if smime_type == "compressed-data" { "smime.p7z" } else { "smime.p7m" };
    head.extend_from_slice(
        format!(
            "MIME-Version: 1.0\r\n\
             Content-Type: application/pkcs7-mime; smime-type={smime_type};\r\n name=\"{name}\"\r\n\
             Content-Transfer-Encoding: base64\r\n\
             Content-Disposition: attachment; filename=\"{name}\"\r\n\r\n"
        )
        .as_bytes(),
    );
    head
}

/// A fresh boundary; 128 random bits do not occur in any content.
///
/// # Errors
/// [`Error::Crypto`].
pub(crate) fn boundary() -> Result<String> {
    let mut random = [0; 16];
    SystemRandom::new().fill(&mut random).map_err(|_| Error::Crypto("no randomness"))?;
    let digits: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(format!("=_wafer_{digits}"))
}

/// The head of a `multipart/signed` message up to the first byte of its first part, behind the fields that stay
/// `outer`.
pub(crate) fn clear_head(outer: Vec<u8>, digest: DigestAlgorithm, boundary: &str) -> Vec<u8> {
    let mut head = outer;
    head.extend_from_slice(
        format!(
            "MIME-Version: 1.0\r\n\
             Content-Type: multipart/signed; protocol=\"application/pkcs7-signature\";\r\n \
             micalg={}; boundary=\"{boundary}\"\r\n\r\n\
             This is a message with an S/MIME signature.\r\n\r\n\
             --{boundary}\r\n",
            micalg(digest)
        )
        .as_bytes(),
    );
    head
}

/// What stands between the signed part and the base64 of its signature.
pub(crate) fn signature_head(boundary: &str) -> String {
    format!(
        "\r\n--{boundary}\r\n\
         Content-Type: application/pkcs7-signature; name=\"smime.p7s\"\r\n\
         Content-Transfer-Encoding: base64\r\n\
         Content-Disposition: attachment; filename=\"smime.p7s\"\r\n\r\n"
    )
}

/// The end of a `multipart/signed`.
pub(crate) fn clear_end(boundary: &str) -> String {
    format!("\r\n--{boundary}--\r\n")
}

/// Writes a decrypted entity with the outer message's fields in front of it, so that the whole is one
/// message again: protected fields (RFC 9788) instead of their outer likes, `MIME-Version` once, and a blank line if the entity has no head of its own.
pub(crate) struct Joined<'a> {
    out: &'a mut dyn Write,
    /// The outer head; `None` when its fields are written, or if there are none.
    outer: Option<Head>,
    pending: Vec<u8>,
    written: u64,
}

impl<'a> Joined<'a> {
    /// Joins to the fields of `outer` that stay outside.
    pub(crate) fn new(outer: Option<&Head>, out: &'a mut dyn Write) -> Self {
        let outer = outer.filter(|head| !head.outer().is_empty()).cloned();
        Self { out, outer, pending: Vec::new(), written: 0 }
    }

    /// Writes what is held; answers the number of bytes written altogether.
    ///
    /// # Errors
    /// [`Error::Output`].
    pub(crate) fn finish(mut self) -> Result<u64> {
        self.join().and_then(|()| self.out.flush()).map_err(output_error)?;
        Ok(self.written)
    }

    fn join(&mut self) -> io::Result<()> {
        if let Some(outer) = self.outer.take() {
            let inner = Head::read(&mut self.pending.as_slice());
            let mut head = match &inner {
                Ok(inner) if protect::Mode::of(inner).is_some() => outer.outer_without(inner),
                _ => outer.outer(),
            };
            match inner {
                Ok(inner) if inner.has("MIME-Version") => {}
                Ok(_) => head.extend_from_slice(b"MIME-Version: 1.0\r\n"),
                Err(_) => head.extend_from_slice(b"MIME-Version: 1.0\r\n\r\n"),
            }
            let pending = std::mem::take(&mut self.pending);
            self.pass(&head)?;
            self.pass(&pending)?;
        }
        Ok(())
    }

    fn pass(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.out.write_all(bytes)?;
        self.written += bytes.len() as u64;
        Ok(())
    }
}

impl Write for Joined<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.outer.is_none() {
            self.pass(bytes)?;
            return Ok(bytes.len());
        }
        self.pending.extend_from_slice(bytes);
        if self.pending.len() > HEAD_LIMIT || has_blank_line(&self.pending) {
            self.join()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

fn has_blank_line(text: &[u8]) -> bool {
    text.starts_with(b"\n")
        || text.starts_with(b"\r\n")
        || memchr::memmem::find(text, b"\n\n").is_some()
        || memchr::memmem::find(text, b"\n\r\n").is_some()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn joined(outer: &str, inner: &str) -> String {
        let mut out = Vec::new();
        let head = Head::read(&mut outer.as_bytes()).unwrap();
        let mut writer = Joined::new(Some(&head), &mut out);
        for byte in inner.as_bytes() {
            writer.write_all(&[*byte]).unwrap();
        }
        let written = writer.finish().unwrap();
        assert_eq!(written, out.len() as u64);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn joins_outer_and_inner() {
        let outer = "From: a\nMIME-Version: 1.0\nContent-Type: x\n";
        assert_eq!(joined(outer, "A: b\r\n\r\nc"), "From: a\r\nMIME-Version: 1.0\r\nA: b\r\n\r\nc");
        assert_eq!(joined(outer, "MIME-version: 1.0\n\nc"), "From: a\r\nMIME-version: 1.0\n\nc");
        assert_eq!(joined(outer, "hello\n"), "From: a\r\nMIME-Version: 1.0\r\n\r\nhello\n");
        assert_eq!(joined(outer, "\r\nhello"), "From: a\r\nMIME-Version: 1.0\r\n\r\nhello");
        assert_eq!(joined("Content-Type: x\n", "hello\n"), "hello\n");
        assert_eq!(joined(outer, ""), "From: a\r\nMIME-Version: 1.0\r\n");
    }
}
