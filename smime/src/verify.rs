//! Verifying (RFC 5652 section 5.6, RFC 8551 section 3.5).

use std::io::Write;
use std::time::SystemTime;

use crate::algorithm::{Container, DigestAlgorithm, SignatureScheme};
use crate::error::Result;
use crate::source::Source;

/// What the signature itself says; whether the signer is to be trusted is another question.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// The signature is over these bytes and by this certificate's key.
    Good,
    /// The content was altered: its digest is another than the signed one.
    DigestMismatch,
    /// The signature does not fit the certificate's key.
    BadSignature,
    /// No certificate for this signer is in the message or was handed in.
    NoCertificate,
    /// The algorithm is not supported: its name or OID.
    UnsupportedAlgorithm(String),
    /// The signer info breaks a rule of RFC 5652 (say, a missing messageDigest): which.
    Malformed(String),
}

/// One signer info.
#[derive(Clone, Debug)]
pub struct Signer {
    /// What the signature says.
    pub outcome: Outcome,
    /// The signer's certificate, DER, if found.
    pub certificate: Option<Vec<u8>>,
    /// Digest algorithm, if known.
    pub digest: Option<DigestAlgorithm>,
    /// Signature scheme, if known.
    pub scheme: Option<SignatureScheme>,
    /// signingTime, if signed.
    pub signing_time: Option<SystemTime>,
    /// Content octets of the smimeCapabilities attribute's value, DER, if signed.
    pub capabilities: Option<Vec<u8>>,
}

/// The result of a verification. A bad signature is a result, not a failure.
#[derive(Clone, Debug)]
pub struct Verified {
    /// Every signer info in the message's order; never empty.
    pub signers: Vec<Signer>,
    /// All certificates in the message, DER, as they came.
    pub certificates: Vec<Vec<u8>>,
    /// For mail: addresses in From and Sender of the outer message, lower case where RFC 5321 allows.
    pub from: Vec<String>,
    /// Bytes of signed content.
    pub content_length: u64,
}

/// A detached signature's content for bare CMS.
pub enum Content<'a> {
    /// Mail, or CMS with the content inside.
    Attached,
    /// The bytes that were signed.
    Detached(&'a mut dyn Source),
}

/// Verifies `source`; further `certificates` (DER) help to find the signer.
/// If `out` is given, the signed content (for mail: the entity exactly as it was signed) is written to
/// it once the structure has been read to its end.
///
/// # Errors
/// [`crate::Error::Malformed`] if this is no signed message.
pub fn verify(
    _source: &mut dyn Source,
    _content: Content<'_>,
    _container: Container,
    _certificates: &[Vec<u8>],
    _out: Option<&mut dyn Write>,
) -> Result<Verified> {
    unimplemented!()
}
