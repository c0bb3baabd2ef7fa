//! RecipientInfos read (RFC 5652 section 6.2, RFC 5753, RFC 8418).

use const_oid::ObjectIdentifier;
use zeroize::Zeroizing;

use crate::asn1::ber::malformed;
use crate::asn1::der::{self, Cursor, Element};
use crate::asn1::{MAX_MEMBERS, normal, oid};
use crate::cms::identifier::{self, Algorithm};
use crate::crypto::ffi;
use crate::crypto::kdf::Kdf;
use crate::decrypt::{Recipient, RecipientId, Request};
use crate::error::Result;

/// How the private key's answer becomes the content-encryption key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unwrap {
    /// It is the key; a wrong one may be random on purpose (RSAES-PKCS1-v1_5).
    Transport,
    /// It is the shared secret of a key agreement.
    Agreement {
        /// Derivation of the wrapping key.
        kdf: Kdf,
        /// Bytes of the wrapping key.
        length: usize,
        /// DER of ECC-CMS-SharedInfo.
        shared_info: Vec<u8>,
        /// The wrapped content-encryption key.
        wrapped: Vec<u8>,
    },
    /// Not at all.
    Unsupported,
}

impl Unwrap {
    /// The content-encryption key.
    ///
    /// # Errors
    /// [`crate::Error::Decryption`].
    pub(crate) fn open(&self, secret: &Zeroizing<Vec<u8>>) -> Result<Zeroizing<Vec<u8>>> {
        match self {
            Self::Transport => Ok(secret.clone()),
            Self::Agreement { kdf, length, shared_info, wrapped } => {
                ffi::unwrap_key(&kdf.derive(secret, shared_info, *length)?, wrapped)
            }
            Self::Unsupported => Err(crate::Error::Decryption),
        }
    }
}

/// Reads one RecipientInfo (DER); a key agreement may be for several recipients. One that breaks its rules is
/// listed as one that nobody can serve: it must not stop the others from reading.
pub(crate) fn read(info: &[u8], key_length: usize) -> Vec<(Recipient, Unwrap)> {
    let other = |name: &str| {
        let recipient = Recipient { id: RecipientId::Other, request: None, algorithm: name.to_owned() };
        vec![(recipient, Unwrap::Unsupported)]
    };
    let Ok(Some(element)) = Cursor::new(info).next() else { return other("malformed") };
    match element.tag {
        der::SEQUENCE => transport(&element, key_length).map_or_else(|_| other("malformed"), |one| vec![one]),
        0xa1 => agreement(&element).unwrap_or_else(|_| other("malformed")),
        0xa2 => other("a key-encryption key"),
        0xa3 => other("a password"),
        _ => other("unknown"),
    }
}

fn transport(info: &Element<'_>, key_length: usize) -> Result<(Recipient, Unwrap)> {
    let mut fields = info.inside();
    fields.expect(der::INTEGER)?;
    let id = certificate_id(fields.next()?)?;
    let algorithm = Algorithm::parse(&fields.expect(der::SEQUENCE)?)?;
    let encrypted_key = fields.expect(der::OCTET_STRING)?.content.to_vec();
    let (request, name) = match algorithm.oid {
        oid::RSA_ENCRYPTION => {
            (Some(Request::RsaPkcs1 { encrypted_key, key_length }), "RSAES-PKCS1-v1_5".to_owned())
        }
        oid::RSAES_OAEP => {
            let request = identifier::oaep(&algorithm)?.map(|(hash, mgf_hash, label)| Request::RsaOaep {
                encrypted_key,
                hash,
                mgf_hash,
                label,
                key_length,
            });
            (request, "RSAES-OAEP".to_owned())
        }
        other => (None, other.to_string()),
    };
    let unwrap = if request.is_some() { Unwrap::Transport } else { Unwrap::Unsupported };
    Ok((Recipient { id, request, algorithm: name }, unwrap))
}

fn agreement(info: &Element<'_>) -> Result<Vec<(Recipient, Unwrap)>> {
    let mut fields = info.inside();
    fields.expect(der::INTEGER)?;
    let point = originator(&fields.expect(der::context(0))?)?;
    let ukm = fields.optional(der::context(1))?.map(|ukm| ukm.content);
    let algorithm = Algorithm::parse(&fields.expect(der::SEQUENCE)?)?;
    let wrap = algorithm.parameters.filter(|wrap| wrap.tag == der::SEQUENCE);
    let wrap_length = match wrap {
        Some(wrap) => wrap_length(&Algorithm::parse(&wrap)?.oid),
        None => None,
    };
    let how = match (kdf(&algorithm.oid), wrap, wrap_length, &point) {
        // Each recipient gets a copy, so a huge one is no good; what occurs has about a hundred bytes.
        (Some(kdf), Some(wrap), Some(length), Some(point)) => {
            Some((kdf, length, shared_info(wrap.whole, ukm, length), point)).filter(|how| how.2.len() <= 4096)
        }
        _ => None,
    };
    let mut found = Vec::new();
    let mut keys = fields.expect(der::SEQUENCE)?.inside();
    while let Some(key) = keys.next()? {
        if found.len() > MAX_MEMBERS {
            break; // the caller refuses so many
        }
        let mut parts = key.inside();
        let id = agreement_id(parts.next()?)?;
        let wrapped = parts.expect(der::OCTET_STRING)?.content.to_vec();
        let request = how.as_ref().map(|(.., point)| Request::Ecdh { peer_point: point.to_vec() });
        let unwrap = match &how {
            Some((kdf, length, shared_info, _)) => {
                Unwrap::Agreement { kdf: *kdf, length: *length, shared_info: shared_info.clone(), wrapped }
            }
            None => Unwrap::Unsupported,
        };
        let name = if how.is_some() { "ECDH".to_owned() } else { algorithm.oid.to_string() };
        found.push((Recipient { id, request, algorithm: name }, unwrap));
    }
    Ok(found)
}

