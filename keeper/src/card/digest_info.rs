//! DigestInfo (RFC 8017 section 9.2, note 1), which PKCS#11's CKM_RSA_PKCS leaves to its caller.

use wafer_client::keeper::Digest;

use super::CardError;

const SHA256: &[u8] = &[
    0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00,
    0x04, 0x20,
];
const SHA384: &[u8] = &[
    0x30, 0x41, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02, 0x05, 0x00,
    0x04, 0x30,
];
const SHA512: &[u8] = &[
    0x30, 0x51, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x03, 0x05, 0x00,
    0x04, 0x40,
];

/// Octets of a digest.
pub fn length(algorithm: Digest) -> usize {
    match algorithm {
        Digest::Sha1 => 20,
        Digest::Sha224 => 28,
        Digest::Sha256 => 32,
        Digest::Sha384 => 48,
        Digest::Sha512 => 64,
    }
}

/// Refuses a digest of another length than its algorithm's, and those with which nothing is signed.
pub fn check(algorithm: Digest, digest: &[u8]) -> Result<(), CardError> {
    prefix(algorithm)?;
    if digest.len() != length(algorithm) {
        return Err(CardError::Argument("the digest's length does not fit its algorithm"));
    }
    Ok(())
}

/// The DER DigestInfo of a digest.
pub fn encode(algorithm: Digest, digest: &[u8]) -> Result<Vec<u8>, CardError> {
    check(algorithm, digest)?;
    Ok([prefix(algorithm)?, digest].concat())
}

fn prefix(algorithm: Digest) -> Result<&'static [u8], CardError> {
    match algorithm {
        Digest::Sha1 => Err(CardError::Unsupported("sha1".to_owned())),
        Digest::Sha224 => Err(CardError::Unsupported("sha224".to_owned())),
        Digest::Sha256 => Ok(SHA256),
        Digest::Sha384 => Ok(SHA384),
        Digest::Sha512 => Ok(SHA512),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn lengths_inside_agree_with_the_whole() {
        for algorithm in [Digest::Sha256, Digest::Sha384, Digest::Sha512] {
            let size = length(algorithm);
            let info = encode(algorithm, &vec![7; size]).unwrap();
            assert_eq!(usize::from(info[1]), info.len() - 2);
            assert_eq!(usize::from(info[18]), size);
        }
    }

    #[test]
    fn sha1_and_odd_lengths_are_refused() {
        assert_eq!(encode(Digest::Sha1, &[0; 20]), Err(CardError::Unsupported("sha1".to_owned())));
        assert_eq!(encode(Digest::Sha224, &[0; 28]), Err(CardError::Unsupported("sha224".to_owned())));
        assert!(matches!(encode(Digest::Sha256, &[0; 31]), Err(CardError::Argument(_))));
    }
}
