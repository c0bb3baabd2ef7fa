//! Triple-DES key wrap, opened only (RFC 3217 section 3.2): mail of the years around 2000 has it.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use zeroize::Zeroizing;

use crate::algorithm::{ContentCipher, DigestAlgorithm};
use crate::crypto::ffi::{Direction, EvpCipher, OUTPUT};
use crate::crypto::hash;
use crate::error::{Error, Result};

/// Bytes of a wrapped triple-DES key: initialization vector, key, checksum.
const WRAPPED: usize = 8 + 24 + 8;

/// RFC 3217 section 3.1.
const OUTER_IV: [u8; 8] = [0x4a, 0xdd, 0xa2, 0x2c, 0x79, 0xe8, 0x21, 0x05];

/// The key in `wrapped`.
///
/// # Errors
/// [`Error::Decryption`] if it was not wrapped with `kek`.
pub(crate) fn unwrap_key(kek: &[u8], wrapped: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
    if wrapped.len() != WRAPPED {
        return Err(Error::Decryption);
    }
    let mut inner = decrypt(kek, &OUTER_IV, wrapped)?;
    inner.reverse();
    let (iv, sealed) = inner.split_at(8);
    let mut key = decrypt(kek, iv, sealed)?;
    let checksum = key.split_off(24);
    let expected = Zeroizing::new(hash::digest(DigestAlgorithm::Sha1, &key));
    verify_slices_are_equal(&checksum, &expected[..8]).map_err(|_| Error::Decryption)?;
    Ok(key)
}

fn decrypt(kek: &[u8], iv: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
    let mut cipher = EvpCipher::new(ContentCipher::TripleDesCbc, Direction::Decrypt, kek, iv)?.unpadded();
    let mut output = Zeroizing::new(vec![[0; OUTPUT]]);
    let mut length = cipher.update(sealed, &mut output[0])?;
    let mut plain = Zeroizing::new(output[0][..length].to_vec());
    length = cipher.finish(&mut output[0])?;
    plain.extend_from_slice(&output[0][..length]);
    Ok(plain)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
        digits.chunks(2).map(|two| u8::from_str_radix(str::from_utf8(two).unwrap(), 16).unwrap()).collect()
    }

    #[test]
    fn rfc_3217_section_5() {
        let kek = hex("255e0d1c07b646df b3134cc843ba8aa7 1f025b7c0838251f");
        let key = hex("2923bf85e06dd6ae 529149f1f1bae9ea b3a7da3d860d3e98");
        let wrapped =
            hex("690107618ef092b3 b48ca1796b234ae9 fa33ebb4159604037db5d6a84eb3aac2768c632775a467d4");
        assert_eq!(*unwrap_key(&kek, &wrapped).unwrap(), key);
        for at in 0..wrapped.len() {
            let mut bent = wrapped.clone();
            bent[at] ^= 1;
            assert!(matches!(unwrap_key(&kek, &bent), Err(Error::Decryption)));
        }
        assert!(matches!(unwrap_key(&kek, &wrapped[1..]), Err(Error::Decryption)));
    }
}
