//! RSAES-PKCS1-v1_5 without an oracle (RFC 3218 section 2.3.2): whatever went wrong, the answer is a
//! key of the right length, and both ways take the same course.

use aws_lc_rs::rand;
use zeroize::Zeroizing;

use super::CardError;

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
}
