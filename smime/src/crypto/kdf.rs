//! Key derivation of key agreement: ANSI X9.63 (RFC 5753 section 7.2; SEC 1 section 3.6.1) and HKDF (RFC 8418).

use aws_lc_rs::hkdf;
use zeroize::Zeroizing;

use crate::algorithm::DigestAlgorithm;
use crate::crypto::ffi::Hash;
use crate::error::{Error, Result};

/// How a wrapping key comes out of the shared secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kdf {
    /// X9.63 with this hash. SHA-1 is OpenSSL's default, SHA-256 what we write.
    X963(DigestAlgorithm),
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
            Self::X963(hash) => Ok(x963(hash, z, shared_info, length)),
            Self::HkdfSha256 => expand(hkdf::HKDF_SHA256, z, shared_info, length),
            Self::HkdfSha384 => expand(hkdf::HKDF_SHA384, z, shared_info, length),
            Self::HkdfSha512 => expand(hkdf::HKDF_SHA512, z, shared_info, length),
        }
    }
}

fn x963(algorithm: DigestAlgorithm, z: &[u8], info: &[u8], length: usize) -> Zeroizing<Vec<u8>> {
    let mut key = Zeroizing::new(Vec::with_capacity(length + algorithm.length()));
    for counter in 1u32.. {
        if key.len() >= length {
            break;
        }
        let mut hash = Hash::new(algorithm);
        hash.update(z);
        hash.update(&counter.to_be_bytes());
        hash.update(info);
        key.extend_from_slice(hash.finish().as_ref());
    }
    key.truncate(length);
    key
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
        let key = Kdf::X963(DigestAlgorithm::Sha256).derive(&z, &[], 16).unwrap();
        assert_eq!(*key, hex("443024c3dae66b95e6f5670601558f71"));
    }

    #[test]
    fn every_kdf_gives_as_many_bytes_as_asked() {
        let x963 = DigestAlgorithm::ALL.map(Kdf::X963);
        for kdf in [&x963[..], &[Kdf::HkdfSha256, Kdf::HkdfSha384, Kdf::HkdfSha512]].concat() {
            assert_eq!(kdf.derive(b"z", b"info", 32).unwrap().len(), 32);
        }
    }
}
