//! Reading SignedData as a stream (RFC 5652 section 5).

use std::io::{Read, Write};

use crate::crypto::hash::Digests;
use crate::error::Result;

/// A SignedData that was read to its end.
#[derive(Clone, Debug)]
pub(crate) struct SignedData {
    /// Dotted OID of the content type (id-data is 1.2.840.113549.1.7.1).
    pub(crate) content_type: String,
    /// Whether the content was inside.
    pub(crate) attached: bool,
    /// Bytes of attached content.
    pub(crate) content_length: u64,
    /// Digests of attached content, by every known algorithm in digestAlgorithms.
    pub(crate) digests: Digests,
    /// Certificates as they came (X.509 only).
    pub(crate) certificates: Vec<Vec<u8>>,
    /// The signer infos, raw; see [`super::signed_verify::verify`]. Empty: certificates only.
    pub(crate) signers: Vec<SignerInfo>,
}

/// One SignerInfo as it came.
#[derive(Clone, Debug)]
pub(crate) struct SignerInfo {}

/// Reads ContentInfo with SignedData from `input` to its end; attached content goes to `out`
/// (`std::io::sink()` if nobody wants it) while it is hashed.
///
/// # Errors
/// [`crate::Error::Malformed`] (also if this is no SignedData), [`crate::Error::Limit`],
/// [`crate::Error::Input`], [`crate::Error::Output`].
pub(crate) fn read<R: Read, W: Write>(_input: R, _out: &mut W) -> Result<SignedData> {
    unimplemented!()
}
