//! Password-based encryption as files have it: the schemes of PKCS#12 (RFC 7292 appendix C) and PBES2 (RFC 8018
//! section 6.2).

use std::borrow::Cow;

use zeroize::Zeroizing;

use super::ber::Reader;
use super::ffi::Cipher;
use super::kdf::{self, Budget, Hash, Password, Purpose};
use super::{form, unsupported};
use crate::card::CardError;
use crate::pin::secret::Secret;

/// The schemes of PKCS#12, by the last octet of their identifier.
const PKCS12_SCHEMES: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 12, 1];
const PBES2: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 5, 13];
const PBKDF2: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 5, 12];
const DES_EDE3_CBC: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 3, 7];
const AES: &[u8] = &[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 1];

/// Decrypts what an AlgorithmIdentifier (its contents in `algorithm`) says how to. Whatever goes wrong with the
/// cipher itself is called a wrong password.
pub(super) fn decrypt(
    mut algorithm: Reader<'_>,
    password: &Password<'_>,
    encrypted: &[u8],
    budget: &mut Budget,
) -> Result<Secret, CardError> {
    let oid = algorithm.oid().map_err(form)?;
    let parameters = algorithm.sequence().map_err(form)?;
    if oid == PBES2 {
        return pbes2(parameters, password, encrypted, budget);
    }
    let Some([scheme]) = oid.strip_prefix(PKCS12_SCHEMES) else { return Err(unsupported(oid)) };
    let (cipher, two_keys) = match scheme {
        3 => (Cipher::TripleDes, false),
        4 => (Cipher::TripleDes, true),
        5 => (Cipher::Rc2, false),
        6 => (Cipher::Rc2Weak, false),
        _ => return Err(unsupported(oid)),
    };
    pkcs12(cipher, two_keys, parameters, password, encrypted, budget)
}

fn pkcs12(
    cipher: Cipher,
    two_keys: bool,
    mut parameters: Reader<'_>,
    password: &Password<'_>,
    encrypted: &[u8],
    budget: &mut Budget,
) -> Result<Secret, CardError> {
    let salt = parameters.octets().map_err(form)?;
    let iterations = parameters.number().map_err(form)?;
    let (key_length, iv_length) = cipher.lengths();
    let wanted = if two_keys { 16 } else { key_length };
    let mut derive =
        |purpose, length| kdf::pkcs12(Hash::Sha1, purpose, password, &salt, iterations, length, budget);
    let mut key = derive(Purpose::Key, wanted)?;
    let iv = derive(Purpose::Iv, iv_length)?;
    if two_keys {
        key.extend_from_within(..8);
    }
    cipher.decrypt(&key, &iv, encrypted).map_err(|_| CardError::PinIncorrect)
}

fn pbes2(
    mut parameters: Reader<'_>,
    password: &Password<'_>,
    encrypted: &[u8],
    budget: &mut Budget,
) -> Result<Secret, CardError> {
    let derivation = parameters.sequence().map_err(form)?;
    let mut scheme = parameters.sequence().map_err(form)?;
    let oid = scheme.oid().map_err(form)?;
    let cipher = match oid.strip_prefix(AES) {
        Some([2]) => Cipher::Aes128,
        Some([22]) => Cipher::Aes192,
        Some([42]) => Cipher::Aes256,
        _ if oid == DES_EDE3_CBC => Cipher::TripleDes,
        _ => return Err(unsupported(oid)),
    };
    let iv = scheme.octets().map_err(form)?;
    let (key_length, iv_length) = cipher.lengths();
    if iv.len() != iv_length {
        return Err(CardError::FileForm);
    }
    let derivation = Derivation::read(derivation)?;
    if derivation.length.is_some_and(|length| length != key_length) {
        return Err(CardError::FileForm);
    }
    let key = derivation.run(password, key_length, budget)?;
    cipher.decrypt(&key, &iv, encrypted).map_err(|_| CardError::PinIncorrect)
}

/// PBKDF2 with its parameters (RFC 8018 appendix A.2).
pub(super) struct Derivation<'f> {
    salt: Cow<'f, [u8]>,
    iterations: u32,
    /// Octets, where the file says so.
    pub(super) length: Option<usize>,
    prf: Hash,
}

impl<'f> Derivation<'f> {
    /// Reads the contents of an AlgorithmIdentifier.
    pub(super) fn read(mut algorithm: Reader<'f>) -> Result<Self, CardError> {
        let oid = algorithm.oid().map_err(form)?;
        if oid != PBKDF2 {
            return Err(unsupported(oid));
        }
        let mut parameters = algorithm.sequence().map_err(form)?;
        let salt = parameters.octets().map_err(form)?;
        let iterations = parameters.number().map_err(form)?;
        let mut rest = parameters;
        let length = match rest.number() {
            Ok(length) => {
                parameters = rest;
                Some(usize::try_from(length).map_err(|_| CardError::FileForm)?)
            }
            Err(_) => None,
        };
        // HMAC with SHA-1 unless it is said.
        let prf = if parameters.is_empty() {
            Hash::Sha1
        } else {
            let oid = parameters.sequence().and_then(|mut prf| prf.oid()).map_err(form)?;
            Hash::by_hmac_oid(oid).ok_or_else(|| unsupported(oid))?
        };
        Ok(Self { salt, iterations, length, prf })
    }

    /// A key of `length` octets.
    pub(super) fn run(
        &self,
        password: &Password<'_>,
        length: usize,
        budget: &mut Budget,
    ) -> Result<Zeroizing<Vec<u8>>, CardError> {
        kdf::pbkdf2(self.prf, password, &self.salt, self.iterations, length, budget)
    }
}
