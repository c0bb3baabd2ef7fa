//! Private-key operations: GENERAL AUTHENTICATE (SP 800-73-5 part 2, section 3.2.4), and what the host adds.

use der::Decode;
use wafer_client::keeper::{Digest, KeyInfo, KeyKind, KeyTransport, SignScheme};
use x509_cert::Certificate;
use zeroize::Zeroizing;

use super::apdu::{Channel, Command, send};
use super::slots::Slot;
use super::tlv;
use crate::card::{CardError, digest_info, ecdsa, kind, oaep, padding, substitute};

/// Tags inside the dynamic authentication template.
const TEMPLATE: u32 = 0x7c;
const CHALLENGE: u32 = 0x81;
const RESPONSE: u32 = 0x82;
const EXPONENTIATION: u32 = 0x85;

/// What kind of key it is, as its certificate says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// RSA with a modulus of so many bits.
    Rsa { bits: usize },
    /// Elliptic curve with field elements of so many octets.
    Ec { field: usize },
    /// Ed25519: not in the standard; YubiKeys have it since their firmware 5.7.
    Ed25519,
    /// X25519, likewise.
    X25519,
}

/// Octets of an Ed25519 signature (RFC 8032 section 5.1.6), and of X25519's keys and secrets (RFC 7748 section 5).
const ED25519_SIGNATURE: usize = 64;
const X25519_OCTETS: usize = 32;
/// The longest message for Ed25519: signed attributes are far shorter, and so is what any card takes.
const LONGEST_MESSAGE: usize = 16 * 1024;

impl Shape {
    /// Reads a certificate (DER); `None` if its key is of no kind that PIV has.
    pub(super) fn of(certificate: &[u8]) -> Option<Self> {
        let certificate = Certificate::from_der(certificate).ok()?;
        let key = certificate.tbs_certificate().subject_public_key_info();
        let octets = key.subject_public_key.raw_bytes();
        let shape = match kind::of(key)? {
            KeyKind::Rsa => Self::Rsa { bits: modulus_bits(octets)? },
            KeyKind::Ec => Self::Ec { field: ecdsa::field_length(octets)? },
            KeyKind::Ed25519 => Self::Ed25519,
            KeyKind::X25519 => Self::X25519,
        };
        shape.algorithm().map(|_| shape)
    }

    /// The link's name for it.
    pub(super) fn kind(self) -> KeyKind {
        match self {
            Self::Rsa { .. } => KeyKind::Rsa,
            Self::Ec { .. } => KeyKind::Ec,
            Self::Ed25519 => KeyKind::Ed25519,
            Self::X25519 => KeyKind::X25519,
        }
    }

    /// The algorithm identifier (SP 800-78-5 table 10; RSA-4096 as YubiKey and Nitrokey have it, Curve25519 as
    /// YubiKey has it).
    fn algorithm(self) -> Option<u8> {
        match self {
            Self::Rsa { bits: 1024 } => Some(0x06),
            Self::Rsa { bits: 2048 } => Some(0x07),
            Self::Rsa { bits: 3072 } => Some(0x05),
            Self::Rsa { bits: 4096 } => Some(0x16),
            Self::Ec { field: 32 } => Some(0x11),
            Self::Ec { field: 48 } => Some(0x14),
            Self::Ed25519 => Some(0xe0),
            Self::X25519 => Some(0xe1),
            _ => None,
        }
    }
}

/// A `RSAPublicKey` (RFC 8017 appendix A.1.1) has its modulus first.
fn modulus_bits(key: &[u8]) -> Option<usize> {
    let modulus = tlv::find(tlv::find(key, 0x30)?, 2)?;
    let start = modulus.iter().position(|octet| *octet != 0)?;
    let leading = usize::try_from(modulus[start].leading_zeros()).ok()?;
    Some(8 * (modulus.len() - start) - leading)
}

/// A key on the card, ready for its operation.
pub(super) struct Key {
    slot: Slot,
    shape: Shape,
}

/// What a key is to do, padded and checked: all that can be wrong is said before the PIN is used.
pub(super) struct Prepared {
    command: Zeroizing<Vec<u8>>,
    header: [u8; 3],
}

