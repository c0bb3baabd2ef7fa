//! Points of elliptic curves in their two encodings (SEC 1 section 2.3).

use std::ffi::c_int;
use std::ptr;

use aws_lc_sys as c;

/// The uncompressed form of `point`, which may be compressed; `None` if it is on none of P-256, P-384 and P-521.
/// Which curve is meant follows from the length.
pub(crate) fn uncompressed(point: &[u8]) -> Option<Vec<u8>> {
    let curve = match point {
        [4, rest @ ..] if matches!(rest.len(), 64 | 96 | 132) => return Some(point.to_vec()),
        [2 | 3, x @ ..] => match x.len() {
            32 => c::NID_X9_62_prime256v1,
            48 => c::NID_secp384r1,
            66 => c::NID_secp521r1,
            _ => return None,
        },
        _ => return None,
    };
    let mut out = vec![0; 1 + 2 * (point.len() - 1)];
    let length = decompress(curve as c_int, point, &mut out);
    (length == out.len()).then_some(out)
}

fn decompress(curve: c_int, point: &[u8], out: &mut [u8]) -> usize {
    // SAFETY: the group is static; the point is checked for null and freed once; `point` is readable and `out`
    // writable for their lengths; a null BN_CTX means a fresh one.
    unsafe {
        let group = c::EC_GROUP_new_by_curve_name(curve);
        let parsed = if group.is_null() { ptr::null_mut() } else { c::EC_POINT_new(group) };
        if parsed.is_null() {
            return 0;
        }
        let good = c::EC_POINT_oct2point(group, parsed, point.as_ptr(), point.len(), ptr::null_mut());
        let form = c::point_conversion_form_t::POINT_CONVERSION_UNCOMPRESSED;
        let length = match good {
            1 => c::EC_POINT_point2oct(group, parsed, form, out.as_mut_ptr(), out.len(), ptr::null_mut()),
            _ => 0,
        };
        c::EC_POINT_free(parsed);
        length
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use aws_lc_rs::agreement::{ECDH_P256, ECDH_P384, ECDH_P521, PrivateKey};

    #[test]
    fn a_compressed_point_gets_its_y_back() {
        for (curve, length) in [(&ECDH_P256, 32), (&ECDH_P384, 48), (&ECDH_P521, 66)] {
            let public = PrivateKey::generate(curve).unwrap().compute_public_key().unwrap();
            let point = public.as_ref();
            let mut short = point[..=length].to_vec();
            short[0] = 2 + (point.last().unwrap() & 1);
            assert_eq!(uncompressed(&short).unwrap(), point);
            assert_eq!(uncompressed(point).unwrap(), point);
            assert!(uncompressed(&short[1..]).is_none());
        }
        assert!(uncompressed(&[&[2][..], &[0xff; 32]].concat()).is_none());
    }
}
