//! Keys from a password: the derivation of PKCS#12 itself (RFC 7292 appendix B) and PBKDF2 (RFC 8018 section
//! 5.2), within a bound on the work that a file may demand.

use std::num::NonZeroU32;

use aws_lc_rs::{digest, hmac, pbkdf2};
use secrecy::ExposeSecret;
use zeroize::Zeroizing;

use crate::card::CardError;
use crate::pin::secret::Secret;

/// Iterations that opening one file may take in all: seconds of work. Programs write 1 to 600,000 for a key.
const MOST_ITERATIONS: u32 = 10_000_000;
/// Octets of a salt; genuine ones have 8 to 64.
const LONGEST_SALT: usize = 1024;

/// The password in the two forms that files want.
pub(super) struct Password<'p> {
    utf8: &'p [u8],
    /// A BMPString with its final zero (RFC 7292 appendix B.1).
    bmp: Secret,
}

impl<'p> Password<'p> {
    /// The forms under which programs have written this password: of an empty one there are two.
    pub(super) fn forms(password: &'p Secret) -> Result<Vec<Self>, CardError> {
        let utf8 = password.expose_secret();
        let text = std::str::from_utf8(utf8).map_err(|_| CardError::PinIncorrect)?;
        let mut bmp = room(2 * utf8.len() + 2)?;
        for unit in text.encode_utf16().chain([0]) {
            append(&mut bmp, &unit.to_be_bytes())?;
        }
        let mut forms = vec![Self { utf8, bmp }];
        if utf8.is_empty() {
            forms.push(Self { utf8, bmp: room(1)? });
        }
        Ok(forms)
    }
}

/// The iterations that are left to one file.
pub(super) struct Budget(u32);

impl Default for Budget {
    fn default() -> Self {
        Self(MOST_ITERATIONS)
    }
}

impl Budget {
    fn spend(&mut self, iterations: u32) -> Result<NonZeroU32, CardError> {
        let wanted = NonZeroU32::new(iterations).ok_or(CardError::FileForm)?;
        self.0 = self.0.checked_sub(iterations).ok_or(CardError::FileCost)?;
        Ok(wanted)
    }
}

/// What is derived (RFC 7292 appendix B.3).
#[derive(Clone, Copy, Debug)]
pub(super) enum Purpose {
    Key = 1,
    Iv = 2,
    Mac = 3,
}

/// A hash function of these files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hash {
    Sha1,
    Sha224,
    Sha256,
    Sha384,
    Sha512,
}

impl Hash {
    /// By the contents octets of its object identifier.
    pub(super) fn by_oid(oid: &[u8]) -> Option<Self> {
        Some(match oid {
            [0x2b, 0x0e, 3, 2, 0x1a] => Self::Sha1,
            [0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1] => Self::Sha256,
            [0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 2] => Self::Sha384,
            [0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 3] => Self::Sha512,
            [0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 4] => Self::Sha224,
            _ => return None,
        })
    }

    /// By the contents octets of the identifier of HMAC with it (RFC 8018 appendix B.1).
    pub(super) fn by_hmac_oid(oid: &[u8]) -> Option<Self> {
        match oid.strip_prefix(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 2])? {
            [7] => Some(Self::Sha1),
            [8] => Some(Self::Sha224),
            [9] => Some(Self::Sha256),
            [10] => Some(Self::Sha384),
            [11] => Some(Self::Sha512),
            _ => None,
        }
    }

    fn algorithm(self) -> &'static digest::Algorithm {
        match self {
            Self::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha224 => &digest::SHA224,
            Self::Sha256 => &digest::SHA256,
            Self::Sha384 => &digest::SHA384,
            Self::Sha512 => &digest::SHA512,
        }
    }

    /// Octets of it.
    pub(super) fn length(self) -> usize {
        self.algorithm().output_len()
    }

    /// Whether `expected` is the MAC of `data`; the comparison takes the same time wherever they differ.
    pub(super) fn is_mac(self, key: &[u8], data: &[u8], expected: &[u8]) -> bool {
        let algorithm = match self {
            Self::Sha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha224 => hmac::HMAC_SHA224,
            Self::Sha256 => hmac::HMAC_SHA256,
            Self::Sha384 => hmac::HMAC_SHA384,
            Self::Sha512 => hmac::HMAC_SHA512,
        };
        hmac::verify(&hmac::Key::new(algorithm, key), data, expected).is_ok()
    }
}

/// PBKDF2 with HMAC of `hash`.
pub(super) fn pbkdf2(
    hash: Hash,
    password: &Password<'_>,
    salt: &[u8],
    iterations: u32,
    length: usize,
    budget: &mut Budget,
) -> Result<Zeroizing<Vec<u8>>, CardError> {
    let algorithm = match hash {
        Hash::Sha1 => pbkdf2::PBKDF2_HMAC_SHA1,
        Hash::Sha224 => return Err(CardError::Unsupported("PBKDF2 with SHA-224".to_owned())),
        Hash::Sha256 => pbkdf2::PBKDF2_HMAC_SHA256,
        Hash::Sha384 => pbkdf2::PBKDF2_HMAC_SHA384,
        Hash::Sha512 => pbkdf2::PBKDF2_HMAC_SHA512,
    };
    let iterations = budget.spend(iterations)?;
    let mut key = Zeroizing::new(vec![0; length]);
    pbkdf2::derive(algorithm, iterations, salt, password.utf8, &mut key);
    Ok(key)
}

