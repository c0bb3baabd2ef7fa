//! What a CMS object is, from its beginning.

use std::io::Read;

use crate::cms::enveloped_read::Header;
use crate::error::Result;

/// The outermost layer of a CMS object.
#[derive(Clone, Debug)]
pub(crate) enum Outline {
    /// SignedData. `content`: it is inside; `signers`: digestAlgorithms is not empty (false: certificates only).
    Signed {
        /// Content is inside.
        content: bool,
        /// Signers are announced.
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
pub(crate) fn outline<R: Read>(_input: R) -> Result<Outline> {
    unimplemented!()
}
