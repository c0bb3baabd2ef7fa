//! The structure of PKCS#12 files (RFC 7292), with the integrity of RFC 9579 too.

use std::borrow::Cow;
use std::ops::RangeInclusive;

use secrecy::ExposeSecret;

use super::ber::{BMP_STRING, CONTEXT_0, Reader, SEQUENCE, SET};
use super::kdf::{self, Budget, Hash, Password, Purpose};
use super::pbe::{self, Derivation};
use super::{form, unsupported};
use crate::card::CardError;
use crate::pin::secret::Secret;

/// A file is not larger.
pub const LARGEST: usize = 1024 * 1024;
/// Bags in one file, nested ones too.
const MOST_BAGS: usize = 256;
/// Safe contents inside one another (RFC 7292 section 4.2.6).
const DEEPEST_SAFE: usize = 4;
/// Octets of a key that a MAC is made with (RFC 9579 section 5 leaves it open; 20 is what SHA-1 has).
const MAC_KEY: RangeInclusive<usize> = 20..=64;

const PKCS7: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7];
const PKCS9: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9];
const PBMAC1: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 5, 14];
const BAGS: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 12, 10, 1];

/// What a file held.
#[derive(Debug, Default)]
pub struct Opened {
    /// Private keys: PrivateKeyInfo (RFC 5208) in guarded memory, with their friendly name.
    pub keys: Vec<(Secret, Option<String>)>,
    /// X.509 certificates (DER) with their friendly name, in the file's order.
    pub certificates: Vec<(Vec<u8>, Option<String>)>,
}

/// Opens a file.
///
/// # Errors
/// [`CardError::PinIncorrect`]; [`CardError::FileForm`], [`CardError::FileCost`] and
/// [`CardError::Unsupported`] say what is wrong with the file.
pub fn open(file: &[u8], password: &Secret) -> Result<Opened, CardError> {
    let pfx = Pfx::read(file)?;
    let mut budget = Budget::default();
    for form in Password::forms(password)? {
        match pfx.open(&form, &mut budget) {
            Err(CardError::PinIncorrect) => {}
            result => return result,
        }
    }
    Err(CardError::PinIncorrect)
}

/// Whether these octets are a PKCS#12 file of a kind that can be opened, as far as that shows without its
/// password.
///
/// # Errors
/// As [`open`].
pub fn examine(file: &[u8]) -> Result<(), CardError> {
    Pfx::read(file).map(drop)
}

struct Pfx<'f> {
    /// The AuthenticatedSafe, which the MAC is over.
    safe: Cow<'f, [u8]>,
    mac: Option<Mac<'f>>,
}

enum MacKey<'f> {
    Pkcs12 { salt: Cow<'f, [u8]>, iterations: u32 },
    Pbmac1 { derivation: Derivation<'f>, length: usize },
}

struct Mac<'f> {
    hash: Hash,
    key: MacKey<'f>,
    expected: Cow<'f, [u8]>,
}

impl<'f> Pfx<'f> {
    fn read(file: &'f [u8]) -> Result<Self, CardError> {
        if file.len() > LARGEST {
            return Err(CardError::FileForm);
        }
        let mut pfx = Reader::new(file).sequence().map_err(form)?;
        if pfx.number().map_err(form)? != 3 {
            return Err(CardError::FileForm);
        }
        let mut content = pfx.sequence().map_err(form)?;
        let kind = content.oid().map_err(form)?;
        if kind.strip_prefix(PKCS7) != Some(&[1]) {
            // Signed ones (public-key integrity) exist in the standard only.
            return Err(unsupported(kind));
        }
        let safe = explicit(&mut content)?.octets().map_err(form)?;
        let mac = if pfx.is_empty() { None } else { Some(Mac::read(pfx.sequence().map_err(form)?)?) };
        Ok(Self { safe, mac })
    }