impl Key {
    /// The key that `info` names.
    pub(super) fn new(info: &KeyInfo) -> Result<Self, CardError> {
        let name = info.id.rsplit_once('/').map_or("", |(_, name)| name);
        let slot = Slot::from_hex(name).ok_or(CardError::NoKey)?;
        let shape = Shape::of(&info.certificate).ok_or(CardError::NoKey)?;
        Ok(Self { slot, shape })
    }

    /// Where it is.
    pub(super) fn slot(&self) -> Slot {
        self.slot
    }

    /// A signature of `digest`; by Ed25519 of the message that it is then.
    pub(super) fn signature(
        &self,
        scheme: SignScheme,
        algorithm: Digest,
        digest: &[u8],
    ) -> Result<Prepared, CardError> {
        if (scheme, self.shape) == (SignScheme::Ed25519, Shape::Ed25519) {
            let fits = digest.len() <= LONGEST_MESSAGE;
            return if fits {
                self.prepare(CHALLENGE, digest)
            } else {
                Err(CardError::Argument("so long a message"))
            };
        }
        digest_info::check(algorithm, digest)?;
        match (scheme, self.shape) {
            (SignScheme::RsaPkcs1, Shape::Rsa { bits }) => {
                self.prepare(CHALLENGE, &padding::pkcs1(algorithm, digest, bits.div_ceil(8))?)
            }
            (SignScheme::RsaPss, Shape::Rsa { bits }) => {
                self.prepare(CHALLENGE, &padding::pss(algorithm, digest, bits)?)
            }
            (SignScheme::Ecdsa, Shape::Ec { field }) => {
                // The card wants the field's length: zeros in front change nothing of the number.
                let digest = ecdsa::truncate(digest, field);
                self.prepare(CHALLENGE, &[&vec![0; field - digest.len()][..], digest].concat())
            }
            _ => Err(CardError::Argument("the key is of another kind than the scheme")),
        }
    }

    /// The bare RSA decryption of `encrypted`.
    pub(super) fn decryption(&self, encrypted: &[u8]) -> Result<Prepared, CardError> {
        let Shape::Rsa { bits } = self.shape else { return Err(CardError::Decryption) };
        let missing = bits.div_ceil(8).checked_sub(encrypted.len()).ok_or(CardError::Decryption)?;
        self.prepare(CHALLENGE, &[&vec![0; missing][..], encrypted].concat())
    }

    /// ECDH with an uncompressed point, or X25519 with its 32 octets.
    pub(super) fn agreement(&self, peer_point: &[u8]) -> Result<Prepared, CardError> {
        match self.shape {
            // The point is the sender's: one that does not fit is a decryption that fails, like any other.
            Shape::Ec { field } if ecdsa::is_on_curve(peer_point, field) => {
                self.prepare(EXPONENTIATION, peer_point)
            }
            Shape::X25519 if peer_point.len() == X25519_OCTETS => self.prepare(EXPONENTIATION, peer_point),
            _ => Err(CardError::Decryption),
        }
    }

    fn prepare(&self, tag: u32, input: &[u8]) -> Result<Prepared, CardError> {
        let algorithm = self.shape.algorithm().ok_or(CardError::NoKey)?;
        let wanted = [tlv::encode(RESPONSE, &[]), tlv::encode(tag, input)].concat();
        let command = Zeroizing::new(tlv::encode(TEMPLATE, &wanted));
        Ok(Prepared { command, header: [0x87, algorithm, self.slot.reference()] })
    }

    /// Whether a result of this key is as long as it must be, and one that may be used.
    fn check_result(&self, result: &[u8]) -> Result<(), CardError> {
        let fits = match self.shape {
            Shape::Rsa { bits } => result.len() == bits.div_ceil(8),
            Shape::Ec { field } => result.len() == field,
            Shape::Ed25519 => result.len() == ED25519_SIGNATURE,
            // Zeros alone are what a point of small order gives (RFC 7748 section 6.1): a secret that all know.
            Shape::X25519 => {
                result.len() == X25519_OCTETS && result.iter().fold(0, |all, one| all | one) != 0
            }
        };
        if fits { Ok(()) } else { Err(CardError::Failed(format!("a result of {} octets", result.len()))) }
    }

    /// Looks at a signature that the card gave, and gives it on as CMS wants it.
    pub(super) fn finish_signature(&self, signature: &[u8]) -> Result<Vec<u8>, CardError> {
        // ECDSA comes as Ecdsa-Sig-Value already.
        if !matches!(self.shape, Shape::Ec { .. }) {
            self.check_result(signature)?;
        }
        Ok(signature.to_vec())
    }

