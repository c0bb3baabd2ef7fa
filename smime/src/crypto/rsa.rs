//! RSA key transport, the public side.

use aws_lc_rs::rsa::{
    self, OaepAlgorithm, OaepPublicEncryptingKey, Pkcs1PublicEncryptingKey, PublicEncryptingKey,
};

use crate::algorithm::DigestAlgorithm;
use crate::error::{Error, Result};

/// RSAES-PKCS1-v1_5 (RFC 8017 section 7.2) of `key` for the SubjectPublicKeyInfo `spki` (DER).
///
/// # Errors
/// [`Error::Crypto`] if the public key is none that can be used (2048 to 8192 bits).
pub(crate) fn encrypt_pkcs1(spki: &[u8], key: &[u8]) -> Result<Vec<u8>> {
    let public = Pkcs1PublicEncryptingKey::new(public(spki)?).map_err(|_| refused())?;
    let mut sealed = vec![0; public.ciphertext_size()];
    public.encrypt(key, &mut sealed).map_err(|_| refused())?;
    Ok(sealed)
}

/// RSAES-OAEP (RFC 8017 section 7.1) of `key` with `hash`, MGF1 with the same, without a label.
///
/// # Errors
/// As [`encrypt_pkcs1`]; [`Error::UnsupportedAlgorithm`] as [`check_oaep`].
pub(crate) fn encrypt_oaep(spki: &[u8], hash: DigestAlgorithm, key: &[u8]) -> Result<Vec<u8>> {
    let algorithm = oaep(hash)?;
    let public = OaepPublicEncryptingKey::new(public(spki)?).map_err(|_| refused())?;
    let mut sealed = vec![0; public.ciphertext_size()];
    public.encrypt(algorithm, key, &mut sealed, None).map_err(|_| refused())?;
    Ok(sealed)
}

/// That OAEP is written with `hash`.
///
/// # Errors
/// [`Error::UnsupportedAlgorithm`].
pub(crate) fn check_oaep(hash: DigestAlgorithm) -> Result<()> {
    oaep(hash).map(drop)
}

/// SHA-1 is no weakness in OAEP, and the one that old programs and cards know.
fn oaep(hash: DigestAlgorithm) -> Result<&'static OaepAlgorithm> {
    Ok(match hash {
        DigestAlgorithm::Sha1 => &rsa::OAEP_SHA1_MGF1SHA1,
        DigestAlgorithm::Sha256 => &rsa::OAEP_SHA256_MGF1SHA256,
        DigestAlgorithm::Sha384 => &rsa::OAEP_SHA384_MGF1SHA384,
        DigestAlgorithm::Sha512 => &rsa::OAEP_SHA512_MGF1SHA512,
        other => return Err(Error::UnsupportedAlgorithm(format!("RSAES-OAEP with {}", other.name()))),
    })
}

/// Whether `spki` is an RSA key that can be encrypted to.
pub(crate) fn usable(spki: &[u8]) -> bool {
    public(spki).is_ok()
}

fn public(spki: &[u8]) -> Result<PublicEncryptingKey> {
    PublicEncryptingKey::from_der(spki).map_err(|_| refused())
}

fn refused() -> Error {
    Error::Crypto("the RSA key cannot be encrypted to")
}
