//! The crypto provider (AWS-LC) as CMS needs it. One room, `ffi/`, is unsafe.

mod chacha20_poly1305;
pub(crate) mod cipher;
pub(crate) mod ecdh;
pub(crate) mod ffi;
pub(crate) mod hash;
pub(crate) mod kdf;
pub(crate) mod rsa;
pub(crate) mod signature;
pub(crate) mod triple_des;
#[cfg(test)]
mod wycheproof_tests;

use aws_lc_rs::rand;
use zeroize::Zeroizing;

use crate::error::{Error, Result};

/// `length` random bytes, wiped on drop.
///
/// # Errors
/// [`Error::Crypto`].
pub(crate) fn random(length: usize) -> Result<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(vec![0; length]);
    rand::fill(&mut bytes).map_err(|_| Error::Crypto("no random bytes"))?;
    Ok(bytes)
}
