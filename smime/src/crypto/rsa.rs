//! RSA key transport, the public side.

use aws_lc_rs::rsa::{Pkcs1PublicEncryptingKey, PublicEncryptingKey};

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
