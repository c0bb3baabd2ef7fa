//! ECDSA on tokens: digest truncation in, `r || s` out, and what CMS wants instead.

use aws_lc_rs::agreement::{self, ParsedPublicKey, UnparsedPublicKey};

use super::CardError;

/// Octets of a field element of P-256, P-384, P-521 by the length of an uncompressed point.
pub fn field_length(point: &[u8]) -> Option<usize> {
    match (point.first(), point.len()) {
        (Some(4), 65) => Some(32),
        (Some(4), 97) => Some(48),
        (Some(4), 133) => Some(66),
        _ => None,
    }
}

/// Whether these octets are an uncompressed point on the curve with this field length. A token that
/// does not look itself would give away its key to points of a weak curve.
pub fn is_on_curve(point: &[u8], field_length: usize) -> bool {
    let curve = match field_length {
        32 => &agreement::ECDH_P256,
        48 => &agreement::ECDH_P384,
        66 => &agreement::ECDH_P521,
        _ => return false,
    };
    self::field_length(point) == Some(field_length)
        && ParsedPublicKey::try_from(&UnparsedPublicKey::new(curve, point)).is_ok()
}

/// The leftmost octets of a digest that fit the curve's order (FIPS 186-5 section 6.4.1);
/// some tokens refuse a longer one instead of cutting it.
pub fn truncate(digest: &[u8], field_length: usize) -> &[u8] {
    &digest[..digest.len().min(field_length)]
}

/// `r || s` as PKCS#11 gives it (OASIS PKCS#11 section 2.3.1) as a DER `Ecdsa-Sig-Value` (RFC 3279 section 2.2.3).
pub fn to_der(raw: &[u8]) -> Result<Vec<u8>, CardError> {
    if raw.is_empty() || !raw.len().is_multiple_of(2) || raw.len() > 2 * 66 {
        return Err(CardError::Failed(format!("an ECDSA signature of {} octets", raw.len())));
    }
    let (r, s) = raw.split_at(raw.len() / 2);
    let body = [integer(r), integer(s)].concat();
    let mut der = vec![0x30];
    // At most 2 * (2 + 67) octets: one length octet, or two with the long form.
    if body.len() > 127 {
        der.push(0x81);
    }
    der.push(u8::try_from(body.len()).unwrap_or(u8::MAX));
    der.extend(body);
    Ok(der)
}

fn integer(bytes: &[u8]) -> Vec<u8> {
    let start = bytes.iter().position(|byte| *byte != 0).unwrap_or(bytes.len() - 1);
    let digits = &bytes[start..];
    let sign = usize::from(digits[0] & 0x80 != 0);
    let mut der = vec![2, u8::try_from(digits.len() + sign).unwrap_or(u8::MAX)];
    der.extend(std::iter::repeat_n(0, sign));
    der.extend(digits);
    der
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn small_and_negative_looking_numbers_are_minimal_and_positive() {
        let der = to_der(&[0, 0, 0, 5, 0x80, 0, 0, 0]).unwrap();
        assert_eq!(der, [0x30, 10, 2, 1, 5, 2, 5, 0, 0x80, 0, 0, 0]);
        assert_eq!(to_der(&[0, 0]).unwrap(), [0x30, 6, 2, 1, 0, 2, 1, 0]);
    }

    #[test]
    fn a_p521_signature_needs_the_long_form() {
        let der = to_der(&[0xff; 132]).unwrap();
        assert_eq!(der[..3], [0x30, 0x81, 138]);
        assert_eq!(der.len(), 141);
    }

    #[test]
    fn points_off_the_curve_are_known() {
        // The base point of P-256 (SP 800-186 section 3.2.1.3).
        let mut point = vec![4];
        for word in [
            0x6b17d1f2e12c4247_u64,
            0xf8bce6e563a440f2,
            0x77037d812deb33a0,
            0xf4a13945d898c296,
            0x4fe342e2fe1a7f9b,
            0x8ee7eb4a7c0f9e16,
            0x2bce33576b315ece,
            0xcbb6406837bf51f5,
        ] {
            point.extend(word.to_be_bytes());
        }
        assert!(is_on_curve(&point, 32));
        assert!(!is_on_curve(&point, 48));
        assert!(!is_on_curve(&point[..64], 32));
        point[64] ^= 1;
        assert!(!is_on_curve(&point, 32));
    }

    #[test]
    fn odd_lengths_are_refused() {
        assert!(to_der(&[]).is_err());
        assert!(to_der(&[1, 2, 3]).is_err());
        assert!(to_der(&[1; 200]).is_err());
    }
}
