//! RSA padding that is left to the host: the RSA of PIV cards, and of keys in files, is the bare operation.

use aws_lc_rs::{digest, rand};
use wafer_client::keeper::Digest;

use crate::card::{CardError, digest_info, oaep};

/// EMSA-PKCS1-v1_5 (RFC 8017 section 9.2) of a digest, `length` octets long.
pub(super) fn pkcs1(algorithm: Digest, digest: &[u8], length: usize) -> Result<Vec<u8>, CardError> {
    let info = digest_info::encode(algorithm, digest)?;
    let fill = length.checked_sub(info.len() + 3).filter(|fill| *fill >= 8);
    let fill = fill.ok_or_else(|| CardError::Unsupported("so short an RSA key".to_owned()))?;
    Ok([&[0, 1][..], &vec![0xff; fill], &[0], &info].concat())
}

/// EMSA-PSS (RFC 8017 section 9.1.1) of a digest with a random salt as long as the digest, for a modulus of
/// `bits` bits.
pub(super) fn pss(algorithm: Digest, digest: &[u8], bits: usize) -> Result<Vec<u8>, CardError> {
    digest_info::check(algorithm, digest)?;
    let mut salt = vec![0; digest.len()];
    rand::fill(&mut salt).map_err(|_| CardError::Failed("the random generator failed".to_owned()))?;
    pss_with(algorithm, digest, bits, &salt)
}

fn pss_with(algorithm: Digest, digest: &[u8], bits: usize, salt: &[u8]) -> Result<Vec<u8>, CardError> {
    let length = (bits - 1).div_ceil(8);
    let mut context = digest::Context::new(oaep::algorithm(algorithm));
    for part in [&[0; 8][..], digest, salt] {
        context.update(part);
    }
    let hash = context.finish();
    let fill = length.checked_sub(salt.len() + digest.len() + 2);
    let fill = fill.ok_or_else(|| CardError::Unsupported("so short an RSA key".to_owned()))?;
    let mut block = [&vec![0; fill][..], &[1], salt].concat();
    oaep::xor_mask(algorithm, hash.as_ref(), &mut block);
    block[0] &= 0xff >> (8 * length - (bits - 1));
    let mut encoded = [&block, hash.as_ref(), &[0xbc]].concat();
    // The card wants as many octets as the modulus has.
    encoded.splice(0..0, vec![0; bits.div_ceil(8) - length]);
    Ok(encoded)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn pkcs1_fills_the_modulus() {
        let encoded = pkcs1(Digest::Sha256, &[7; 32], 256).unwrap();
        assert_eq!(encoded.len(), 256);
        assert_eq!(encoded[..3], [0, 1, 0xff]);
        assert_eq!(encoded[256 - 52..256 - 49], [0, 0x30, 0x31]);
        assert!(pkcs1(Digest::Sha512, &[7; 64], 64).is_err());
        assert!(pkcs1(Digest::Sha1, &[7; 20], 256).is_err());
    }

    #[test]
    fn pss_has_its_form_for_every_length() {
        for (bits, octets) in [(2048, 256), (2049, 257), (2047, 256), (3072, 384), (4096, 512)] {
            let encoded = pss_with(Digest::Sha256, &[7; 32], bits, &[5; 32]).unwrap();
            assert_eq!(encoded.len(), octets, "{bits}");
            assert_eq!(encoded.last(), Some(&0xbc));
            // The encoded message has one bit less than the modulus (RFC 8017 section 8.1.1).
            let used = 8 * octets - encoded.iter().take_while(|octet| **octet == 0).count() * 8;
            assert!(used < bits + 8, "{bits}");
            let mut block = encoded[octets - (bits - 1).div_ceil(8)..octets - 33].to_vec();
            oaep::xor_mask(Digest::Sha256, &encoded[octets - 33..octets - 1], &mut block);
            block[0] &= 0xff >> (8 * (bits - 1).div_ceil(8) - (bits - 1));
            assert!(block.ends_with(&[&[1][..], &[5; 32]].concat()));
            assert!(block[..block.len() - 33].iter().all(|octet| *octet == 0));
        }
        assert!(pss_with(Digest::Sha512, &[7; 64], 1024, &[5; 64]).is_err());
    }
}