    fn open(&self, password: &Password<'_>, budget: &mut Budget) -> Result<Opened, CardError> {
        if let Some(mac) = &self.mac
            && !mac.holds(password, &self.safe, budget)?
        {
            return Err(CardError::PinIncorrect);
        }
        let mut safes = Safes { password, budget, opened: Opened::default(), bags: 0 };
        match safes.authenticated(Reader::new(&self.safe)) {
            // The password is right: what cannot be decrypted with it is a broken file.
            Err(CardError::PinIncorrect) if self.mac.is_some() => Err(CardError::FileForm),
            // Without a MAC a wrong password may show by nonsense only.
            Err(CardError::FileForm) if self.mac.is_none() => Err(CardError::PinIncorrect),
            result => result.map(|()| safes.opened),
        }
    }
}

impl<'f> Mac<'f> {
    fn read(mut data: Reader<'f>) -> Result<Self, CardError> {
        let mut info = data.sequence().map_err(form)?;
        let mut algorithm = info.sequence().map_err(form)?;
        let expected = info.octets().map_err(form)?;
        let oid = algorithm.oid().map_err(form)?;
        if oid == PBMAC1 {
            let (hash, key) = pbmac1(algorithm.sequence().map_err(form)?)?;
            return Ok(Self { hash, key, expected });
        }
        let hash = Hash::by_oid(oid).ok_or_else(|| unsupported(oid))?;
        let salt = data.octets().map_err(form)?;
        let iterations = if data.is_empty() { 1 } else { data.number().map_err(form)? };
        Ok(Self { hash, key: MacKey::Pkcs12 { salt, iterations }, expected })
    }

    fn holds(&self, password: &Password<'_>, data: &[u8], budget: &mut Budget) -> Result<bool, CardError> {
        let key = match &self.key {
            MacKey::Pkcs12 { salt, iterations } => {
                let length = self.hash.length();
                kdf::pkcs12(self.hash, Purpose::Mac, password, salt, *iterations, length, budget)?
            }
            MacKey::Pbmac1 { derivation, length } => derivation.run(password, *length, budget)?,
        };
        Ok(self.hash.is_mac(&key, data, &self.expected))
    }
}

/// PBMAC1-params (RFC 8018 appendix A.5). The key's length must be said (RFC 9579 section 5).
fn pbmac1(mut parameters: Reader<'_>) -> Result<(Hash, MacKey<'_>), CardError> {
    let derivation = Derivation::read(parameters.sequence().map_err(form)?)?;
    let oid = parameters.sequence().and_then(|mut mac| mac.oid()).map_err(form)?;
    let hash = Hash::by_hmac_oid(oid).ok_or_else(|| unsupported(oid))?;
    let length = derivation.length.filter(|length| MAC_KEY.contains(length)).ok_or(CardError::FileForm)?;
    Ok((hash, MacKey::Pbmac1 { derivation, length }))
}

/// What is inside the next element, `[0] EXPLICIT`.
fn explicit<'f>(reader: &mut Reader<'f>) -> Result<Reader<'f>, CardError> {
    reader.expect(CONTEXT_0).and_then(|element| element.children()).map_err(form)
}

struct Safes<'s> {
    password: &'s Password<'s>,
    budget: &'s mut Budget,
    opened: Opened,
    bags: usize,
}

