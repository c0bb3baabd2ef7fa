//! Signature algorithms (RFC 3370, RFC 4056, RFC 5754, RFC 5753, RFC 8419, RFC 9688).

use super::{Algorithm, DIGESTS, tagged_hash, tagged_mgf, write_digest_null, write_mgf};
use crate::algorithm::{DigestAlgorithm, SignatureScheme};
use crate::asn1::{der, oid};
use crate::crypto::signature::Check;
use crate::error::Result;

/// How a signer info says that it was signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SignedBy {
    /// For the verdict.
    pub(crate) scheme: SignatureScheme,
    /// How to check; `None` is Ed25519, which takes the message itself.
    pub(crate) check: Option<Check>,
    /// Digest, where the signature algorithm fixes one.
    pub(crate) digest: Option<DigestAlgorithm>,
}

/// Reads a signatureAlgorithm; `Err` is what to call it if it is not supported.
pub(crate) fn signature(algorithm: &Algorithm<'_>) -> std::result::Result<SignedBy, String> {
    let by = |scheme, check, digest| SignedBy { scheme, check: Some(check), digest };
    let rsa = |digest| by(SignatureScheme::RsaPkcs1, Check::RsaPkcs1, digest);
    let ecdsa = |digest| by(SignatureScheme::Ecdsa, Check::Ecdsa, digest);
    let dsa = |digest| by(SignatureScheme::Dsa, Check::Dsa, digest);
    for row in &DIGESTS {
        if row.with_rsa == algorithm.oid {
            return Ok(rsa(Some(row.digest)));
        }
        if row.with_ecdsa == Some(algorithm.oid) {
            return Ok(ecdsa(Some(row.digest)));
        }
    }
    Ok(match algorithm.oid {
        oid::RSA_ENCRYPTION => rsa(None),
        oid::OIW_SHA1_WITH_RSA => rsa(Some(DigestAlgorithm::Sha1)),
        oid::EC_PUBLIC_KEY => ecdsa(None),
        oid::DSA => dsa(None),
        oid::DSA_WITH_SHA1 => dsa(Some(DigestAlgorithm::Sha1)),
        oid::DSA_WITH_SHA224 => dsa(Some(DigestAlgorithm::Sha224)),
        oid::DSA_WITH_SHA256 => dsa(Some(DigestAlgorithm::Sha256)),
        oid::ED25519 => SignedBy { scheme: SignatureScheme::Ed25519, check: None, digest: None },
        oid::RSASSA_PSS => {
            let pss = pss(algorithm).ok().flatten();
            let Pss { hash, mgf, salt } =
                pss.ok_or_else(|| "RSASSA-PSS with unusual parameters".to_owned())?;
            by(SignatureScheme::RsaPss, Check::RsaPss { mgf, salt }, Some(hash))
        }
        other => return Err(oid::name(&other)),
    })
}

/// signatureAlgorithm as we write it; `None` for what is only read. RSA is named `rsaEncryption`, as RFC 5754
/// section 3.2 allows and everybody reads.
pub(crate) fn write_signature(scheme: SignatureScheme, digest: DigestAlgorithm) -> Option<Vec<u8>> {
    match scheme {
        SignatureScheme::RsaPkcs1 => Some(der::algorithm(&oid::RSA_ENCRYPTION, &[der::NULL, 0])),
        SignatureScheme::RsaPss => Some(der::algorithm(&oid::RSASSA_PSS, &write_pss(digest))),
        SignatureScheme::Ed25519 => Some(der::algorithm(&oid::ED25519, &[])),
        SignatureScheme::Ecdsa => {
            let row = DIGESTS.iter().find(|row| row.digest == digest)?;
            row.with_ecdsa.map(|id| der::algorithm(&id, &[]))
        }
        SignatureScheme::Dsa => None,
    }
}

/// RSASSA-PSS-params (RFC 4055 section 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pss {
    /// Hash of the message.
    pub(crate) hash: DigestAlgorithm,
    /// MGF1's hash.
    pub(crate) mgf: DigestAlgorithm,
    /// Bytes of salt: of a signature exactly, of a key at least.
    pub(crate) salt: u16,
}

/// Reads RSASSA-PSS-params; `None` if there are none, or something in them is unknown.
///
/// # Errors
/// [`crate::Error::Malformed`].
pub(crate) fn pss(algorithm: &Algorithm<'_>) -> Result<Option<Pss>> {
    let Some(mut fields) = algorithm.fields() else { return Ok(None) };
    let hash = tagged_hash(fields.optional(der::context(0))?)?;
    let mgf = tagged_mgf(fields.optional(der::context(1))?)?;
    let salt = match fields.optional(der::context(2))? {
        None => Some(20),
        Some(salt) => match *salt.inside().expect(der::INTEGER)?.content {
            [low] if low < 0x80 => Some(u16::from(low)),
            [high, low] if high < 0x80 => Some(u16::from_be_bytes([high, low])),
            _ => None,
        },
    };
    // trailerField: 1, or absent which means the same.
    let trailer = match fields.optional(der::context(3))? {
        None => true,
        Some(trailer) => trailer.inside().expect(der::INTEGER)?.content == [1],
    };
    Ok(match (hash, mgf, salt) {
        (Some(hash), Some(mgf), Some(salt)) if trailer => Some(Pss { hash, mgf, salt }),
        _ => None,
    })
}

/// As many bytes of salt as the digest has (RFC 4056 section 3).
fn write_pss(digest: DigestAlgorithm) -> Vec<u8> {
    der::sequence(&[
        &der::element(der::context(0), &[&write_digest_null(digest)]),
        &der::element(der::context(1), &[&write_mgf(digest)]),
        &der::element(der::context(2), &[&der::integer(digest.length() as u8)]),
    ])
}
