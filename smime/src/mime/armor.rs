//! The outer shape of a bare CMS object: binary, base64 or PEM (RFC 7468).

use std::io::{self, BufRead, Read, Write};

use crate::algorithm::Armor;
use crate::error::{Error, Result};
use crate::mime::base64_read::Base64Reader;
use crate::mime::base64_write::Base64Writer;
use crate::mime::{input_error, output_error};

/// Columns of base64 and PEM (RFC 7468 section 2).
const COLUMNS: usize = 64;

/// Bytes of explanatory text that may stand in front of PEM (RFC 7468 section 2).
const TEXT_LIMIT: u64 = 64 * 1024;

/// The first byte of every CMS object: a SEQUENCE.
const SEQUENCE: u8 = 0x30;

/// Finds out the shape of `input` and answers its binary form.
///
/// # Errors
/// [`Error::Malformed`] if it is none of the three.
pub(crate) fn dearmored<'a>(mut input: Box<dyn BufRead + 'a>) -> Result<Box<dyn Read + 'a>> {
    let first = first_visible(&mut input)?;
    match first {
        None => Err(Error::Malformed("it is empty".to_owned())),
        Some(SEQUENCE) => Ok(Box::new(input)),
        // A SEQUENCE's first six bits in base64.
        Some(b'M') => Ok(Box::new(Base64Reader::new(input))),
        Some(_) => {
            pass_pem_begin(&mut input)?;
            Ok(Box::new(Base64Reader::new(input)))
        }
    }
}

/// Passes over white space; the next byte stays unread.
fn first_visible(input: &mut dyn BufRead) -> Result<Option<u8>> {
    loop {
        let data = match input.fill_buf() {
            Ok(data) => data,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(input_error(error)),
        };
        let space = data.iter().take_while(|b| b.is_ascii_whitespace()).count();
        let first = data.get(space).copied();
        let ended = data.is_empty();
        input.consume(space);
        if first.is_some() || ended {
            return Ok(first);
        }
    }
}

/// Passes over everything up to and with the `-----BEGIN` line.
fn pass_pem_begin(input: &mut dyn BufRead) -> Result<()> {
    let mut text = input.take(TEXT_LIMIT);
    let mut line = Vec::new();
    while !line.starts_with(b"-----BEGIN ") {
        line.clear();
        if text.read_until(b'\n', &mut line).map_err(input_error)? == 0 {
            return Err(Error::Malformed("it is neither DER nor BER, base64 or PEM".to_owned()));
        }
    }
    Ok(())
}

/// Writes a CMS object in the shape that was asked for.
pub(crate) enum Encoder<W> {
    /// The bytes themselves.
    Binary(W),
    /// Base64 lines.
    Base64(Base64Writer<W>),
    /// Base64 lines with an end line.
    Pem(Base64Writer<W>),
}

impl<W: Write> Encoder<W> {
    /// An encoder; for PEM it writes the first line.
    ///
    /// # Errors
    /// [`Error::Output`].
    pub(crate) fn new(armor: Armor, mut out: W) -> Result<Self> {
        Ok(match armor {
            Armor::Der => Self::Binary(out),
            Armor::Base64 => Self::Base64(Base64Writer::new(out, COLUMNS)),
            Armor::Pem => {
                out.write_all(b"-----BEGIN CMS-----\r\n").map_err(output_error)?;
                Self::Pem(Base64Writer::new(out, COLUMNS))
            }
        })
    }

    /// Writes what is left.
    ///
    /// # Errors
    /// [`Error::Output`].
    pub(crate) fn finish(self) -> Result<()> {
        match self {
            Self::Binary(_) => Ok(()),
            Self::Base64(lines) => lines.finish().map(drop),
            Self::Pem(lines) => lines.finish()?.write_all(b"-----END CMS-----\r\n").map_err(output_error),
        }
    }
}

impl<W: Write> Write for Encoder<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Binary(out) => out.write(bytes),
            Self::Base64(lines) | Self::Pem(lines) => lines.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Binary(out) => out.flush(),
            Self::Base64(lines) | Self::Pem(lines) => lines.flush(),
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn read(text: &'static [u8]) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        dearmored(Box::new(text))?.read_to_end(&mut bytes).map_err(input_error)?;
        Ok(bytes)
    }

    #[test]
    fn every_shape_is_read() {
        let object = b"\x30\x03\x02\x01\x05";
        assert_eq!(read(object).unwrap(), object);
        assert_eq!(read(b"\r\n MAMCAQU=").unwrap(), object);
        assert_eq!(read(b"-----BEGIN CMS-----\nMAMC\nAQU=\n-----END CMS-----\n").unwrap(), object);
        assert_eq!(
            read(b"text\n\n-----BEGIN PKCS7-----\r\nMAMCAQU=\r\n-----END PKCS7-----").unwrap(),
            object
        );
        assert!(read(b"hello").is_err());
        assert!(read(b" \n").is_err());
    }

    #[test]
    fn what_is_written_is_read() {
        for armor in [Armor::Der, Armor::Base64, Armor::Pem] {
            let mut text = Vec::new();
            let mut encoder = Encoder::new(armor, &mut text).unwrap();
            encoder.write_all(b"\x30\x03\x02\x01\x05").unwrap();
            encoder.finish().unwrap();
            assert_eq!(read(text.leak()).unwrap(), b"\x30\x03\x02\x01\x05");
        }
    }
}
