//! Signature checks from a SubjectPublicKeyInfo.

use aws_lc_rs::signature as provider;
use const_oid::ObjectIdentifier;
use spki::SubjectPublicKeyInfoRef;
use spki::der::Encode;

use crate::algorithm::DigestAlgorithm;
use crate::asn1::oid;
use crate::crypto::ffi::{Padding, PublicKey};

/// How to check a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Check {
    /// RSASSA-PKCS1-v1_5.
    RsaPkcs1,
    /// RSASSA-PSS with MGF1.
    RsaPss {
        /// MGF1's hash.
        mgf: DigestAlgorithm,
        /// Salt length.
        salt: u16,
    },
    /// ECDSA; the curve is the key's.
    Ecdsa,
    /// DSA.
    Dsa,
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
    if !fits(spki, check) {
        return Verdict::Bad;
    }
    if check == Check::Ecdsa && !is_known_curve(spki) {
        return Verdict::Unsupported(format!("ECDSA on {}", curve_name(spki)));
    }
    if check == Check::Dsa && spki.algorithm.parameters.is_none() {
        return Verdict::Unsupported("DSA with parameters inherited from the issuer".to_owned());
    }
    let Some(key) = key(spki) else { return Verdict::Bad };
    let good = match check {
        Check::RsaPkcs1 => key.verify(Padding::Pkcs1, algorithm, digest, signature),
        Check::RsaPss { mgf, salt } => key.verify(Padding::Pss { mgf, salt }, algorithm, digest, signature),
        Check::Ecdsa => key.verify(Padding::None, algorithm, digest, signature),
        Check::Dsa => key.verify_dsa(digest, signature),
    };
    if good { Verdict::Good } else { Verdict::Bad }
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
        Check::RsaPss { .. } => is_rsa(spki),
        Check::Ecdsa => algorithm == oid::EC_PUBLIC_KEY,
        Check::Dsa => algorithm == oid::DSA,
    }
}

/// Bits of an RSA key's modulus; `None` for other keys.
pub(crate) fn rsa_bits(spki: &SubjectPublicKeyInfoRef<'_>) -> Option<u32> {
    if is_rsa(spki) { key(spki).map(|key| key.bits()) } else { None }
}

fn is_rsa(spki: &SubjectPublicKeyInfoRef<'_>) -> bool {
    [oid::RSA_ENCRYPTION, oid::RSASSA_PSS].contains(&spki.algorithm.oid)
}

fn key(spki: &SubjectPublicKeyInfoRef<'_>) -> Option<PublicKey> {
    if is_rsa(spki) {
        PublicKey::rsa(spki.subject_public_key.as_bytes()?)
    } else {
        PublicKey::parse(&spki.to_der().ok()?)
    }
}

fn is_known_curve(spki: &SubjectPublicKeyInfoRef<'_>) -> bool {
    curve(spki).is_some_and(|curve| [oid::P256, oid::P384, oid::P521].contains(&curve))
}

fn curve(spki: &SubjectPublicKeyInfoRef<'_>) -> Option<ObjectIdentifier> {
    spki.algorithm.parameters.and_then(|any| any.decode_as::<ObjectIdentifier>().ok())
}

fn curve_name(spki: &SubjectPublicKeyInfoRef<'_>) -> String {
    curve(spki).map_or_else(|| "a curve without a name".to_owned(), |curve| oid::name(&curve))
}
