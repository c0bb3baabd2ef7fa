//! The canonical form of text: every line ends in CRLF (RFC 8551 section 3.1.1).

use std::io::{self, Read};

use crate::error::Result;
use crate::mime::{BUFFER, as_io};

/// Turns LF into CRLF and leaves CRLF as it is, over any number of pieces.
#[derive(Debug, Default)]
pub(crate) struct Canonical {
    after_cr: bool,
    scratch: Vec<u8>,
}

impl Canonical {
    /// Hands the canonical form of `bytes` to `sink`; without a bare LF that is `bytes` itself.
    pub(crate) fn feed(&mut self, bytes: &[u8], sink: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        let Some(&last) = bytes.last() else { return Ok(()) };
        self.scratch.clear();
        let mut start = 0;
        for lf in memchr::memchr_iter(b'\n', bytes) {
            let after_cr = if lf == 0 { self.after_cr } else { bytes[lf - 1] == b'\r' };
            if !after_cr {
                self.scratch.extend_from_slice(&bytes[start..lf]);
                self.scratch.extend_from_slice(b"\r\n");
                start = lf + 1;
            }
        }
        self.after_cr = last == b'\r';
        if start == 0 {
            return sink(bytes);
        }
        self.scratch.extend_from_slice(&bytes[start..]);
        sink(&self.scratch)
    }
}

/// Reads `input` in canonical form.
pub(crate) struct CanonicalReader<R> {
    input: R,
    form: Canonical,
    raw: Vec<u8>,
    ready: Vec<u8>,
    start: usize,
}

impl<R: Read> CanonicalReader<R> {
    /// Starts at the beginning of a line.
    pub(crate) fn new(input: R) -> Self {
        Self { input, form: Canonical::default(), raw: vec![0; BUFFER], ready: Vec::new(), start: 0 }
    }
}

impl<R: Read> Read for CanonicalReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.start == self.ready.len() {
            let n = self.input.read(&mut self.raw)?;
            if n == 0 {
                return Ok(0);
            }
            self.start = 0;
            self.ready.clear();
            let ready = &mut self.ready;
            self.form
                .feed(&self.raw[..n], &mut |bytes| {
                    ready.extend_from_slice(bytes);
                    Ok(())
                })
                .map_err(as_io)?;
        }
        let n = buffer.len().min(self.ready.len() - self.start);
        buffer[..n].copy_from_slice(&self.ready[self.start..self.start + n]);
        self.start += n;
        Ok(n)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn canonical(pieces: &[&[u8]]) -> Vec<u8> {
        let mut all = Vec::new();
        let mut form = Canonical::default();
        for piece in pieces {
            form.feed(piece, &mut |bytes| {
                all.extend_from_slice(bytes);
                Ok(())
            })
            .unwrap();
        }
        all
    }

    #[test]
    fn knows_a_cr_of_the_piece_before() {
        assert_eq!(canonical(&[b"a\r", b"\nb\n", b"\n", b"", b"\rc\r\n"]), b"a\r\nb\r\n\r\n\rc\r\n");
        assert_eq!(canonical(&[b"a\r", b"", b"\n"]), b"a\r\n");
    }

    proptest! {
        #[test]
        fn pieces_do_not_matter(text in "[ab\r\n]{0,40}", cut in 0_usize..40) {
            let cut = cut.min(text.len());
            let whole = canonical(&[text.as_bytes()]);
            prop_assert_eq!(&canonical(&[&text.as_bytes()[..cut], &text.as_bytes()[cut..]]), &whole);
            prop_assert_eq!(&canonical(&[&whole]), &whole);
            let mut read = Vec::new();
            CanonicalReader::new(text.as_bytes()).read_to_end(&mut read).unwrap();
            prop_assert_eq!(read, whole);
        }
    }
}
