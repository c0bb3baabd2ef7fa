//! RSAES-OAEP decoding (RFC 8017 section 7.1.2 step 3) for tokens that only do the raw RSA operation
//! with the hash asked for. No branch and no index depends on the padding's content (Manger's attack).

use aws_lc_rs::digest;
use wafer_client::keeper::Digest;
use zeroize::Zeroizing;

use super::CardError;

/// The digest of the provider.
pub(super) fn algorithm(hash: Digest) -> &'static digest::Algorithm {
    match hash {
        Digest::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
        Digest::Sha224 => &digest::SHA224,
        Digest::Sha256 => &digest::SHA256,
        Digest::Sha384 => &digest::SHA384,
        Digest::Sha512 => &digest::SHA512,
    }
}

/// Takes the padding off `encoded`, the raw RSA result, which is as long as the modulus.
pub fn decode(
    encoded: &[u8],
    hash: Digest,
    mgf_hash: Digest,
    label: &[u8],
) -> Result<Zeroizing<Vec<u8>>, CardError> {
    let label_hash = digest::digest(algorithm(hash), label);
    let size = label_hash.as_ref().len();
    if encoded.len() < 2 * size + 2 {
        return Err(CardError::Decryption);
    }
    let mut work = Zeroizing::new(encoded.to_vec());
    let (first, rest) = work.split_at_mut(1);
    let (seed, block) = rest.split_at_mut(size);
    xor_mask(mgf_hash, block, seed);
    xor_mask(mgf_hash, seed, block);

    let mut bad = nonzero(first[0]);
    for (byte, expected) in block[..size].iter().zip(label_hash.as_ref()) {
        bad |= nonzero(byte ^ expected);
    }
    let start = separator(&block[size..], &mut bad);
    // The one branch: a decryption that failed ends here, whatever the reason, after the same work.
    if std::hint::black_box(bad) != 0 {
        return Err(CardError::Decryption);
    }
    Ok(Zeroizing::new(block[size + start..].to_vec()))
}

/// The index behind the 01 that follows the zeros, found by looking at every octet.
fn separator(padded: &[u8], bad: &mut u8) -> usize {
    let mut start = 0usize;
    let mut searching = 0xffu8;
    for (index, byte) in padded.iter().enumerate() {
        let is_one = !nonzero(byte ^ 1);
        let is_zero = !nonzero(*byte);
        let here = searching & is_one;
        start |= (index + 1) & 0usize.wrapping_sub(usize::from(here & 1));
        *bad |= searching & !is_one & !is_zero;
        searching &= !is_one;
    }
    *bad |= searching;
    start
}

/// 0xff if the byte is not zero, else 0.
pub(super) fn nonzero(byte: u8) -> u8 {
    let wide = std::hint::black_box(u16::from(byte));
    0u8.wrapping_sub((((wide + 0xff) >> 8) & 1) as u8)
}

/// MGF1 (RFC 8017 appendix B.2.1) of `seed`, XORed onto `target`.
pub(super) fn xor_mask(hash: Digest, seed: &[u8], target: &mut [u8]) {
    let algorithm = algorithm(hash);
    for (counter, chunk) in (0u32..).zip(target.chunks_mut(algorithm.output_len())) {
        let mut context = digest::Context::new(algorithm);
        context.update(seed);
        context.update(&counter.to_be_bytes());
        for (byte, mask) in chunk.iter_mut().zip(context.finish().as_ref()) {
            *byte ^= mask;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
    use super::*;

    /// OAEP encoding (RFC 8017 section 7.1.1 step 2) with a fixed seed.
    fn encode(message: &[u8], length: usize, hash: Digest, mgf_hash: Digest, label: &[u8]) -> Vec<u8> {
        let label_hash = digest::digest(algorithm(hash), label);
        let size = label_hash.as_ref().len();
        let mut block = label_hash.as_ref().to_vec();
        block.resize(length - size - 1 - message.len() - 1, 0);
        block.push(1);
        block.extend(message);
        let mut seed = vec![0x5a; size];
        xor_mask(mgf_hash, &seed, &mut block);
        xor_mask(mgf_hash, &block, &mut seed);
        [vec![0], seed, block].concat()
    }

    #[test]
    fn every_hash_pair_comes_back() {
        for hash in [Digest::Sha1, Digest::Sha224, Digest::Sha256, Digest::Sha512] {
            for mgf_hash in [Digest::Sha1, Digest::Sha224, Digest::Sha384] {
                let encoded = encode(b"content key", 256, hash, mgf_hash, b"label");
                assert_eq!(*decode(&encoded, hash, mgf_hash, b"label").unwrap(), b"content key");
                assert_eq!(decode(&encoded, hash, mgf_hash, b"other"), Err(CardError::Decryption));
            }
        }
    }

    #[test]
    fn a_flip_anywhere_fails_alike() {
        let encoded = encode(b"content key", 128, Digest::Sha256, Digest::Sha256, b"");
        for index in 0..encoded.len() - 12 {
            let mut flipped = encoded.clone();
            flipped[index] ^= 0x20;
            assert_eq!(decode(&flipped, Digest::Sha256, Digest::Sha256, b""), Err(CardError::Decryption));
        }
        assert_eq!(decode(&encoded[..60], Digest::Sha256, Digest::Sha256, b""), Err(CardError::Decryption));
    }
}
