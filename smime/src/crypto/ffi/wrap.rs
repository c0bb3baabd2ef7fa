//! AES key wrap for all three key sizes (RFC 3394).

use std::ffi::c_int;
use std::mem::MaybeUninit;
use std::ptr;

use aws_lc_sys as c;
use zeroize::{Zeroize, Zeroizing};

use crate::error::{Error, Result};

/// AES key wrap (RFC 3394) of `key` (a multiple of 8 bytes, at least 16).
///
/// # Errors
/// [`Error::Crypto`] if a length does not fit.
pub(crate) fn wrap_key(kek: &[u8], key: &[u8]) -> Result<Vec<u8>> {
    let mut wrapped = vec![0; key.len() + 8];
    // SAFETY: `schedule` is set up; a null iv is RFC 3394's; writes in_len + 8 bytes.
    let length = with_schedule(kek, c::AES_set_encrypt_key, |schedule| unsafe {
        c::AES_wrap_key(schedule, ptr::null(), wrapped.as_mut_ptr(), key.as_ptr(), key.len())
    })?;
    if length == wrapped.len() as c_int {
        Ok(wrapped)
    } else {
        Err(Error::Crypto("a key could not be wrapped"))
    }
}

/// The key in `wrapped` (RFC 3394).
///
/// # Errors
/// [`Error::Decryption`] if it was not wrapped with `kek`.
pub(crate) fn unwrap_key(kek: &[u8], wrapped: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
    if wrapped.len() < 24 || wrapped.len() > 1024 {
        return Err(Error::Decryption);
    }
    let mut key = Zeroizing::new(vec![0; wrapped.len() - 8]);
    // SAFETY: `schedule` is set up; a null iv is RFC 3394's; writes in_len - 8 bytes.
    let length = with_schedule(kek, c::AES_set_decrypt_key, |schedule| unsafe {
        c::AES_unwrap_key(schedule, ptr::null(), key.as_mut_ptr(), wrapped.as_ptr(), wrapped.len())
    })?;
    if length == key.len() as c_int { Ok(key) } else { Err(Error::Decryption) }
}

type SetKey = unsafe extern "C" fn(*const u8, u32, *mut c::AES_KEY) -> c_int;

fn with_schedule(kek: &[u8], set: SetKey, run: impl FnOnce(*const c::AES_KEY) -> c_int) -> Result<c_int> {
    if !matches!(kek.len(), 16 | 24 | 32) {
        return Err(Error::Crypto("a wrapping key of wrong length"));
    }
    let mut schedule = MaybeUninit::<c::AES_KEY>::zeroed();
    // SAFETY: kek is readable for its 16, 24 or 32 bytes; the schedule is writable.
    let good = unsafe { set(kek.as_ptr(), (kek.len() * 8) as u32, schedule.as_mut_ptr()) };
    let answer =
        if good == 0 { Ok(run(schedule.as_ptr())) } else { Err(Error::Crypto("a wrapping key was refused")) };
    schedule.zeroize(); // all its bytes, whatever was written
    answer
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn rfc_3394_section_4_6() {
        let kek: Vec<u8> = (0..32).collect();
        let key: Vec<u8> = (0..8).map(|i| i * 0x11).chain((8..16).map(|i| i * 0x11)).chain(0..16).collect();
        let wrapped = wrap_key(&kek, &key).unwrap();
        assert_eq!(wrapped[..8], [0x28, 0xc9, 0xf4, 0x04, 0xc4, 0xb8, 0x10, 0xf4]);
        assert_eq!(*unwrap_key(&kek, &wrapped).unwrap(), key);
        for kek in [&kek[..16], &kek[..24]] {
            assert_eq!(*unwrap_key(kek, &wrap_key(kek, &key).unwrap()).unwrap(), key);
            assert!(matches!(unwrap_key(kek, &wrapped), Err(Error::Decryption)));
        }
    }
}
