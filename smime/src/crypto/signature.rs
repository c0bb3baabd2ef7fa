//! Signature checks from a SubjectPublicKeyInfo.

use aws_lc_rs::digest::Digest;
use aws_lc_rs::signature as provider;
use const_oid::ObjectIdentifier;
use spki::SubjectPublicKeyInfoRef;

use crate::algorithm::DigestAlgorithm;
use crate::asn1::oid;
use crate::crypto::{ffi, hash};

/// How to check a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Check {
    /// RSASSA-PKCS1-v1_5.
    RsaPkcs1,
    /// RSASSA-PSS, MGF1 with the same hash, salt of so many bytes.
    RsaPss {
        /// Salt length.
        salt: u16,
    },
    /// ECDSA; the curve is the key's.
    Ecdsa,
}

/// Why a check could not be made, or what it said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The signature is the key's over the digest.
    Good,
    /// It is not.
    Bad,
    /// Key, curve and hash are a combination we do not check: its name.
    Unsupported(String),
}

/// Checks `signature` over a digest made with `algorithm`.
pub(crate) fn verify(
    spki: &SubjectPublicKeyInfoRef<'_>,
    check: Check,
    algorithm: DigestAlgorithm,
    digest: &[u8],
    signature: &[u8],
) -> Verdict {
    let Some(key) = spki.subject_public_key.as_bytes() else { return Verdict::Bad };
    if !fits(spki, check) {
        return Verdict::Bad;
    }
    match check {
        Check::RsaPss { salt } => {
            if ffi::verify_pss(key, algorithm, salt, digest, signature) {
                Verdict::Good
            } else {
                Verdict::Bad
            }
        }
        Check::RsaPkcs1 => by_provider(rsa(algorithm), key, algorithm, digest, signature),
        Check::Ecdsa => {
            let curve = spki.algorithm.parameters.and_then(|any| any.decode_as::<ObjectIdentifier>().ok());
            match curve.and_then(|curve| ecdsa(curve, algorithm)) {
                Some(how) => by_provider(how, key, algorithm, digest, signature),
                None => Verdict::Unsupported(format!(
                    "ECDSA on curve {} with {}",
                    curve.map_or_else(|| "without a name".to_owned(), |curve| curve.to_string()),
                    algorithm.name()
                )),
            }
        }
    }
}

/// Checks an Ed25519 signature over `message` (RFC 8419).
pub(crate) fn verify_ed25519(
    spki: &SubjectPublicKeyInfoRef<'_>,
    message: &[u8],
    signature: &[u8],
) -> Verdict {
    let key = spki.subject_public_key.as_bytes().filter(|_| spki.algorithm.oid == oid::ED25519);
    let good = key.is_some_and(|key| {
        provider::UnparsedPublicKey::new(&provider::ED25519, key).verify(message, signature).is_ok()
    });
    if good { Verdict::Good } else { Verdict::Bad }
}

/// Whether the key is of the kind that `check` needs.
pub(crate) fn fits(spki: &SubjectPublicKeyInfoRef<'_>, check: Check) -> bool {
    let algorithm = spki.algorithm.oid;
    match check {
        Check::RsaPkcs1 => algorithm == oid::RSA_ENCRYPTION,
        Check::RsaPss { .. } => algorithm == oid::RSA_ENCRYPTION || algorithm == oid::RSASSA_PSS,
        Check::Ecdsa => algorithm == oid::EC_PUBLIC_KEY,
    }
}

fn by_provider(
    how: &'static dyn provider::VerificationAlgorithm,
    key: &[u8],
    algorithm: DigestAlgorithm,
    digest: &[u8],
    signature: &[u8],
) -> Verdict {
    let good = Digest::import_less_safe(digest, hash::provider(algorithm))
        .and_then(|digest| provider::UnparsedPublicKey::new(how, key).verify_digest(&digest, signature));
    if good.is_ok() { Verdict::Good } else { Verdict::Bad }
}

/// 1024 bits are still seen on old signatures; whether to believe them is the path's question.
fn rsa(algorithm: DigestAlgorithm) -> &'static dyn provider::VerificationAlgorithm {
    match algorithm {
        DigestAlgorithm::Sha1 => &provider::RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY,
        DigestAlgorithm::Sha256 => &provider::RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY,
        DigestAlgorithm::Sha384 => &provider::RSA_PKCS1_2048_8192_SHA384,
        DigestAlgorithm::Sha512 => &provider::RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY,
    }
}

fn ecdsa(
    curve: ObjectIdentifier,
    algorithm: DigestAlgorithm,
) -> Option<&'static dyn provider::VerificationAlgorithm> {
    use DigestAlgorithm::{Sha1, Sha256, Sha384, Sha512};
    Some(match (curve, algorithm) {
        (oid::P256, Sha1) => &provider::ECDSA_P256_SHA1_ASN1,
        (oid::P256, Sha256) => &provider::ECDSA_P256_SHA256_ASN1,
        (oid::P256, Sha384) => &provider::ECDSA_P256_SHA384_ASN1,
        (oid::P256, Sha512) => &provider::ECDSA_P256_SHA512_ASN1,
        (oid::P384, Sha256) => &provider::ECDSA_P384_SHA256_ASN1,
        (oid::P384, Sha384) => &provider::ECDSA_P384_SHA384_ASN1,
        (oid::P384, Sha512) => &provider::ECDSA_P384_SHA512_ASN1,
        (oid::P521, Sha1) => &provider::ECDSA_P521_SHA1_ASN1,
        (oid::P521, Sha256) => &provider::ECDSA_P521_SHA256_ASN1,
        (oid::P521, Sha384) => &provider::ECDSA_P521_SHA384_ASN1,
        (oid::P521, Sha512) => &provider::ECDSA_P521_SHA512_ASN1,
        _ => return None,
    })
}
