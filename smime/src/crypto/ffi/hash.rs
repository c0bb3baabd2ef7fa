//! Digests as streams (FIPS 180-4, FIPS 202; MD5 for old mail).

use std::ptr::{self, NonNull};

use aws_lc_sys as c;

use super::evp_hash;
use crate::algorithm::DigestAlgorithm;

/// A digest being made.
pub(crate) struct Hash(NonNull<c::EVP_MD_CTX>);

// SAFETY: the context is owned, and AWS-LC ties it to no thread.
unsafe impl Send for Hash {}

// SAFETY: a shared reference is only ever read from (by `clone`).
unsafe impl Sync for Hash {}

/// A finished digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Digest {
    bytes: [u8; c::EVP_MAX_MD_SIZE as usize],
    length: usize,
}

impl Hash {
    /// Starts one.
    pub(crate) fn new(algorithm: DigestAlgorithm) -> Self {
        let this = Self::empty();
        // SAFETY: the context lives; the digest is static; a null engine means none.
        let good = unsafe { c::EVP_DigestInit_ex(this.raw(), evp_hash(algorithm), ptr::null_mut()) };
        done(good);
        this
    }

    /// Adds `bytes`.
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        // SAFETY: `bytes` is readable for its length.
        done(unsafe { c::EVP_DigestUpdate(self.raw(), bytes.as_ptr().cast(), bytes.len()) });
    }

    /// Ends it.
    pub(crate) fn finish(self) -> Digest {
        let mut bytes = [0; c::EVP_MAX_MD_SIZE as usize];
        let mut length = 0;
        // SAFETY: writes at most EVP_MAX_MD_SIZE bytes.
        done(unsafe { c::EVP_DigestFinal_ex(self.raw(), bytes.as_mut_ptr(), &raw mut length) });
        Digest { bytes, length: length as usize }
    }

    fn empty() -> Self {
        // SAFETY: no argument; null is checked.
        match NonNull::new(unsafe { c::EVP_MD_CTX_new() }) {
            Some(context) => Self(context),
            None => std::alloc::handle_alloc_error(std::alloc::Layout::new::<c::EVP_MD_CTX>()),
        }
    }

    fn raw(&self) -> *mut c::EVP_MD_CTX {
        self.0.as_ptr()
    }
}

impl Clone for Hash {
    fn clone(&self) -> Self {
        let copy = Self::empty();
        // SAFETY: both contexts live; the source is only read.
        done(unsafe { c::EVP_MD_CTX_copy_ex(copy.raw(), self.raw()) });
        copy
    }
}

impl Drop for Hash {
    fn drop(&mut self) {
        // SAFETY: owned, not used after this.
        unsafe { c::EVP_MD_CTX_free(self.raw()) }
    }
}

impl AsRef<[u8]> for Digest {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

/// AWS-LC documents that these calls fail only without memory, as Rust's own allocations do.
fn done(good: i32) {
    if good != 1 {
        std::alloc::handle_alloc_error(std::alloc::Layout::new::<[u8; 256]>());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_digest_has_its_length_and_copies_go_on_alone() {
        for algorithm in DigestAlgorithm::ALL {
            let mut hash = Hash::new(algorithm);
            hash.update(b"ab");
            let mut copy = hash.clone();
            hash.update(b"c");
            copy.update(b"c");
            let (one, two) = (hash.finish(), copy.finish());
            assert_eq!(one, two, "{algorithm:?}");
            assert_eq!(one.as_ref().len(), algorithm.length(), "{algorithm:?}");
        }
    }

    #[test]
    fn md5_as_rfc_1321_has_it() {
        let mut hash = Hash::new(DigestAlgorithm::Md5);
        hash.update(b"abc");
        assert_eq!(hash.finish().as_ref()[..4], [0x90, 0x01, 0x50, 0x98]);
    }
}
