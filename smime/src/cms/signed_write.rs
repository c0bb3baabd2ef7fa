//! Writing SignedData (RFC 5652 section 5).

use std::io::{self, Write};
use std::time::SystemTime;

use crate::algorithm::{CertificateIdentifier, DigestAlgorithm, SignatureScheme};
use crate::asn1::der::{self, Around};
use crate::asn1::oid;
use crate::cms::certificate::{self, Identifier};
use crate::cms::{attributes_write, identifier};
use crate::crypto::hash;
use crate::crypto::signature::{self, Check, Verdict};
use crate::error::{Error, Result};

/// Most bytes in one piece of a string in pieces.
const PIECE: usize = 64 * 1024;

/// The DER SET OF signed attributes: contentType (id-data), messageDigest, signingTime,
/// smimeCapabilities, signingCertificateV2, and smimeEncryptionKeyPreference if there is an
/// `encryption_certificate`. These are the bytes to hash with `digest` and sign.
///
/// `content_digest` is the content's digest, `certificate` the signer's (DER).
///
/// # Errors
/// [`Error::Malformed`] if the time is before 1970 or after 9999; [`Error::Certificate`].
pub(crate) fn signed_attributes(
    content_digest: &[u8],
    signing_time: SystemTime,
    certificate: &[u8],
    encryption_certificate: Option<&[u8]>,
) -> Result<Vec<u8>> {
    attributes_write::write(content_digest, signing_time, certificate, encryption_certificate)
}

/// Checks that the certificate parses and its key fits `scheme`.
///
/// # Errors
/// [`Error::Certificate`]; [`Error::UnsupportedAlgorithm`] for a scheme that is only read.
pub(crate) fn check_certificate(certificate: &[u8], scheme: SignatureScheme) -> Result<()> {
    if scheme == SignatureScheme::Dsa {
        return Err(Error::UnsupportedAlgorithm("DSA for new signatures".to_owned()));
    }
    let certificate = certificate::given(certificate, 1)?;
    let key = certificate.public_key().ok_or_else(|| certificate.refused("its public key cannot be read"))?;
    let fits = match check(scheme, DigestAlgorithm::Sha256) {
        Some(check) => signature::fits(&key, check),
        None => key.algorithm.oid == oid::ED25519,
    };
    if fits { Ok(()) } else { Err(certificate.refused("its key does not fit the signature scheme")) }
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
    /// How the signer info names it.
    pub(crate) identifier: CertificateIdentifier,
    /// The certificates that go along, DER.
    pub(crate) certificates: &'a [Vec<u8>],
    /// What [`signed_attributes`] made.
    pub(crate) attributes: &'a [u8],
    /// Over the digest of `attributes`; ECDSA: DER Ecdsa-Sig-Value.
    pub(crate) signature: &'a [u8],
}

