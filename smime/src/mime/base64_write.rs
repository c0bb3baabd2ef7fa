//! Base64 written as a stream, in lines that end with CRLF.

use std::io::{self, Write};

use base64_simd::{Out, STANDARD};

use crate::error::Result;
use crate::mime::output_error;

/// Lines that are encoded at once.
const LINES: usize = 768;

/// Encodes what is written to it.
pub(crate) struct Base64Writer<W> {
    out: W,
    /// Characters of a line.
    columns: usize,
    /// Bytes that do not yet make a line.
    pending: Vec<u8>,
    encoded: Vec<u8>,
    /// Lines that wait to be written.
    lines: Vec<u8>,
}

impl<W: Write> Base64Writer<W> {
    /// An encoder whose lines have `columns` characters (a multiple of 4).
    pub(crate) fn new(out: W, columns: usize) -> Self {
        Self {
            out,
            columns,
            pending: Vec::with_capacity(columns / 4 * 3),
            encoded: vec![0; columns * LINES],
            lines: Vec::with_capacity((columns + 2) * LINES * 2),
        }
    }

    /// Writes the last line; answers `out`.
    ///
    /// # Errors
    /// [`crate::Error::Output`].
    pub(crate) fn finish(mut self) -> Result<W> {
        let pending = std::mem::take(&mut self.pending);
        self.encode(&pending).and_then(|()| self.out.write_all(&self.lines)).map_err(output_error)?;
        Ok(self.out)
    }

    /// What has been written to.
    pub(crate) fn out(&mut self) -> &mut W {
        &mut self.out
    }

    /// Encodes at most [`LINES`] lines; only the last of all may be shorter than the others.
    fn encode(&mut self, bytes: &[u8]) -> io::Result<()> {
        let encoded = STANDARD.encode(bytes, Out::from_slice(&mut self.encoded));
        match self.columns {
            // Lengths that the compiler knows are copied in a few instructions.
            76 => append_lines::<76>(encoded, &mut self.lines),
            64 => append_lines::<64>(encoded, &mut self.lines),
            columns => encoded.chunks(columns).for_each(|line| append_line(line, &mut self.lines)),
        }
        if self.lines.len() >= (self.columns + 2) * LINES {
            self.out.write_all(&self.lines)?;
            self.lines.clear();
        }
        Ok(())
    }
}

impl<W: Write> Write for Base64Writer<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let line = self.columns / 4 * 3;
        if self.pending.is_empty() && bytes.len() >= line {
            let whole = (bytes.len() / line).min(LINES) * line;
            self.encode(&bytes[..whole])?;
            return Ok(whole);
        }
        let n = bytes.len().min(line - self.pending.len());
        self.pending.extend_from_slice(&bytes[..n]);
        if self.pending.len() == line {
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

fn append_lines<const COLUMNS: usize>(encoded: &[u8], lines: &mut Vec<u8>) {
    let (whole, rest) = encoded.as_chunks::<COLUMNS>();
    for line in whole {
        lines.extend_from_slice(line);
        lines.extend_from_slice(b"\r\n");
    }
    if !rest.is_empty() {
        append_line(rest, lines);
    }
}

fn append_line(line: &[u8], lines: &mut Vec<u8>) {
    lines.extend_from_slice(line);
    lines.extend_from_slice(b"\r\n");
}
