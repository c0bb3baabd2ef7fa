//! RSAES-PKCS1-v1_5 without an oracle (RFC 3218 section 2.3.2): whatever went wrong, the answer is a
//! key of the right length, and both ways take the same course.

use aws_lc_rs::rand;
use zeroize::Zeroizing;

use super::CardError;
use super::oaep::nonzero;

/// `decrypted` if it has `length` octets, else random octets of that length.
///
/// The random key is always made, and the choice is a mask, not a branch.
pub fn or_random(decrypted: Option<&[u8]>, length: usize) -> Result<Zeroizing<Vec<u8>>, CardError> {
    let mut key = Zeroizing::new(vec![0; length]);
    rand::fill(&mut key).map_err(|_| CardError::Failed("the random generator failed".to_owned()))?;
    let found = decrypted.unwrap_or_default();
    let mut candidate = Zeroizing::new(vec![0; length]);
    let shared = found.len().min(length);
    candidate[..shared].copy_from_slice(&found[..shared]);
    let mask = 0u8.wrapping_sub(u8::from(found.len() == length));
    for (out, byte) in key.iter_mut().zip(candidate.iter()) {
        *out = (std::hint::black_box(mask) & byte) | (!mask & *out);
    }
    Ok(key)
}

/// The last `length` octets of `block`, a raw RSA result, if everything before them is the padding that
/// belongs there (RFC 8017 section 7.2.2 step 3), else random octets. No branch and no index depends on the
/// block's content (Bleichenbacher's attack).
pub fn unpad_or_random(block: &[u8], length: usize) -> Result<Zeroizing<Vec<u8>>, CardError> {
    // 00 02, at least eight octets that are not zero, 00.
    const SHORTEST_PADDING: usize = 11;
    let mut key = Zeroizing::new(vec![0; length]);
    rand::fill(&mut key).map_err(|_| CardError::Failed("the random generator failed".to_owned()))?;
    let start = block.len().checked_sub(length).filter(|start| *start >= SHORTEST_PADDING);
    let Some((padding, content)) = start.and_then(|start| block.split_at_checked(start)) else {
        return Ok(key);
    };
    let mut bad = nonzero(padding[0]) | nonzero(padding[1] ^ 2) | nonzero(padding[padding.len() - 1]);
    for octet in &padding[2..padding.len() - 1] {
        bad |= !nonzero(*octet);
    }
    let bad = std::hint::black_box(bad);
    for (out, octet) in key.iter_mut().zip(content) {
        *out = (!bad & octet) | (bad & *out);
    }
    Ok(key)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn a_key_of_the_right_length_is_kept() {
        assert_eq!(*or_random(Some(&[7; 32]), 32).unwrap(), vec![7; 32]);
    }

    #[test]
    fn anything_else_becomes_a_random_key_of_that_length() {
        for wrong in [None, Some([7; 31].as_slice()), Some([7; 33].as_slice()), Some(&[])] {
            let key = or_random(wrong, 32).unwrap();
            assert_eq!(key.len(), 32);
            assert_ne!(key[..31], [7; 31]);
            assert_ne!(*key, *or_random(wrong, 32).unwrap());
        }
    }

    #[test]
    fn padding_is_taken_off_or_the_key_is_random() {
        let padded =
            |first: [u8; 2], fill: &[u8], separator: u8| [&first[..], fill, &[separator], &[7; 16]].concat();
        let fill = [9; 256 - 16 - 3];
        assert_eq!(*unpad_or_random(&padded([0, 2], &fill, 0), 16).unwrap(), [7; 16]);
        let mut hole = fill;
        hole[40] = 0;
        for wrong in [
            padded([0, 1], &fill, 0),
            padded([1, 2], &fill, 0),
            padded([0, 2], &fill, 1),
            padded([0, 2], &hole, 0),
            padded([0, 2], &fill[..7], 0),
            Vec::new(),
        ] {
            let key = unpad_or_random(&wrong, 16).unwrap();
            assert_eq!(key.len(), 16);
            assert_ne!(*key, [7; 16]);
        }
        assert_ne!(*unpad_or_random(&padded([0, 2], &fill, 0), 24).unwrap(), [7; 24], "another length");
    }
}
