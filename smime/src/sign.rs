//! Signing (RFC 8551 section 3.5, RFC 5652 section 5).

use std::io::Write;
use std::time::SystemTime;

use crate::algorithm::{Container, DigestAlgorithm, SignatureScheme};
use crate::error::Result;
use crate::source::Source;

/// How the signature is joined to what it signs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// Readable without S/MIME: `multipart/signed`, or a detached signature for bare CMS.
    #[default]
    Clear,
    /// The content inside the CMS object: `application/pkcs7-mime; smime-type=signed-data`.
    Opaque,
}

/// What to sign with and how.
#[derive(Clone, Debug)]
pub struct Options {
    /// Mail or bare CMS.
    pub container: Container,
    /// Clear or opaque.
    pub form: Form,
    /// Digest of content and signed attributes.
    pub digest: DigestAlgorithm,
    /// Scheme; must fit the certificate's key.
    pub scheme: SignatureScheme,
    /// The signer's certificate, DER.
    pub certificate: Vec<u8>,
    /// Further certificates to include (issuers), DER, in any order.
    pub chain: Vec<Vec<u8>>,
    /// Value of the signingTime attribute (RFC 5652 section 11.3).
    pub signing_time: SystemTime,
}

/// What the private key must sign: the digest over the DER of the signed attributes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Scheme to sign with.
    pub scheme: SignatureScheme,
    /// Digest algorithm.
    pub digest_algorithm: DigestAlgorithm,
    /// The digest itself.
    pub digest: Vec<u8>,
}

/// A message that has been read and hashed, and waits for its signature.
#[derive(Debug)]
pub struct Prepared {}

/// Reads `source` once and makes everything ready up to the signature.
///
/// # Errors
/// [`crate::Error::Input`], [`crate::Error::Malformed`] (not MIME), [`crate::Error::Certificate`].
pub fn prepare(_source: &mut dyn Source, _options: &Options) -> Result<Prepared> {
    unimplemented!()
}

impl Prepared {
    /// What the private key is asked for.
    pub fn request(&self) -> &Request {
        unimplemented!()
    }

    /// Checks `signature` (ECDSA: DER Ecdsa-Sig-Value) against the certificate, then reads `source`
    /// again and writes the signed message.
    ///
    /// # Errors
    /// [`crate::Error::Crypto`] if the signature is wrong: nothing was written then.
    /// [`crate::Error::Changed`] if the second reading gave other bytes.
    pub fn write(self, _signature: &[u8], _source: &mut dyn Source, _out: &mut dyn Write) -> Result<()> {
        unimplemented!()
    }
}
