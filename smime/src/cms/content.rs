//! The content of a SignedData or CompressedData as a stream.

use std::io::{self, Read};

use crate::asn1::ber::{At, Reader, malformed};
use crate::asn1::der::{self, Cursor};
use crate::asn1::oid;
use crate::error::{Error, Result};
use crate::mime::as_io;

/// Reads the octets of an encapsulated content. At their end it reads the object and its input to their
/// ends, too.
pub(crate) struct Content<R> {
    reader: Reader<R>,
    at: At,
    ended: bool,
}

impl<R: Read> Content<R> {
    /// Goes into an EncapsulatedContentInfo (RFC 5652 section 5.2), in front of which `reader` stands;
    /// `None` if the content is not inside.
    ///
    /// # Errors
    /// [`Error::Malformed`], [`Error::Limit`], [`Error::Input`].
    pub(super) fn encapsulated(mut reader: Reader<R>) -> Result<Option<Self>> {
        reader.enter(der::SEQUENCE)?;
        reader.der(der::OID)?;
        if reader.peek()?.is_none() {
            return Ok(None);
        }
        reader.enter(der::context(0))?;
        let at = reader.enter_octets(der::OCTET_STRING)?;
        Ok(Some(Self { reader, at, ended: false }))
    }
}

impl<R: Read> Read for Content<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.ended || buffer.is_empty() {
            return Ok(0);
        }
        match self.reader.octets_chunk(&mut self.at, buffer.len()).map_err(as_io)? {
            Some(chunk) => {
                buffer[..chunk.len()].copy_from_slice(chunk);
                Ok(chunk.len())
            }
            None => {
                self.ended = true;
                self.reader.skip_rest().and_then(|()| self.reader.drain()).map_err(as_io)?;
                Ok(0)
            }
        }
    }
}

/// Opens the content of the SignedData that `input` is.
///
/// # Errors
/// [`Error::Malformed`]: also if this is none, or its content is not inside; [`Error::Limit`],
/// [`Error::Input`].
pub(crate) fn open_signed<R: Read>(input: R) -> Result<Content<R>> {
    let mut reader = Reader::new(input);
    enter(&mut reader, oid::ID_SIGNED_DATA)?;
    reader.der(der::INTEGER)?;
    reader.skip()?;
    Content::encapsulated(reader)?.ok_or_else(|| malformed("no content inside"))
}

/// Goes into the ContentInfo that `reader` stands in front of, and into the SEQUENCE that is its content.
///
/// # Errors
/// As [`open_signed`].
pub(super) fn enter<R: Read>(reader: &mut Reader<R>, wanted: const_oid::ObjectIdentifier) -> Result<()> {
    reader.enter(der::SEQUENCE)?;
    let content_type = reader.der(der::OID)?;
    let content_type = Cursor::new(&content_type).expect(der::OID)?.oid()?;
    if content_type != wanted {
        return Err(Error::Malformed(format!("content type {content_type} is another than {wanted}")));
    }
    reader.enter(der::context(0))?;
    reader.enter(der::SEQUENCE)
}
