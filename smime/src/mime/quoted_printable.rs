//! Quoted-printable (RFC 2045 section 6.7), for the odd gateway that re-encodes a CMS body.

use std::io::{self, BufRead, Read};

use crate::error::Error;
use crate::mime::carried;
use crate::mime::content_type::hexadecimal;

/// Longest encoded line that is read; RFC 2045 allows 76.
const LINE_LIMIT: u64 = 64 * 1024;

/// Decodes what `input` reads.
pub(crate) struct QuotedPrintable<R> {
    input: R,
    line: Vec<u8>,
    at: usize,
}

impl<R: BufRead> QuotedPrintable<R> {
    /// A decoder at the start of the encoded text.
    pub(crate) fn new(input: R) -> Self {
        Self { input, line: Vec::new(), at: 0 }
    }

    /// Decodes the next line into `self.line`; false at the end.
    fn refill(&mut self) -> io::Result<bool> {
        let mut encoded = Vec::new();
        self.input.by_ref().take(LINE_LIMIT).read_until(b'\n', &mut encoded)?;
        if encoded.len() as u64 == LINE_LIMIT {
            return Err(carried(Error::Limit("64 KiB in a line of quoted-printable")));
        }
        self.line = decoded(&encoded).ok_or_else(|| {
            carried(Error::Malformed("the quoted-printable body has an escape that is none".to_owned()))
        })?;
        self.at = 0;
        Ok(!encoded.is_empty())
    }
}

impl<R: BufRead> Read for QuotedPrintable<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.at == self.line.len() {
            if !self.refill()? {
                return Ok(0);
            }
        }
        let n = buffer.len().min(self.line.len() - self.at);
        buffer[..n].copy_from_slice(&self.line[self.at..self.at + n]);
        self.at += n;
        Ok(n)
    }
}

/// One decoded line; `None` if an escape is malformed.
fn decoded(encoded: &[u8]) -> Option<Vec<u8>> {
    let text = encoded.trim_ascii_end();
    let (mut rest, soft) = text.strip_suffix(b"=").map_or((text, false), |text| (text, true));
    let mut line = Vec::with_capacity(encoded.len());
    while let Some((&first, after)) = rest.split_first() {
        if first == b'=' {
            line.push(hexadecimal(after)?);
            rest = &after[2..];
        } else {
            line.push(first);
            rest = after;
        }
    }
    if !soft && encoded.ends_with(b"\n") {
        line.extend_from_slice(if encoded.ends_with(b"\r\n") { b"\r\n" } else { b"\n" });
    }
    Some(line)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn decodes() {
        let mut out = Vec::new();
        QuotedPrintable::new(&b"a=3Db=\r\nc  \r\n=0a\n="[..]).read_to_end(&mut out).unwrap();
        assert_eq!(out, b"a=bc\r\n\n\n");
        assert!(QuotedPrintable::new(&b"=4"[..]).read_to_end(&mut out).is_err());
        assert!(QuotedPrintable::new(&b"=xy"[..]).read_to_end(&mut out).is_err());
    }
}
