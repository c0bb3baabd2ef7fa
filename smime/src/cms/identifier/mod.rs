//! Algorithm identifiers: between OIDs and our names.

mod content;
mod oaep;
mod signature;

use const_oid::ObjectIdentifier;

use crate::algorithm::DigestAlgorithm;
use crate::asn1::der::{self, Cursor, Element};
use crate::asn1::oid;
use crate::error::Result;

pub(crate) use content::{ContentAlgorithm, content_cipher, content_oid, write_content};
pub(crate) use oaep::{oaep, write_oaep};
pub(crate) use signature::{SignedBy, pss, signature, write_signature};

/// An AlgorithmIdentifier taken apart.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Algorithm<'a> {
    /// Which.
    pub(crate) oid: ObjectIdentifier,
    /// The parameters, if present.
    pub(crate) parameters: Option<Element<'a>>,
}

impl<'a> Algorithm<'a> {
    /// Reads `element`, a SEQUENCE.
    ///
    /// # Errors
    /// [`crate::Error::Malformed`].
    pub(crate) fn parse(element: &Element<'a>) -> Result<Self> {
        let mut parts = element.inside();
        Ok(Self { oid: parts.expect(der::OID)?.oid()?, parameters: parts.next()? })
    }

    /// The parameters' elements, if the parameters are a SEQUENCE.
    pub(super) fn fields(&self) -> Option<Cursor<'a>> {
        self.parameters
            .filter(|parameters| parameters.tag == der::SEQUENCE)
            .map(|parameters| parameters.inside())
    }
}

/// A digest algorithm, and the signature algorithms that fix it.
struct Digest {
    digest: DigestAlgorithm,
    oid: ObjectIdentifier,
    with_rsa: ObjectIdentifier,
    with_ecdsa: Option<ObjectIdentifier>,
}

const DIGESTS: [Digest; 10] = {
    use DigestAlgorithm::*;
    const fn row(
        digest: DigestAlgorithm,
        oid: ObjectIdentifier,
        with_rsa: ObjectIdentifier,
        with_ecdsa: Option<ObjectIdentifier>,
    ) -> Digest {
        Digest { digest, oid, with_rsa, with_ecdsa }
    }
    [
        row(Md5, oid::MD5, oid::MD5_WITH_RSA, None),
        row(Sha1, oid::SHA1, oid::SHA1_WITH_RSA, Some(oid::ECDSA_WITH_SHA1)),
        row(Sha224, oid::SHA224, oid::SHA224_WITH_RSA, Some(oid::ECDSA_WITH_SHA224)),
        row(Sha256, oid::SHA256, oid::SHA256_WITH_RSA, Some(oid::ECDSA_WITH_SHA256)),
        row(Sha384, oid::SHA384, oid::SHA384_WITH_RSA, Some(oid::ECDSA_WITH_SHA384)),
        row(Sha512, oid::SHA512, oid::SHA512_WITH_RSA, Some(oid::ECDSA_WITH_SHA512)),
        row(Sha3_224, oid::SHA3_224, oid::SHA3_224_WITH_RSA, Some(oid::ECDSA_WITH_SHA3_224)),
        row(Sha3_256, oid::SHA3_256, oid::SHA3_256_WITH_RSA, Some(oid::ECDSA_WITH_SHA3_256)),
        row(Sha3_384, oid::SHA3_384, oid::SHA3_384_WITH_RSA, Some(oid::ECDSA_WITH_SHA3_384)),
        row(Sha3_512, oid::SHA3_512, oid::SHA3_512_WITH_RSA, Some(oid::ECDSA_WITH_SHA3_512)),
    ]
};

/// The digest algorithm that `oid` names. Old programs named digestWithSignature where a digest must be.
pub(crate) fn digest(oid: &ObjectIdentifier) -> Option<DigestAlgorithm> {
    DIGESTS.iter().find(|row| row.oid == *oid || row.with_rsa == *oid).map(|row| row.digest)
}

/// AlgorithmIdentifier of a digest, parameters absent (RFC 5754 section 2).
pub(crate) fn write_digest(digest: DigestAlgorithm) -> Vec<u8> {
    der::algorithm(&digest_oid(digest), &[])
}

/// The same inside of RSASSA-PSS and RSAES-OAEP parameters, where it has a NULL (RFC 4055 section 2.1).
fn write_digest_null(digest: DigestAlgorithm) -> Vec<u8> {
    der::algorithm(&digest_oid(digest), &[der::NULL, 0])
}

fn digest_oid(digest: DigestAlgorithm) -> ObjectIdentifier {
    let row = DIGESTS.iter().find(|row| row.digest == digest);
    row.map_or(oid::SHA256, |row| row.oid)
}

/// `[n] EXPLICIT HashAlgorithm`, SHA-1 if absent (RFC 4055).
fn tagged_hash(field: Option<Element<'_>>) -> Result<Option<DigestAlgorithm>> {
    match field {
        None => Ok(Some(DigestAlgorithm::Sha1)),
        Some(field) => Ok(digest(&Algorithm::parse(&field.inside().expect(der::SEQUENCE)?)?.oid)),
    }
}

/// `[n] EXPLICIT MaskGenAlgorithm`, MGF1 with SHA-1 if absent (RFC 4055): the hash.
fn tagged_mgf(field: Option<Element<'_>>) -> Result<Option<DigestAlgorithm>> {
    let Some(field) = field else { return Ok(Some(DigestAlgorithm::Sha1)) };
    let mgf = Algorithm::parse(&field.inside().expect(der::SEQUENCE)?)?;
    match mgf.parameters {
        Some(hash) if mgf.oid == oid::MGF1 => Ok(digest(&Algorithm::parse(&hash)?.oid)),
        _ => Ok(None),
    }
}

/// MGF1 with `hash`.
fn write_mgf(hash: DigestAlgorithm) -> Vec<u8> {
    der::algorithm(&oid::MGF1, &write_digest_null(hash))
}
