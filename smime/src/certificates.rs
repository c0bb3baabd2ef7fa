//! Taking the certificates out of a SignedData, signed or not (`.p7c`, RFC 8551 section 3.8).

use std::io;

use crate::algorithm::Container;
use crate::cms::signed_read;
use crate::error::Result;
use crate::mime::message::open_cms;
use crate::mime::unwrapped;
use crate::source::Source;

/// The X.509 certificates (DER, as they came) in `source`. Signatures are not looked at.
///
/// # Errors
/// [`crate::Error::Malformed`] if this is no SignedData; [`crate::Error::Limit`], [`crate::Error::Input`].
pub fn certificates(source: &mut dyn Source, container: Container) -> Result<Vec<Vec<u8>>> {
    let (_, input) = open_cms(source, container, "one that holds certificates").map_err(unwrapped)?;
    Ok(signed_read::read(input, &mut io::sink()).map_err(unwrapped)?.certificates)
}
