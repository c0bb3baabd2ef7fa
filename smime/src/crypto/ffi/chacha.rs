//! ChaCha20 and Poly1305 by themselves (RFC 8439): AWS-LC joins them for messages in one piece only.

use aws_lc_sys as c;
use zeroize::Zeroize;

/// Bytes of a Poly1305 tag.
const TAG: usize = 16;

/// Writes `input` under the key stream from block `counter` on into the beginning of `output`.
///
/// # Panics
/// `output` is shorter than `input`.
pub(crate) fn chacha20(input: &[u8], output: &mut [u8], key: &[u8; 32], nonce: &[u8; 12], counter: u32) {
    let output = &mut output[..input.len()];
    // SAFETY: both are `input.len()` bytes and do not overlap; key and nonce have the lengths that are read.
    unsafe {
        c::CRYPTO_chacha_20(
            output.as_mut_ptr(),
            input.as_ptr(),
            input.len(),
            key.as_ptr(),
            nonce.as_ptr(),
            counter,
        );
    }
}

/// A one-time authenticator being made. Its state must not move, for AWS-LC aligns it by its address.
pub(crate) struct Poly1305(Box<c::poly1305_state>);

impl Poly1305 {
    /// Starts one. `key` must never serve again.
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        let mut this = Self(Box::new([0; size_of::<c::poly1305_state>()]));
        // SAFETY: the state is ours, and the key has the 32 bytes that are read.
        unsafe { c::CRYPTO_poly1305_init(&raw mut *this.0, key.as_ptr()) };
        this
    }

    /// Adds `bytes`.
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        // SAFETY: the state was started, and `bytes` is readable for its length.
        unsafe { c::CRYPTO_poly1305_update(&raw mut *self.0, bytes.as_ptr(), bytes.len()) };
    }

    /// Ends it.
    pub(crate) fn finish(mut self) -> [u8; TAG] {
        let mut tag = [0; TAG];
        // SAFETY: the state was started and is used no more; 16 bytes are written.
        unsafe { c::CRYPTO_poly1305_finish(&raw mut *self.0, tag.as_mut_ptr()) };
        tag
    }
}

impl Drop for Poly1305 {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}
