//! What AWS-LC does and aws-lc-rs does not offer: the ciphers of old files, the bare RSA operation (padding is
//! ours, as on PIV cards, so that no oracle exists), and ECDSA over a digest of any length.
#![expect(unsafe_code, reason = "FFI: AWS-LC behind two small types")]

use std::ffi::c_int;
use std::ptr::{self, NonNull};

use aws_lc_sys as c;
use zeroize::Zeroizing;

use crate::pin::secret::Secret;

/// AWS-LC refused; the input is not what it should be, or memory is short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refused;

/// A block cipher in CBC mode with the padding of PKCS#7.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cipher {
    Aes128,
    Aes192,
    Aes256,
    /// Three keys.
    TripleDes,
    /// 128 effective bits.
    Rc2,
    /// 40 effective bits.
    Rc2Weak,
}

impl Cipher {
    /// Octets of key and of IV.
    pub(super) fn lengths(self) -> (usize, usize) {
        match self {
            Self::Aes128 => (16, 16),
            Self::Aes192 => (24, 16),
            Self::Aes256 => (32, 16),
            Self::TripleDes => (24, 8),
            Self::Rc2 => (16, 8),
            Self::Rc2Weak => (5, 8),
        }
    }

    fn evp(self) -> *const c::EVP_CIPHER {
        // SAFETY: these take nothing and answer pointers to statics.
        unsafe {
            match self {
                Self::Aes128 => c::EVP_aes_128_cbc(),
                Self::Aes192 => c::EVP_aes_192_cbc(),
                Self::Aes256 => c::EVP_aes_256_cbc(),
                Self::TripleDes => c::EVP_des_ede3_cbc(),
                Self::Rc2 => c::EVP_rc2_cbc(),
                Self::Rc2Weak => c::EVP_rc2_40_cbc(),
            }
        }
    }

    /// Decrypts into guarded memory; a wrong key shows by its padding, most of the time.
    pub(super) fn decrypt(self, key: &[u8], iv: &[u8], encrypted: &[u8]) -> Result<Secret, Refused> {
        if (key.len(), iv.len()) != self.lengths() {
            return Err(Refused);
        }
        let length = c_int::try_from(encrypted.len()).map_err(|_| Refused)?;
        // An update may write a block more than it was given.
        let mut plain = Secret::with_capacity(encrypted.len() + 2 * iv.len()).ok_or(Refused)?;
        let context = Context::new()?;
        let (mut written, mut last) = (0, 0);
        // SAFETY: key and iv have the cipher's lengths (checked); a null engine means none; the context lives.
        let good = unsafe {
            c::EVP_DecryptInit_ex(context.raw(), self.evp(), ptr::null_mut(), key.as_ptr(), iv.as_ptr())
        };
        if good != 1 {
            return Err(Refused);
        }
        let out = plain.buffer().as_mut_ptr();
        // SAFETY: `encrypted` is readable for `length`, `out` has two blocks more than that.
        let good =
            unsafe { c::EVP_DecryptUpdate(context.raw(), out, &raw mut written, encrypted.as_ptr(), length) };
        plain.advance(usize::try_from(written).map_err(|_| Refused)?);
        if good != 1 {
            return Err(Refused);
        }
        // SAFETY: at most one more block is written behind what the update wrote.
        let good =
            unsafe { c::EVP_DecryptFinal_ex(context.raw(), plain.buffer().as_mut_ptr(), &raw mut last) };
        plain.advance(usize::try_from(last).map_err(|_| Refused)?);
        if good == 1 { Ok(plain) } else { Err(Refused) }
    }
}

struct Context(NonNull<c::EVP_CIPHER_CTX>);

impl Context {
    fn new() -> Result<Self, Refused> {
        // SAFETY: no argument; null is checked.
        NonNull::new(unsafe { c::EVP_CIPHER_CTX_new() }).map(Self).ok_or(Refused)
    }

    fn raw(&self) -> *mut c::EVP_CIPHER_CTX {
        self.0.as_ptr()
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: owned, not used after this; AWS-LC wipes the key schedule.
        unsafe { c::EVP_CIPHER_CTX_free(self.raw()) }
    }
}

/// What kind of key it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// RSA with a modulus of so many bits.
    Rsa { bits: usize },
    /// P-256, P-384 or P-521, with field elements of so many octets.
    Ec { field: usize },
    /// Ed25519.
    Ed25519,
    /// X25519.
    X25519,
}

/// Octets of a private key on Curve25519.
const CURVE_25519: usize = 32;

/// A private key as AWS-LC works with it, for the time of one operation: its memory is wiped on drop.
pub(super) struct Key(NonNull<c::EVP_PKEY>);

impl Key {
    /// Reads a PrivateKeyInfo (PKCS#8, RFC 5208).
    pub(super) fn parse(pkcs8: &[u8]) -> Result<Self, Refused> {
        let mut cbs = cbs(pkcs8);
        // SAFETY: `cbs` points into `pkcs8`, which outlives the call; null is checked.
        NonNull::new(unsafe { c::EVP_parse_private_key(&raw mut cbs) }).map(Self).ok_or(Refused)
    }

