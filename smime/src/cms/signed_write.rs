//! Writing SignedData (RFC 5652 section 5).

use std::io::{self, Write};
use std::time::SystemTime;

use crate::algorithm::{DigestAlgorithm, SignatureScheme};
use crate::crypto::hash::Digests;
use crate::error::Result;

/// The DER SET OF of signed attributes: contentType (id-data), messageDigest, signingTime,
/// smimeCapabilities, signingCertificateV2. These are the bytes to hash with `digest` and sign.
///
/// `content_digest` is the content's digest, `certificate` the signer's (DER).
///
/// # Errors
/// [`crate::Error::Certificate`] if the certificate does not parse.
pub(crate) fn signed_attributes(
    _content_digest: &[u8],
    _signing_time: SystemTime,
    _certificate: &[u8],
) -> Result<Vec<u8>> {
    unimplemented!()
}

/// Checks that the certificate parses and its key fits `scheme`.
///
/// # Errors
/// [`crate::Error::Certificate`].
pub(crate) fn check_certificate(_certificate: &[u8], _scheme: SignatureScheme) -> Result<()> {
    unimplemented!()
}

/// One finished signature and all that goes around it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Signature<'a> {
    /// Digest of content and attributes.
    pub(crate) digest: DigestAlgorithm,
    /// Scheme of `signature`.
    pub(crate) scheme: SignatureScheme,
    /// The signer's certificate, DER.
    pub(crate) certificate: &'a [u8],
    /// Further certificates, DER.
    pub(crate) chain: &'a [Vec<u8>],
    /// What [`signed_attributes`] made.
    pub(crate) attributes: &'a [u8],
    /// Over the digest of `attributes`; ECDSA: DER Ecdsa-Sig-Value.
    pub(crate) signature: &'a [u8],
}

impl Signature<'_> {
    /// Checks the signature against the certificate.
    ///
    /// # Errors
    /// [`crate::Error::Crypto`] if it is wrong.
    pub(crate) fn check(&self) -> Result<()> {
        unimplemented!()
    }

    /// ContentInfo with SignedData without content, DER.
    ///
    /// # Errors
    /// [`crate::Error::Certificate`].
    pub(crate) fn detached(&self) -> Result<Vec<u8>> {
        unimplemented!()
    }

    /// Writes ContentInfo with the content inside to `out`: DER if `length` (bytes of content) is
    /// known, else BER with indefinite lengths.
    ///
    /// # Errors
    /// [`crate::Error::Certificate`], [`crate::Error::Output`].
    pub(crate) fn opaque<W: Write>(&self, _length: Option<u64>, _out: W) -> Result<Writer<W>> {
        unimplemented!()
    }
}

/// Takes the signed content; [`Writer::finish`] writes the rest.
#[derive(Debug)]
pub(crate) struct Writer<W> {
    out: W,
}

impl<W: Write> Write for Writer<W> {
    fn write(&mut self, _bytes: &[u8]) -> io::Result<usize> {
        unimplemented!()
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

impl<W: Write> Writer<W> {
    /// Writes what comes after the content; answers `out` and the content's digest as it went through,
    /// which the caller compares with the signed one.
    ///
    /// # Errors
    /// [`crate::Error::Changed`] if the content had another length than was said,
    /// [`crate::Error::Output`].
    pub(crate) fn finish(self) -> Result<(W, Digests)> {
        unimplemented!()
    }
}