/// The ephemeral public key; `None` if the originator is a certificate (static-static) or the point is compressed.
fn originator(field: &Element<'_>) -> Result<Option<Vec<u8>>> {
    let Some(key) = field.inside().optional(der::context(1))? else { return Ok(None) };
    let mut parts = key.inside();
    let algorithm = Algorithm::parse(&parts.expect(der::SEQUENCE)?)?;
    let bits = parts.expect(0x03)?.content;
    let Some((0, point)) = bits.split_first() else { return Err(malformed("a broken public key")) };
    let usable = match algorithm.oid {
        oid::X25519 => point.len() == 32,
        _ => point.first() == Some(&4) && matches!(point.len(), 65 | 97 | 133),
    };
    Ok(usable.then(|| point.to_vec()))
}

/// ECC-CMS-SharedInfo (RFC 5753 section 7.2). `wrap` is the key wrap algorithm as it stood in the message, since
/// its absent or NULL parameters are hashed; `ukm` an OCTET STRING element.
pub(crate) fn shared_info(wrap: &[u8], ukm: Option<&[u8]>, length: usize) -> Vec<u8> {
    let bits = (length as u32 * 8).to_be_bytes();
    let ukm = ukm.map_or_else(Vec::new, |ukm| der::element(der::context(0), &[ukm]));
    let bits = der::element(der::context(2), &[&der::element(der::OCTET_STRING, &[&bits])]);
    der::sequence(&[wrap, &ukm, &bits])
}

/// SignerIdentifier and RecipientIdentifier are alike.
pub(crate) fn certificate_id(field: Option<Element<'_>>) -> Result<RecipientId> {
    match field {
        Some(field) if field.tag == der::SEQUENCE => issuer_and_serial(&field),
        Some(field) if field.tag == 0x80 => Ok(RecipientId::KeyIdentifier(field.content.to_vec())),
        // A string in pieces under an implicit tag: give it its own tag, then join.
        Some(field) if field.tag == 0xa0 => {
            let joined = normal::to_der(&der::element(0x24, &[field.content]))?;
            Ok(RecipientId::KeyIdentifier(Cursor::new(&joined).expect(der::OCTET_STRING)?.content.to_vec()))
        }
        _ => Err(malformed("no certificate identifier where one must be")),
    }
}

fn agreement_id(field: Option<Element<'_>>) -> Result<RecipientId> {
    match field {
        Some(field) if field.tag == der::SEQUENCE => issuer_and_serial(&field),
        Some(field) if field.tag == der::context(0) => {
            Ok(RecipientId::KeyIdentifier(field.inside().expect(der::OCTET_STRING)?.content.to_vec()))
        }
        _ => Err(malformed("no certificate identifier where one must be")),
    }
}

fn issuer_and_serial(field: &Element<'_>) -> Result<RecipientId> {
    let mut parts = field.inside();
    let issuer = parts.expect(der::SEQUENCE)?.whole.to_vec();
    Ok(RecipientId::IssuerAndSerial { issuer, serial: parts.expect(der::INTEGER)?.content.to_vec() })
}

fn wrap_length(oid: &ObjectIdentifier) -> Option<usize> {
    Some(match *oid {
        oid::AES128_WRAP => 16,
        oid::AES192_WRAP => 24,
        oid::AES256_WRAP => 32,
        _ => return None,
    })
}

/// Cofactor Diffie-Hellman is the same on these curves: their cofactor is 1.
fn kdf(oid: &ObjectIdentifier) -> Option<Kdf> {
    Some(match *oid {
        oid::STD_DH_SHA1 | oid::COFACTOR_DH_SHA1 => Kdf::X963Sha1,
        oid::STD_DH_SHA224 | oid::COFACTOR_DH_SHA224 => Kdf::X963Sha224,
        oid::STD_DH_SHA256 | oid::COFACTOR_DH_SHA256 => Kdf::X963Sha256,
        oid::STD_DH_SHA384 | oid::COFACTOR_DH_SHA384 => Kdf::X963Sha384,
        oid::STD_DH_SHA512 | oid::COFACTOR_DH_SHA512 => Kdf::X963Sha512,
        oid::STD_DH_HKDF_SHA256 => Kdf::HkdfSha256,
        oid::STD_DH_HKDF_SHA384 => Kdf::HkdfSha384,
        oid::STD_DH_HKDF_SHA512 => Kdf::HkdfSha512,
        _ => return None,
    })
}