    /// What kind it is; `None` for one that is not used here.
    pub(super) fn kind(&self) -> Option<Kind> {
        // SAFETY: the key lives.
        match unsafe { c::EVP_PKEY_id(self.raw()) } {
            c::EVP_PKEY_ED25519 => return Some(Kind::Ed25519),
            c::EVP_PKEY_X25519 => return Some(Kind::X25519),
            _ => {}
        }
        // SAFETY: the key lives; both take it read-only.
        let (rsa, ec) = unsafe { (c::EVP_PKEY_get0_RSA(self.raw()), c::EVP_PKEY_get0_EC_KEY(self.raw())) };
        if !rsa.is_null() {
            // SAFETY: borrowed from the key, which lives.
            return usize::try_from(unsafe { c::RSA_bits(rsa) }).ok().map(|bits| Kind::Rsa { bits });
        }
        if ec.is_null() {
            return None;
        }
        // SAFETY: as above; a key that was parsed has a group.
        match unsafe { c::EC_GROUP_get_curve_name(c::EC_KEY_get0_group(ec)) } {
            c::NID_X9_62_prime256v1 => Some(Kind::Ec { field: 32 }),
            c::NID_secp384r1 => Some(Kind::Ec { field: 48 }),
            c::NID_secp521r1 => Some(Kind::Ec { field: 66 }),
            _ => None,
        }
    }

    /// Whether `spki`, a SubjectPublicKeyInfo (RFC 5280), is this key's.
    pub(super) fn is_of(&self, spki: &[u8]) -> bool {
        let mut cbs = cbs(spki);
        // SAFETY: `cbs` points into `spki`, which outlives the call; null is checked.
        let public = NonNull::new(unsafe { c::EVP_parse_public_key(&raw mut cbs) }).map(Self);
        // SAFETY: both keys live; only their public halves are compared.
        public.is_some_and(|public| unsafe { c::EVP_PKEY_cmp(self.raw(), public.raw()) } == 1)
    }

    /// RSADP, which is RSASP1 (RFC 8017 sections 5.1.2 and 5.2.1), of a block as long as the modulus.
    pub(super) fn rsa(&self, block: &[u8]) -> Result<Zeroizing<Vec<u8>>, Refused> {
        // SAFETY: the key lives.
        let rsa = unsafe { c::EVP_PKEY_get0_RSA(self.raw()) };
        if rsa.is_null() {
            return Err(Refused);
        }
        let mut answer = Zeroizing::new(vec![0; block.len()]);
        let mut length = 0;
        // SAFETY: the output has the room that is stated; AWS-LC refuses a block of another length than the
        // modulus, and a number that is not below it.
        let good = unsafe {
            c::RSA_decrypt(
                rsa,
                &raw mut length,
                answer.as_mut_ptr(),
                answer.len(),
                block.as_ptr(),
                block.len(),
                c::RSA_NO_PADDING,
            )
        };
        if good == 1 && length == block.len() { Ok(answer) } else { Err(Refused) }
    }

    /// An ECDSA signature of a digest, cut to the curve's order, as Ecdsa-Sig-Value (RFC 3279 section 2.2.3).
    pub(super) fn ecdsa(&self, digest: &[u8]) -> Result<Vec<u8>, Refused> {
        // SAFETY: the key lives.
        let ec = unsafe { c::EVP_PKEY_get0_EC_KEY(self.raw()) };
        if ec.is_null() {
            return Err(Refused);
        }
        // SAFETY: borrowed from the key, which lives.
        let mut signature = vec![0; unsafe { c::ECDSA_size(ec) }];
        let mut length = 0;
        // SAFETY: ECDSA_size is the most that is written; `digest` is readable for its length.
        let good = unsafe {
            c::ECDSA_sign(0, digest.as_ptr(), digest.len(), signature.as_mut_ptr(), &raw mut length, ec)
        };
        signature.truncate(usize::try_from(length).map_err(|_| Refused)?);
        if good == 1 { Ok(signature) } else { Err(Refused) }
    }

    /// The 32 octets of a private key on Curve25519 (RFC 8032 section 5.1.5, RFC 7748 section 5).
    pub(super) fn octets(&self) -> Result<Zeroizing<Vec<u8>>, Refused> {
        let mut octets = Zeroizing::new(vec![0; CURVE_25519]);
        let mut length = octets.len();
        // SAFETY: the key lives; at most `length` octets are written, and other kinds of keys are refused.
        let good =
            unsafe { c::EVP_PKEY_get_raw_private_key(self.raw(), octets.as_mut_ptr(), &raw mut length) };
        if good == 1 && length == CURVE_25519 { Ok(octets) } else { Err(Refused) }
    }

    fn raw(&self) -> *mut c::EVP_PKEY {
        self.0.as_ptr()
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        // SAFETY: owned, not used after this.
        unsafe { c::EVP_PKEY_free(self.raw()) }
    }
}

fn cbs(bytes: &[u8]) -> c::CBS {
    let mut cbs = c::CBS { data: ptr::null(), len: 0 };
    // SAFETY: only stores pointer and length.
    unsafe { c::CBS_init(&raw mut cbs, bytes.as_ptr(), bytes.len()) };
    cbs
}
