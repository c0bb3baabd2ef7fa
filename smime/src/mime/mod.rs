//! MIME as S/MIME needs it (RFC 2045, RFC 2046, RFC 5322, RFC 8551 section 3): heads, the
//! split of a `multipart/signed`, transfer encodings and line ends, all as streams.
//!
//! Nothing is ever re-serialised: what was signed is passed on byte for byte.

pub(crate) mod address;
pub(crate) mod armor;
pub(crate) mod base64_read;
pub(crate) mod base64_write;
pub(crate) mod canonical;
mod confidential;
pub(crate) mod content_type;
pub(crate) mod first_part;
pub(crate) mod head;
pub(crate) mod kind;
pub(crate) mod message;
pub(crate) mod multipart;
pub(crate) mod output;
pub(crate) mod protect;
pub(crate) mod quoted_printable;
pub(crate) mod quoted_printable_write;
pub(crate) mod seven_bit;
pub(crate) mod seven_bit_scan;
pub(crate) mod walk;

use std::io::{self, BufRead};

use crate::error::{Error, Result};

/// Bytes read or written at once. All buffers have the same size, so that a read passes by the smaller ones.
pub(crate) const BUFFER: usize = 64 * 1024;

/// Hands all of `input` to `sink`, piece by piece; answers the number of bytes.
pub(crate) fn pump(input: &mut dyn BufRead, sink: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<u64> {
    let mut total = 0;
    loop {
        let n = match input.fill_buf() {
            Ok([]) => return Ok(total),
            Ok(data) => {
                let piece = &data[..data.len().min(BUFFER)];
                sink(piece)?;
                piece.len()
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => 0,
            Err(error) => return Err(input_error(error)),
        };
        input.consume(n);
        total += n as u64;
    }
}

/// An engine error on its way through a `Read` or `Write`; [`input_error`] and [`unwrapped`] get it out again.
pub(crate) fn carried(error: Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

/// A failed read: the engine's own error if one of our decoders refused, else [`Error::Input`].
pub(crate) fn input_error(error: io::Error) -> Error {
    error.downcast::<Error>().unwrap_or_else(Error::Input)
}

/// A failed write: the engine's own error if one of our encoders refused, else [`Error::Output`].
pub(crate) fn output_error(error: io::Error) -> Error {
    error.downcast::<Error>().unwrap_or_else(Error::Output)
}

/// An engine error as a reader of ours gives it: an input's own failure stays what it was.
pub(crate) fn as_io(error: Error) -> io::Error {
    match unwrapped(error) {
        Error::Input(inner) => inner,
        other => carried(other),
    }
}

/// Takes an engine error out of the [`Error::Input`] or [`Error::Output`] that it was carried in.
pub(crate) fn unwrapped(error: Error) -> Error {
    match error {
        Error::Input(inner) => input_error(inner),
        Error::Output(inner) => output_error(inner),
        other => other,
    }
}
