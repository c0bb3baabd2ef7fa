//! Verifies the signatures between certificates, on AWS-LC.

use aws_lc_rs::signature::{self, UnparsedPublicKey, VerificationAlgorithm};
use certval::PkiEnvironment;
use const_oid::ObjectIdentifier;
use const_oid::db::rfc5912::{
    ECDSA_WITH_SHA_256, ECDSA_WITH_SHA_384, ECDSA_WITH_SHA_512, ID_EC_PUBLIC_KEY, ID_MGF_1, ID_RSASSA_PSS,
    ID_SHA_256, ID_SHA_384, ID_SHA_512, RSA_ENCRYPTION, SECP_256_R_1, SECP_384_R_1, SECP_521_R_1,
    SHA_256_WITH_RSA_ENCRYPTION, SHA_384_WITH_RSA_ENCRYPTION, SHA_512_WITH_RSA_ENCRYPTION,
};
use const_oid::db::rfc8410::ID_ED_25519;
use der::asn1::BitString;
use der::{Decode, Encode, Sequence};
use x509_cert::spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned};

use super::certificate::curve;

#[cfg(test)]
std::thread_local! {
    /// For vectors with keys of 1024 bits, which are refused otherwise.
    pub(super) static SHORT_KEYS: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

/// certval's callback. `Unrecognized` says that the algorithm is not supported or does not fit the key.
pub(super) fn verify(
    _environment: &PkiEnvironment,
    message: &[u8],
    signature: &BitString,
    algorithm: &AlgorithmIdentifierOwned,
    key: &SubjectPublicKeyInfoOwned,
) -> certval::Result<()> {
    let wrong = certval::Error::PathValidation(certval::PathValidationStatus::SignatureVerificationFailure);
    let algorithm = verification_algorithm(algorithm, key).ok_or(certval::Error::Unrecognized)?;
    let key = key.subject_public_key.as_bytes().ok_or(wrong)?;
    let signature = signature.as_bytes().ok_or(wrong)?;
    UnparsedPublicKey::new(algorithm, key).verify(message, signature).map_err(|_| wrong)
}

/// Whether a certificate signed with `algorithm` can be checked at all.
pub(super) fn is_supported(algorithm: &AlgorithmIdentifierOwned) -> bool {
    let oid = algorithm.oid;
    rsa_pkcs1(oid).is_some()
        || oid == ID_ED_25519
        || [ECDSA_WITH_SHA_256, ECDSA_WITH_SHA_384, ECDSA_WITH_SHA_512].contains(&oid)
        || oid == ID_RSASSA_PSS && rsa_pss(algorithm).is_some()
}

/// The algorithm, if it is a supported one and fits the kind of `key`. SHA-1 and MD5 are not: anybody
/// with some money can make a colliding certificate.
fn verification_algorithm(
    algorithm: &AlgorithmIdentifierOwned,
    key: &SubjectPublicKeyInfoOwned,
) -> Option<&'static dyn VerificationAlgorithm> {
    match key.algorithm.oid {
        RSA_ENCRYPTION => rsa_pkcs1(algorithm.oid).or_else(|| rsa_pss(algorithm)),
        ID_RSASSA_PSS => rsa_pss(algorithm),
        ID_EC_PUBLIC_KEY => ecdsa(algorithm.oid, curve(key)?),
        ID_ED_25519 if algorithm.oid == ID_ED_25519 => Some(&signature::ED25519),
        _ => None,
    }
}

fn rsa_pkcs1(oid: ObjectIdentifier) -> Option<&'static dyn VerificationAlgorithm> {
    #[cfg(test)]
    if SHORT_KEYS.get() && oid == SHA_256_WITH_RSA_ENCRYPTION {
        return Some(&signature::RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY);
    }
    match oid {
        SHA_256_WITH_RSA_ENCRYPTION => Some(&signature::RSA_PKCS1_2048_8192_SHA256),
        SHA_384_WITH_RSA_ENCRYPTION => Some(&signature::RSA_PKCS1_2048_8192_SHA384),
        SHA_512_WITH_RSA_ENCRYPTION => Some(&signature::RSA_PKCS1_2048_8192_SHA512),
        _ => None,
    }
}

fn ecdsa(oid: ObjectIdentifier, curve: ObjectIdentifier) -> Option<&'static dyn VerificationAlgorithm> {
    match (curve, oid) {
        (SECP_256_R_1, ECDSA_WITH_SHA_256) => Some(&signature::ECDSA_P256_SHA256_ASN1),
        (SECP_256_R_1, ECDSA_WITH_SHA_384) => Some(&signature::ECDSA_P256_SHA384_ASN1),
        (SECP_256_R_1, ECDSA_WITH_SHA_512) => Some(&signature::ECDSA_P256_SHA512_ASN1),
        (SECP_384_R_1, ECDSA_WITH_SHA_256) => Some(&signature::ECDSA_P384_SHA256_ASN1),
        (SECP_384_R_1, ECDSA_WITH_SHA_384) => Some(&signature::ECDSA_P384_SHA384_ASN1),
        (SECP_384_R_1, ECDSA_WITH_SHA_512) => Some(&signature::ECDSA_P384_SHA512_ASN1),
        (SECP_521_R_1, ECDSA_WITH_SHA_256) => Some(&signature::ECDSA_P521_SHA256_ASN1),
        (SECP_521_R_1, ECDSA_WITH_SHA_384) => Some(&signature::ECDSA_P521_SHA384_ASN1),
        (SECP_521_R_1, ECDSA_WITH_SHA_512) => Some(&signature::ECDSA_P521_SHA512_ASN1),
        _ => None,
    }
}

/// RSASSA-PSS-params (RFC 4055 section 3.1). The defaults are SHA-1's, so absent fields never fit.
#[derive(Sequence)]
struct PssParameters {
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    hash: Option<AlgorithmIdentifierOwned>,
    #[asn1(context_specific = "1", tag_mode = "EXPLICIT", optional = "true")]
    mask: Option<AlgorithmIdentifierOwned>,
    #[asn1(context_specific = "2", tag_mode = "EXPLICIT", optional = "true")]
    salt_length: Option<u32>,
    #[asn1(context_specific = "3", tag_mode = "EXPLICIT", optional = "true")]
    trailer: Option<u32>,
}

/// PSS with MGF1 over the same hash and a salt as long as the hash: what RFC 4055 recommends.
fn rsa_pss(algorithm: &AlgorithmIdentifierOwned) -> Option<&'static dyn VerificationAlgorithm> {
    if algorithm.oid != ID_RSASSA_PSS {
        return None;
    }
    let parameters = algorithm.parameters.as_ref()?.to_der().ok()?;
    let parameters = PssParameters::from_der(&parameters).ok()?;
    let (hash, mask) = (parameters.hash?, parameters.mask?);
    let mask_hash = AlgorithmIdentifierOwned::from_der(&mask.parameters?.to_der().ok()?).ok()?;
    if mask.oid != ID_MGF_1 || mask_hash.oid != hash.oid || parameters.trailer.unwrap_or(1) != 1 {
        return None;
    }
    match (hash.oid, parameters.salt_length?) {
        (ID_SHA_256, 32) => Some(&signature::RSA_PSS_2048_8192_SHA256),
        (ID_SHA_384, 48) => Some(&signature::RSA_PSS_2048_8192_SHA384),
        (ID_SHA_512, 64) => Some(&signature::RSA_PSS_2048_8192_SHA512),
        _ => None,
    }
}