    /// Takes the padding off the content key.
    pub(super) fn finish_decryption(
        &self,
        block: Result<Zeroizing<Vec<u8>>, CardError>,
        transport: &KeyTransport,
    ) -> Result<Zeroizing<Vec<u8>>, CardError> {
        let block = match block {
            Err(error @ (CardError::Failed(_) | CardError::Unsupported(_) | CardError::Decryption)) => {
                tracing::info!(%error, "the card did not decrypt");
                None
            }
            block => Some(block?),
        };
        let block = block.filter(|block| self.check_result(block).is_ok());
        let length = usize::try_from(transport.key_length).unwrap_or_default();
        if !transport.oaep {
            return substitute::unpad_or_random(block.as_deref().map_or(&[], Vec::as_slice), length);
        }
        let block = block.ok_or(CardError::Decryption)?;
        let key = oaep::decode(&block, transport.hash, transport.mgf_hash, &transport.label)?;
        if key.len() == length { Ok(key) } else { Err(CardError::Decryption) }
    }

    /// Looks at a shared secret that the card gave.
    pub(super) fn finish_agreement(
        &self,
        shared: Result<Zeroizing<Vec<u8>>, CardError>,
    ) -> Result<Zeroizing<Vec<u8>>, CardError> {
        match shared {
            Err(CardError::Failed(_) | CardError::Unsupported(_)) => Err(CardError::Decryption),
            shared => shared.and_then(|shared| {
                self.check_result(&shared).map_err(|_| CardError::Decryption)?;
                Ok(shared)
            }),
        }
    }
}

impl Prepared {
    /// Lets the card do it: the first of its commands must come right after VERIFY.
    pub(super) fn run(&self, channel: &mut dyn Channel) -> Result<Zeroizing<Vec<u8>>, CardError> {
        let command = Command { header: self.header, data: &self.command, answers: true };
        let answer = send(channel, command)?.ok()?;
        let response = tlv::find(&answer, TEMPLATE).and_then(|template| tlv::find(template, RESPONSE));
        let response =
            response.ok_or_else(|| CardError::Failed("an answer without a response".to_owned()))?;
        Ok(Zeroizing::new(response.to_vec()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
    use super::*;

    fn key(slot: &str, shape: Shape) -> Key {
        Key { slot: Slot::from_hex(slot).unwrap(), shape }
    }

    #[test]
    fn ed25519_signs_a_message_of_any_length_as_it_is() {
        let key = key("9a", Shape::Ed25519);
        let prepared = key.signature(SignScheme::Ed25519, Digest::Sha512, b"message").unwrap();
        assert_eq!(prepared.header, [0x87, 0xe0, 0x9a]);
        assert_eq!(*prepared.command, *b"\x7c\x0b\x82\x00\x81\x07message");
        let long = vec![0; LONGEST_MESSAGE + 1];
        let refused = |scheme, message| {
            matches!(key.signature(scheme, Digest::Sha512, message), Err(CardError::Argument(_)))
        };
        assert!(refused(SignScheme::Ed25519, &long));
        assert!(refused(SignScheme::Ecdsa, &[7; 64]));
        assert!(key.finish_signature(&[1; 64]).is_ok() && key.finish_signature(&[1; 63]).is_err());
        assert!(key.agreement(&[9; 32]).is_err(), "it agrees with nobody");
    }

    #[test]
    fn x25519_takes_32_octets_and_no_secret_that_all_know() {
        let key = key("9d", Shape::X25519);
        let prepared = key.agreement(&[9; 32]).unwrap();
        assert_eq!(prepared.header, [0x87, 0xe1, 0x9d]);
        assert_eq!(prepared.command[..6], [0x7c, 0x24, 0x82, 0, 0x85, 0x20]);
        assert!(matches!(key.agreement(&[9; 65]), Err(CardError::Decryption)));
        assert!(key.signature(SignScheme::Ed25519, Digest::Sha512, b"message").is_err(), "it signs nothing");
        let finished = |secret: &[u8]| key.finish_agreement(Ok(Zeroizing::new(secret.to_vec())));
        assert_eq!(*finished(&[5; 32]).unwrap(), [5; 32]);
        for wrong in [&[0; 32][..], &[5; 31], &[]] {
            assert_eq!(finished(wrong), Err(CardError::Decryption));
        }
    }
}