impl Signature<'_> {
    /// Checks the signature against the certificate.
    ///
    /// # Errors
    /// [`Error::Crypto`] if it is wrong.
    pub(crate) fn check(&self) -> Result<()> {
        let certificate = certificate::given(self.certificate, 1)?;
        let key =
            certificate.public_key().ok_or_else(|| certificate.refused("its public key cannot be read"))?;
        let verdict = match check(self.scheme, self.digest) {
            Some(check) => {
                let digest = hash::digest(self.digest, self.attributes);
                signature::verify(&key, check, self.digest, &digest, self.signature)
            }
            None => signature::verify_ed25519(&key, self.attributes, self.signature),
        };
        if verdict == Verdict::Good {
            Ok(())
        } else {
            Err(Error::Crypto("the signature does not fit the certificate"))
        }
    }

    /// ContentInfo with SignedData without content, DER.
    ///
    /// # Errors
    /// [`Error::Certificate`].
    pub(crate) fn detached(&self) -> Result<Vec<u8>> {
        let content = Around { before: der::sequence(&[&der::oid(&oid::ID_DATA)]), ..Around::new(Some(0)) };
        let mut whole = self.around(content)?;
        whole.before.append(&mut whole.after);
        Ok(whole.before)
    }

    /// Writes ContentInfo with the content inside to `out`: DER if `length` (bytes of content) is
    /// known, else BER with indefinite lengths.
    ///
    /// # Errors
    /// [`Error::Certificate`], [`Error::Output`].
    pub(crate) fn opaque<W: Write>(&self, length: Option<u64>, mut out: W) -> Result<Writer<W>> {
        // A string in pieces is constructed, one in one piece is primitive.
        let tag = if length.is_some() { der::OCTET_STRING } else { der::OCTET_STRING | 0x20 };
        let content = Around::new(length).wrap(tag, &[], &[]).wrap(der::context(0), &[], &[]).wrap(
            der::SEQUENCE,
            &der::oid(&oid::ID_DATA),
            &[],
        );
        let whole = self.around(content)?;
        out.write_all(&whole.before).map_err(Error::Output)?;
        Ok(Writer { out, left: length, after: whole.after })
    }

    /// Everything around an EncapsulatedContentInfo.
    fn around(&self, content: Around) -> Result<Around> {
        let digests = der::set_of(der::SET, vec![identifier::write_digest(self.digest)]);
        let mut certificates: Vec<Vec<u8>> = self.certificates.to_vec();
        certificates.sort();
        certificates.dedup();
        let certificates = match certificates.as_slice() {
            [] => Vec::new(),
            _ => der::set_of(der::context(0), certificates),
        };
        let (version, signer_info) = self.signer_info()?;
        let signers = der::set_of(der::SET, vec![signer_info]);
        Ok(content
            .wrap(
                der::SEQUENCE,
                &[der::integer(version), digests].concat(),
                &[certificates, signers].concat(),
            )
            .wrap(der::context(0), &[], &[])
            .wrap(der::SEQUENCE, &der::oid(&oid::ID_SIGNED_DATA), &[]))
    }

    /// SignerInfo with its version, which the SignedData has too (RFC 5652 section 5.1 and 5.3).
    fn signer_info(&self) -> Result<(u8, Vec<u8>)> {
        let (version, id) = match certificate::given(self.certificate, 1)?.identifier(self.identifier) {
            Identifier::IssuerAndSerial(id) => (1, id),
            Identifier::Key(id) => (3, der::element(0x80, &[id])),
        };
        let mut attributes = self.attributes.to_vec();
        attributes[0] = der::context(0); // [0] IMPLICIT; the signature is over the SET (RFC 5652 section 5.4)
        let algorithm = identifier::write_signature(self.scheme, self.digest)
            .ok_or_else(|| Error::UnsupportedAlgorithm(self.digest.name().to_owned()))?;
        let info = der::sequence(&[
            &der::integer(version),
            &id,
            &identifier::write_digest(self.digest),
            &attributes,
            &algorithm,
            &der::element(der::OCTET_STRING, &[self.signature]),
        ]);
        Ok((version, info))
    }
}

/// How to check what we write; `None` is Ed25519.
fn check(scheme: SignatureScheme, digest: DigestAlgorithm) -> Option<Check> {
    match scheme {
        SignatureScheme::RsaPkcs1 => Some(Check::RsaPkcs1),
        SignatureScheme::RsaPss => Some(Check::RsaPss { mgf: digest, salt: digest.length() as u16 }),
        SignatureScheme::Ecdsa => Some(Check::Ecdsa),
        SignatureScheme::Dsa => Some(Check::Dsa),
        SignatureScheme::Ed25519 => None,
    }
}

/// Takes the signed content; [`Writer::finish`] writes the rest.
pub(crate) struct Writer<W> {
    out: W,
    /// Content still to come, if its length was said.
    left: Option<u64>,
    after: Vec<u8>,
}

impl<W: Write> Write for Writer<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let bytes = &bytes[..bytes.len().min(PIECE)];
        if let Some(left) = &mut self.left {
            let changed = || io::Error::other(Error::Changed);
            *left = left.checked_sub(bytes.len() as u64).ok_or_else(changed)?;
        } else if !bytes.is_empty() {
            let mut header = vec![der::OCTET_STRING];
            der::push_length(bytes.len() as u64, &mut header);
            self.out.write_all(&header)?;
        }
        self.out.write_all(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

impl<W: Write> Writer<W> {
    /// Writes what comes after the content; answers `out`.
    ///
    /// # Errors
    /// [`Error::Changed`] if the content had another length than was said, [`Error::Output`].
    pub(crate) fn finish(mut self) -> Result<W> {
        if self.left.is_some_and(|left| left != 0) {
            return Err(Error::Changed);
        }
        self.out.write_all(&self.after).map_err(Error::Output)?;
        Ok(self.out)
    }
}