impl Safes<'_> {
    /// AuthenticatedSafe (RFC 7292 section 4.1).
    fn authenticated(&mut self, mut safe: Reader<'_>) -> Result<(), CardError> {
        let mut contents = safe.sequence().map_err(form)?;
        while !contents.is_empty() {
            let mut content = contents.sequence().map_err(form)?;
            let kind = content.oid().map_err(form)?;
            match kind.strip_prefix(PKCS7) {
                Some([1]) => {
                    let plain = explicit(&mut content)?.octets().map_err(form)?;
                    self.contents(Reader::new(&plain), 0)?;
                }
                Some([6]) => {
                    let mut data = explicit(&mut content)?.sequence().map_err(form)?;
                    data.number().map_err(form)?;
                    let plain = self.decrypt(data.sequence().map_err(form)?)?;
                    self.contents(Reader::new(plain.expose_secret()), 0)?;
                }
                _ => return Err(unsupported(kind)),
            }
        }
        Ok(())
    }

    /// EncryptedContentInfo (RFC 5652 section 6.1).
    fn decrypt(&mut self, mut info: Reader<'_>) -> Result<Secret, CardError> {
        info.oid().map_err(form)?;
        let algorithm = info.sequence().map_err(form)?;
        // [0] IMPLICIT OCTET STRING, in parts or not.
        let encrypted = info.next().map_err(form)?;
        if encrypted.tag & 0xdf != 0x80 {
            return Err(CardError::FileForm);
        }
        pbe::decrypt(algorithm, self.password, &encrypted.octets().map_err(form)?, self.budget)
    }

    /// SafeContents (RFC 7292 section 4.2).
    fn contents(&mut self, mut contents: Reader<'_>, depth: usize) -> Result<(), CardError> {
        let mut bags = contents.sequence().map_err(form)?;
        while !bags.is_empty() {
            self.bags += 1;
            if self.bags > MOST_BAGS || depth > DEEPEST_SAFE {
                return Err(CardError::FileForm);
            }
            self.bag(bags.sequence().map_err(form)?, depth)?;
        }
        Ok(())
    }

    fn bag(&mut self, mut bag: Reader<'_>, depth: usize) -> Result<(), CardError> {
        let kind = bag.oid().map_err(form)?;
        let mut value = explicit(&mut bag)?;
        let name = if bag.is_empty() { None } else { friendly_name(bag)? };
        match kind.strip_prefix(BAGS) {
            Some([1]) => {
                let key = value.expect(SEQUENCE).map_err(form)?;
                self.opened.keys.push((private_key(key.body)?, name));
            }
            Some([2]) => {
                let mut shrouded = value.sequence().map_err(form)?;
                let algorithm = shrouded.sequence().map_err(form)?;
                let encrypted = shrouded.octets().map_err(form)?;
                let key = pbe::decrypt(algorithm, self.password, &encrypted, self.budget)?;
                self.opened.keys.push((key, name));
            }
            Some([3]) => self.certificate(value.sequence().map_err(form)?, name)?,
            Some([6]) => self.contents(value, depth + 1)?,
            // CRLs and secrets are nothing for here.
            _ => {}
        }
        Ok(())
    }

    /// CertBag (RFC 7292 section 4.2.3).
    fn certificate(&mut self, mut bag: Reader<'_>, name: Option<String>) -> Result<(), CardError> {
        let kind = bag.oid().map_err(form)?;
        let value = explicit(&mut bag)?.octets().map_err(form)?;
        // x509Certificate; the other kind is SDSI's.
        if kind.strip_prefix(PKCS9) == Some(&[22, 1]) {
            self.opened.certificates.push((value.into_owned(), name));
        }
        Ok(())
    }
}

/// A PrivateKeyInfo with these contents.
fn private_key(body: &[u8]) -> Result<Secret, CardError> {
    let length = u16::try_from(body.len()).map_err(|_| CardError::FileForm)?.to_be_bytes();
    let header = [SEQUENCE, 0x82, length[0], length[1]];
    let key = Secret::with_capacity(header.len() + body.len());
    let mut key = key.ok_or_else(|| CardError::Failed("no guarded memory".to_owned()))?;
    if key.extend(&header) && key.extend(body) { Ok(key) } else { Err(CardError::FileForm) }
}

/// The friendlyName (RFC 2985 section 5.5.1) among a bag's attributes.
fn friendly_name(mut bag: Reader<'_>) -> Result<Option<String>, CardError> {
    let mut attributes = bag.expect(SET).and_then(|set| set.children()).map_err(form)?;
    while !attributes.is_empty() {
        let mut attribute = attributes.sequence().map_err(form)?;
        let kind = attribute.oid().map_err(form)?;
        let mut values = attribute.expect(SET).and_then(|set| set.children()).map_err(form)?;
        if kind.strip_prefix(PKCS9) == Some(&[20])
            && let Some(name) = values.optional(BMP_STRING).map_err(form)?
        {
            let units = name.body.chunks_exact(2).map(|unit| u16::from_be_bytes([unit[0], unit[1]]));
            let letters = char::decode_utf16(units).filter_map(Result::ok);
            let text: String = letters.filter(|letter| !letter.is_control()).collect();
            return Ok(Some(text).filter(|text| !text.is_empty()));
        }
    }
    Ok(None)
}
