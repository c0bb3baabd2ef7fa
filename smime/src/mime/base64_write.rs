//! Base64 written as a stream, in lines that end with CRLF.

use std::io::{self, Write};

use base64_simd::{Out, STANDARD};

use crate::error::Result;
use crate::mime::output_error;

/// Lines that are encoded at once.
const LINES: usize = 1024;

/// Encodes what is written to it.
pub(crate) struct Base64Writer<W> {
    out: W,
    columns: usize,
    pending: Vec<u8>,
    encoded: Vec<u8>,
    lines: Vec<u8>,
}

impl<W: Write> Base64Writer<W> {
    /// An encoder whose lines have `columns` characters (a multiple of 4).
    pub(crate) fn new(out: W, columns: usize) -> Self {
        Self {
            out,
            columns,
            pending: Vec::with_capacity(columns / 4 * 3 * LINES),
            encoded: vec![0; columns * LINES],
            lines: Vec::with_capacity((columns + 2) * LINES),
        }
    }

    /// Writes the last line; answers `out`.
    ///
    /// # Errors
    /// [`crate::Error::Output`].
    pub(crate) fn finish(mut self) -> Result<W> {
        let pending = std::mem::take(&mut self.pending);
        self.encode(&pending).map_err(output_error)?;
        Ok(self.out)
    }

    /// Bytes that make [`LINES`] whole lines.
    fn block(&self) -> usize {
        self.columns / 4 * 3 * LINES
    }

    /// Encodes at most one block; only the last may be shorter.
    fn encode(&mut self, bytes: &[u8]) -> io::Result<()> {
        let encoded = STANDARD.encode(bytes, Out::from_slice(&mut self.encoded));
        self.lines.clear();
        for line in encoded.chunks(self.columns) {
            self.lines.extend_from_slice(line);
            self.lines.extend_from_slice(b"\r\n");
        }
        self.out.write_all(&self.lines)
    }
}

impl<W: Write> Write for Base64Writer<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let block = self.block();
        if self.pending.is_empty() && bytes.len() >= block {
            self.encode(&bytes[..block])?;
            return Ok(block);
        }
        let n = bytes.len().min(block - self.pending.len());
        self.pending.extend_from_slice(&bytes[..n]);
        if self.pending.len() == block {
            let mut pending = std::mem::take(&mut self.pending);
            self.encode(&pending)?;
            pending.clear();
            self.pending = pending;
        }
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
