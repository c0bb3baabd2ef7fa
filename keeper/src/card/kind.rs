//! What kind of key a certificate is for.

use der::Decode;
use wafer_client::keeper::KeyKind;
use x509_cert::Certificate;
use x509_cert::spki::SubjectPublicKeyInfoOwned;

/// The link's name for a public key's algorithm (RFC 3279, RFC 5480, RFC 8410); `None` for one that is not used.
pub fn of(key: &SubjectPublicKeyInfoOwned) -> Option<KeyKind> {
    match key.algorithm.oid.to_string().as_str() {
        "1.2.840.113549.1.1.1" => Some(KeyKind::Rsa),
        "1.2.840.10045.2.1" => Some(KeyKind::Ec),
        "1.3.101.112" => Some(KeyKind::Ed25519),
        "1.3.101.110" => Some(KeyKind::X25519),
        _ => None,
    }
}

/// The same for a certificate (DER).
pub fn of_certificate(der: &[u8]) -> Option<KeyKind> {
    of(Certificate::from_der(der).ok()?.tbs_certificate().subject_public_key_info())
}
