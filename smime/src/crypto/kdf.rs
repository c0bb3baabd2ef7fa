//! Key derivation of key agreement: ANSI X9.63 (RFC 5753 section 7.2; SEC 1 section 3.6.1) and HKDF (RFC 8418).

use aws_lc_rs::{digest, hkdf};
use zeroize::Zeroizing;

use crate::error::{Error, Result};

/// How a wrapping key comes out of the shared secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kdf {
    /// X9.63 with SHA-1: OpenSSL's default.
    X963Sha1,
    /// X9.63 with SHA-224.
    X963Sha224,
    /// X9.63 with SHA-256: what we write.
    X963Sha256,
    /// X9.63 with SHA-384.
    X963Sha384,
    /// X9.63 with SHA-512.
    X963Sha512,
    /// HKDF with SHA-256, without salt.
    HkdfSha256,
    /// HKDF with SHA-384, without salt.
    HkdfSha384,
    /// HKDF with SHA-512, without salt.
    HkdfSha512,
}

impl Kdf {
    /// `length` bytes of key out of the shared secret `z` and the DER of ECC-CMS-SharedInfo.
    ///
    /// # Errors
    /// [`Error::Crypto`] for an absurd length.
    pub(crate) fn derive(self, z: &[u8], shared_info: &[u8], length: usize) -> Result<Zeroizing<Vec<u8>>> {
        match self {
            Self::X963Sha1 => x963(&digest::SHA1_FOR_LEGACY_USE_ONLY, z, shared_info, length),
            Self::X963Sha224 => x963(&digest::SHA224, z, shared_info, length),
            Self::X963Sha256 => x963(&digest::SHA256, z, shared_info, length),
            Self::X963Sha384 => x963(&digest::SHA384, z, shared_info, length),
            Self::X963Sha512 => x963(&digest::SHA512, z, shared_info, length),
            Self::HkdfSha256 => expand(hkdf::HKDF_SHA256, z, shared_info, length),
            Self::HkdfSha384 => expand(hkdf::HKDF_SHA384, z, shared_info, length),
            Self::HkdfSha512 => expand(hkdf::HKDF_SHA512, z, shared_info, length),
        }
    }
}

fn x963(
    hash: &'static digest::Algorithm,
    z: &[u8],
    info: &[u8],
    length: usize,
) -> Result<Zeroizing<Vec<u8>>> {
    let mut key = Zeroizing::new(Vec::with_capacity(length + digest::MAX_OUTPUT_LEN));
    for counter in 1u32.. {
        if key.len() >= length {
            break;
        }
        let mut context = digest::Context::new(hash);
        context.update(z);
        context.update(&counter.to_be_bytes());
        context.update(info);
        key.extend_from_slice(context.finish().as_ref());
    }
    key.truncate(length);
    Ok(key)
}

struct Length(usize);

impl hkdf::KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

fn expand(algorithm: hkdf::Algorithm, z: &[u8], info: &[u8], length: usize) -> Result<Zeroizing<Vec<u8>>> {
    let mut key = Zeroizing::new(vec![0; length]);
    hkdf::Salt::new(algorithm, &[])
        .extract(z)
        .expand(&[info], Length(length))
        .and_then(|okm| okm.fill(&mut key))
        .map_err(|_| Error::Crypto("a key could not be derived"))?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
    }

    #[test]
    fn x963_as_nist_has_it() {
        // CAVS 12.0, ANSI X9.63-2001, SHA-256, shared secret 192, shared info 0, key 128 bits.
        let z = hex("96c05619d56c328ab95fe84b18264b08725b85e33fd34f08");
        let key = Kdf::X963Sha256.derive(&z, &[], 16).unwrap();
        assert_eq!(*key, hex("443024c3dae66b95e6f5670601558f71"));
    }

    #[test]
    fn every_kdf_gives_as_many_bytes_as_asked() {
        for kdf in [
            Kdf::X963Sha1,
            Kdf::X963Sha224,
            Kdf::X963Sha384,
            Kdf::X963Sha512,
            Kdf::HkdfSha256,
            Kdf::HkdfSha512,
        ] {
            assert_eq!(kdf.derive(b"z", b"info", 32).unwrap().len(), 32);
        }
    }
}
