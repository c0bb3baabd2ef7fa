//! Signature checks over a digest.

use std::ffi::c_int;
use std::ptr::{self, NonNull};

use aws_lc_sys as c;

use super::evp_hash;
use crate::algorithm::DigestAlgorithm;

/// What a signature check needs to know beyond key and digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Padding {
    /// RSASSA-PKCS1-v1_5.
    Pkcs1,
    /// RSASSA-PSS.
    Pss {
        /// MGF1's hash.
        mgf: DigestAlgorithm,
        /// Bytes of salt.
        salt: u16,
    },
    /// ECDSA: none.
    None,
}

/// A public key that checks signatures.
pub(crate) struct PublicKey(NonNull<c::EVP_PKEY>);

impl PublicKey {
    /// An RSAPublicKey (PKCS#1 DER), whatever stands around it: certificates of old programs lack the NULL that
    /// a SubjectPublicKeyInfo should have.
    pub(crate) fn rsa(key: &[u8]) -> Option<Self> {
        // SAFETY: key is readable for its length; both pointers are checked for null before use; set1_RSA takes a
        // reference of its own, so that ours is freed once.
        unsafe {
            let rsa = c::RSA_public_key_from_bytes(key.as_ptr(), key.len());
            let this = Self::owned(c::EVP_PKEY_new());
            let set =
                !rsa.is_null() && this.as_ref().is_some_and(|key| c::EVP_PKEY_set1_RSA(key.raw(), rsa) == 1);
            c::RSA_free(rsa);
            this.filter(|_| set)
        }
    }

    /// A SubjectPublicKeyInfo (DER).
    pub(crate) fn parse(spki: &[u8]) -> Option<Self> {
        let mut bytes = c::CBS { data: spki.as_ptr(), len: spki.len() };
        // SAFETY: spki is readable for its length; what comes back is null or ours.
        unsafe { Self::owned(c::EVP_parse_public_key(&raw mut bytes)) }
    }

    /// Size as people give it: RSA's modulus.
    pub(crate) fn bits(&self) -> u32 {
        // SAFETY: reads.
        u32::try_from(unsafe { c::EVP_PKEY_bits(self.raw()) }).unwrap_or(0)
    }

    /// Whether `signature` is this key's over `digest`, made with `algorithm`.
    pub(crate) fn verify(
        &self,
        padding: Padding,
        algorithm: DigestAlgorithm,
        digest: &[u8],
        signature: &[u8],
    ) -> bool {
        let Some(context) = self.context() else { return false };
        // SAFETY: the context lives until the end of this function; the digests are static; digest and signature
        // are readable for their lengths.
        unsafe {
            c::EVP_PKEY_verify_init(context.0) == 1
                && set(&context, padding, algorithm)
                && c::EVP_PKEY_verify(
                    context.0,
                    signature.as_ptr(),
                    signature.len(),
                    digest.as_ptr(),
                    digest.len(),
                ) == 1
        }
    }

    /// The same for DSA, of which AWS-LC has no EVP form. A longer digest is cut to the length of q (FIPS 186-4).
    pub(crate) fn verify_dsa(&self, digest: &[u8], signature: &[u8]) -> bool {
        let mut valid: c_int = 0;
        // SAFETY: the DSA pointer is null or borrowed from this key; digest and signature are readable.
        unsafe {
            let dsa = c::EVP_PKEY_get0_DSA(self.raw());
            !dsa.is_null()
                && c::DSA_check_signature(
                    &raw mut valid,
                    digest.as_ptr(),
                    digest.len(),
                    signature.as_ptr(),
                    signature.len(),
                    dsa,
                ) == 1
                && valid == 1
        }
    }

    fn context(&self) -> Option<Context> {
        // SAFETY: takes a reference of its own to the key.
        let context = unsafe { c::EVP_PKEY_CTX_new(self.raw(), ptr::null_mut()) };
        (!context.is_null()).then_some(Context(context))
    }

    /// # Safety
    /// `key` is null, or this is its only owner.
    unsafe fn owned(key: *mut c::EVP_PKEY) -> Option<Self> {
        NonNull::new(key).map(Self)
    }

    fn raw(&self) -> *mut c::EVP_PKEY {
        self.0.as_ptr()
    }
}

impl Drop for PublicKey {
    fn drop(&mut self) {
        // SAFETY: owned, not used after this.
        unsafe { c::EVP_PKEY_free(self.raw()) }
    }
}

struct Context(*mut c::EVP_PKEY_CTX);

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: owned, not used after this.
        unsafe { c::EVP_PKEY_CTX_free(self.0) }
    }
}

fn set(context: &Context, padding: Padding, algorithm: DigestAlgorithm) -> bool {
    // SAFETY: the context lives; all else are numbers and statics.
    unsafe {
        let padded = match padding {
            Padding::None => true,
            Padding::Pkcs1 => c::EVP_PKEY_CTX_set_rsa_padding(context.0, c::RSA_PKCS1_PADDING) == 1,
            Padding::Pss { .. } => c::EVP_PKEY_CTX_set_rsa_padding(context.0, c::RSA_PKCS1_PSS_PADDING) == 1,
        };
        let hashed = padded && c::EVP_PKEY_CTX_set_signature_md(context.0, evp_hash(algorithm)) == 1;
        match padding {
            Padding::Pss { mgf, salt } => {
                hashed
                    && c::EVP_PKEY_CTX_set_rsa_mgf1_md(context.0, evp_hash(mgf)) == 1
                    && c::EVP_PKEY_CTX_set_rsa_pss_saltlen(context.0, c_int::from(salt)) == 1
            }
            Padding::Pkcs1 | Padding::None => hashed,
        }
    }
}