/// The derivation of PKCS#12 (RFC 7292 appendix B.2). `I`, which holds the password, is in guarded memory.
pub(super) fn pkcs12(
    hash: Hash,
    purpose: Purpose,
    password: &Password<'_>,
    salt: &[u8],
    iterations: u32,
    length: usize,
    budget: &mut Budget,
) -> Result<Zeroizing<Vec<u8>>, CardError> {
    if salt.len() > LONGEST_SALT {
        return Err(CardError::FileForm);
    }
    let iterations = budget.spend(iterations)?.get();
    let block = hash.algorithm().block_len();
    let password = password.bmp.expose_secret();
    let mut input = room(salt.len().next_multiple_of(block) + password.len().next_multiple_of(block))?;
    for part in [salt, password] {
        for index in 0..part.len().next_multiple_of(block) {
            append(&mut input, &part[index % part.len()..][..1])?;
        }
    }
    let diversifier = vec![purpose as u8; block];
    let mut key = Zeroizing::new(Vec::with_capacity(length + hash.length()));
    loop {
        let digest = iterated(hash, &diversifier, input.expose_secret(), iterations);
        let wanted = digest.len().min(length - key.len());
        key.extend_from_slice(&digest[..wanted]);
        if key.len() == length {
            return Ok(key);
        }
        let addend: Zeroizing<Vec<u8>> = Zeroizing::new(digest.iter().copied().cycle().take(block).collect());
        input = added(&input, &addend, block)?;
    }
}

fn iterated(hash: Hash, diversifier: &[u8], input: &[u8], iterations: u32) -> Zeroizing<Vec<u8>> {
    let mut context = digest::Context::new(hash.algorithm());
    context.update(diversifier);
    context.update(input);
    let mut digest = context.finish();
    for _ in 1..iterations {
        digest = digest::digest(hash.algorithm(), digest.as_ref());
    }
    Zeroizing::new(digest.as_ref().to_vec())
}

/// Each block of `input`, taken for a number, plus `addend` plus one, without the carry out of it.
fn added(input: &Secret, addend: &[u8], block: usize) -> Result<Secret, CardError> {
    let mut sum = Zeroizing::new(input.expose_secret().to_vec());
    for part in sum.chunks_mut(block) {
        let mut carry = 1u16;
        for (octet, other) in part.iter_mut().zip(addend).rev() {
            carry += u16::from(*octet) + u16::from(*other);
            *octet = (carry & 0xff) as u8;
            carry >>= 8;
        }
    }
    Secret::from_bytes(&sum).ok_or_else(no_memory)
}

fn room(length: usize) -> Result<Secret, CardError> {
    Secret::with_capacity(length).ok_or_else(no_memory)
}

fn append(secret: &mut Secret, bytes: &[u8]) -> Result<(), CardError> {
    if secret.extend(bytes) { Ok(()) } else { Err(no_memory()) }
}

fn no_memory() -> CardError {
    CardError::Failed("no guarded memory".to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
    use super::*;

    fn derived(purpose: Purpose, password: &str, salt: &[u8], iterations: u32, length: usize) -> String {
        let secret = Secret::from_bytes(password.as_bytes()).unwrap();
        let forms = Password::forms(&secret).unwrap();
        let mut budget = Budget::default();
        let key = pkcs12(Hash::Sha1, purpose, &forms[0], salt, iterations, length, &mut budget).unwrap();
        key.iter().map(|octet| format!("{octet:02X}")).collect()
    }

    /// The examples that implementers of PKCS#12 have passed on since version 1.0 ("smeg", "queeg").
    #[test]
    fn the_well_known_derivations_come_out() {
        let salt = [0x0a, 0x58, 0xcf, 0x64, 0x53, 0x0d, 0x82, 0x3f];
        let key = derived(Purpose::Key, "smeg", &salt, 1, 24);
        assert_eq!(key, "8AAAE6297B6CB04642AB5B077851284EB7128F1A2A7FBCA3");
        assert_eq!(derived(Purpose::Iv, "smeg", &salt, 1, 8), "79993DFE048D3B76");
        let salt = [0x05, 0xde, 0xc9, 0x59, 0xac, 0xff, 0x72, 0xf7];
        let key = derived(Purpose::Key, "queeg", &salt, 1000, 24);
        assert_eq!(key, "ED2034E36328830FF09DF1E1A07DD357185DAC0D4F9EB3D4");
        assert_eq!(derived(Purpose::Iv, "queeg", &salt, 1000, 8), "11DEDAD7758D4860");
    }

    #[test]
    fn an_absurd_number_of_iterations_is_refused_before_the_work() {
        let secret = Secret::from_bytes(b"x").unwrap();
        let forms = Password::forms(&secret).unwrap();
        let mut budget = Budget::default();
        let mut derive = |iterations| {
            pbkdf2(Hash::Sha256, &forms[0], b"salt", iterations, 32, &mut budget).map(drop).err()
        };
        assert_eq!(derive(u32::MAX), Some(CardError::FileCost));
        assert_eq!(derive(0), Some(CardError::FileForm));
        assert_eq!(derive(1000), None);
        assert_eq!(derive(MOST_ITERATIONS - 999), Some(CardError::FileCost), "the sum counts");
    }
}
