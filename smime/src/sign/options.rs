//! What to sign with and how.

use std::time::SystemTime;

use crate::algorithm::{CertificateIdentifier, Container, DigestAlgorithm, SignatureScheme};
use crate::asn1::oid;
use crate::cms::certificate::{self, Certificate};
use crate::cms::signed_write;
use crate::crypto::ecdh::Curve;
use crate::error::Result;
use crate::headers::HeaderProtection;

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
    /// What few need to choose.
    pub style: Style,
}

impl Options {
    /// Clear-signed mail with the digest that goes with the key: see [`digest_for`].
    pub fn new(certificate: Vec<u8>, scheme: SignatureScheme, signing_time: SystemTime) -> Self {
        let digest = digest_for(&certificate);
        Self {
            container: Container::Mail,
            form: Form::default(),
            digest,
            scheme,
            certificate,
            chain: Vec::new(),
            signing_time,
            style: Style::default(),
        }
    }
}

/// What few need to choose about a signature; the default is what every program reads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Style {
    /// How the signer's certificate is named.
    pub identifier: CertificateIdentifier,
    /// Which of the certificates go along.
    pub include: Include,
    /// The signer's certificate for encryption, DER, if it is another than the one that signs: answers are to be
    /// encrypted to it (smimeEncryptionKeyPreference, RFC 8551 section 2.5.3). Include it in the chain.
    pub encryption_certificate: Option<Vec<u8>>,
    /// Whether the header fields of mail go within.
    pub headers: HeaderProtection,
}

/// Which certificates go along with a signature.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Include {
    /// None: who verifies must have them.
    Nothing,
    /// The signer's.
    Signer,
    /// The signer's and the chain without its root, which who trusts it has already.
    WithoutRoot,
    /// The signer's and the whole chain as it was given.
    #[default]
    All,
}

/// The scheme that fits the key of `certificate` (DER); an RSA key takes RSASSA-PSS too.
///
/// # Errors
/// [`crate::Error::Certificate`] if it cannot be read, or its key makes no signatures that we write.
pub fn scheme_for(certificate: &[u8]) -> Result<SignatureScheme> {
    use SignatureScheme::{Ecdsa, Ed25519, RsaPkcs1, RsaPss};
    let fits = |scheme: &SignatureScheme| signed_write::check_certificate(certificate, *scheme).is_ok();
    match [RsaPkcs1, RsaPss, Ecdsa, Ed25519].into_iter().find(fits) {
        Some(scheme) => Ok(scheme),
        None => Err(certificate::given(certificate, 1)?.refused("its key makes no signatures")),
    }
}

/// The digest that goes with the key of `certificate` (DER): as strong as the key, for some programs (gpgsm) take no
/// weaker one with a curve. SHA-384 for P-384, SHA-512 for P-521 and Ed25519 (RFC 8419 section 3.1), else SHA-256.
pub fn digest_for(certificate: &[u8]) -> DigestAlgorithm {
    let key = Certificate::parse(certificate).ok().and_then(|certificate| certificate.public_key());
    match key {
        Some(key) if key.algorithm.oid == oid::ED25519 => DigestAlgorithm::Sha512,
        Some(key) => match Curve::of(&key) {
            Some(Curve::P384) => DigestAlgorithm::Sha384,
            Some(Curve::P521) => DigestAlgorithm::Sha512,
            _ => DigestAlgorithm::Sha256,
        },
        None => DigestAlgorithm::Sha256,
    }
}
