//! What a CMS object is, from its beginning.

use std::io::Read;

use const_oid::ObjectIdentifier;

use crate::asn1::ber::Reader;
use crate::asn1::der::{self, Cursor};
use crate::asn1::oid;
use crate::cms::compressed;
use crate::cms::content::Content;
use crate::cms::enveloped_read::{self, Header};
use crate::error::Result;

/// The outermost layer of a CMS object.
#[derive(Clone, Debug)]
pub(crate) enum Outline {
    /// SignedData.
    Signed {
        /// Content is inside.
        content: bool,
        /// Signers are announced (digestAlgorithms is not empty): it is more than certificates.
        signers: bool,
    },
    /// EnvelopedData or AuthEnvelopedData (see `authenticated`).
    Enveloped(Header),
    /// CompressedData (RFC 3274).
    Compressed,
    /// Another content type: its dotted OID.
    Other(String),
}

/// Reads as little of `input` as it needs.
///
/// # Errors
/// [`crate::Error::Malformed`], [`crate::Error::Limit`], [`crate::Error::Input`].
pub(crate) fn outline<'a, R: Read + 'a>(input: R) -> Result<Outline> {
    open(input).map(|(outline, _)| outline)
}

/// The same, with the content, if it can be read without a key.
///
/// # Errors
/// As [`outline`].
pub(crate) fn open<'a, R: Read + 'a>(input: R) -> Result<(Outline, Option<Box<dyn Read + 'a>>)> {
    let mut reader = Reader::new(input);
    let content_type = enter(&mut reader)?;
    reader.enter(der::context(0))?;
    Ok(match content_type {
        oid::ID_SIGNED_DATA => signed(reader)?,
        oid::ID_ENVELOPED_DATA => (Outline::Enveloped(enveloped_read::open_inner(reader, false)?.0), None),
        oid::ID_AUTH_ENVELOPED_DATA => {
            (Outline::Enveloped(enveloped_read::open_inner(reader, true)?.0), None)
        }
        oid::ID_COMPRESSED_DATA => {
            reader.enter(der::SEQUENCE)?;
            let content =
                compressed::open_inner(reader).ok().map(|content| Box::new(content) as Box<dyn Read>);
            (Outline::Compressed, content)
        }
        other => (Outline::Other(other.to_string()), None),
    })
}

/// The content type of a CMS object, of which only the beginning need be there.
///
/// # Errors
/// As [`outline`].
pub(crate) fn content_type<R: Read>(input: R) -> Result<ObjectIdentifier> {
    enter(&mut Reader::new(input))
}

fn enter<R: Read>(reader: &mut Reader<R>) -> Result<ObjectIdentifier> {
    reader.enter(der::SEQUENCE)?;
    let content_type = reader.der(der::OID)?;
    Cursor::new(&content_type).expect(der::OID)?.oid()
}

fn signed<'a, R: Read + 'a>(mut reader: Reader<R>) -> Result<(Outline, Option<Box<dyn Read + 'a>>)> {
    reader.enter(der::SEQUENCE)?;
    reader.der(der::INTEGER)?;
    reader.enter(der::SET)?;
    let mut signers = false;
    while reader.peek()?.is_some() {
        signers = true;
        reader.skip()?;
    }
    reader.leave()?;
    let content = Content::encapsulated(reader)?.map(|content| Box::new(content) as Box<dyn Read>);
    Ok((Outline::Signed { content: content.is_some(), signers }, content))
}
